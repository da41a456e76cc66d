#include "persistence/state_machine_impl.hpp"

// What is remembered of attempts that did not succeed. The latest attempt of a
// job that is leased or succeeded stands in the job's own record.

namespace muster {

void state_machine::impl::keep_attempt(job_id id, const job_record& rec,
                                       attempt_status how,
                                       std::string_view error) {
  attempt_record past;
  past.outcome = how;
  past.worker = rec.worker;
  past.started_at = rec.started_at;
  past.ended_at = meta.now;
  past.error = cut_text(error, limits::attempt_error);
  encode_record(past, scratch);
  put(table::attempts, keys::of_attempt(id, rec.attempt), scratch);
  if (rec.attempt > limits::attempts_kept)
    erase(table::attempts,
          keys::of_attempt(id, rec.attempt - limits::attempts_kept));
}

void state_machine::impl::drop_attempts(job_id id) {
  lmdb::cursor pos{txn, db[table::attempts]};
  for (bool more = pos.seek(keys::of_attempt(id, 0));
       more && keys::job_of_attempt(pos.key()) == id; more = pos.next()) {
    pos.erase();
    written += 32;
  }
}

} // namespace muster
