#include "persistence/store_reader.hpp"

#include <algorithm>

// A job's attempts: those that did not succeed have records, and what is
// missing about the latest one stands in the job's own record.

namespace muster {

namespace {

attempt_info to_info(std::uint32_t number, attempt_record rec) {
  attempt_info info;
  info.attempt = number;
  info.outcome = rec.outcome;
  info.worker = std::move(rec.worker);
  info.started_at = rec.started_at;
  info.ended_at = rec.ended_at;
  info.error = std::move(rec.error);
  return info;
}

attempt_status outcome_of(const job_record& rec) noexcept {
  switch (rec.ended) {
    case attempt_end::succeeded:
      return attempt_status::succeeded;
    case attempt_end::failed:
      return attempt_status::failed;
    case attempt_end::released:
      return attempt_status::released;
    case attempt_end::expired:
      return attempt_status::expired;
    case attempt_end::cancelled:
      return attempt_status::cancelled;
    case attempt_end::lost:
      return attempt_status::lost;
    case attempt_end::open:
      break;
  }
  return attempt_status::running;
}

/// The latest attempt as the job's record has it: one that runs or succeeded,
/// or one that ended before there were records of attempts.
attempt_info latest_of(job_record rec) {
  attempt_info info;
  info.attempt = rec.attempt;
  info.outcome = outcome_of(rec);
  info.worker = std::move(rec.worker);
  info.started_at = rec.started_at;
  // A job that is cancelled may have waited since its attempt.
  auto ended_with_job = rec.state == job_state::succeeded
                        || rec.state == job_state::dead
                        || (rec.state == job_state::cancelled
                            && rec.ended == attempt_end::cancelled);
  if (ended_with_job)
    info.ended_at = rec.finished_at;
  if (rec.state != job_state::leased && rec.state != job_state::cancelled)
    info.error = cut_text(rec.error, limits::attempt_error);
  return info;
}

} // namespace

attempt_list store_view::attempts(job_id id) const {
  return looked_up([&] {
    attempt_list result;
    table_reader from{*store_, txn_};
    auto job = from.record(id);
    if (!job || job->attempt == 0)
      return result;
    auto& list = result.attempts;
    auto latest = job->attempt;
    auto first = latest - std::min(latest - 1, limits::attempts_kept - 1);
    if (may_have_history(*job)) {
      auto pos = from.cursor(table::attempts);
      for (bool more = pos.seek(keys::of_attempt(id, first));
           more && keys::job_of_attempt(pos.key()) == id; more = pos.next()) {
        attempt_record rec;
        if (decode_record(pos.value(), rec))
          list.push_back(
            to_info(keys::number_of_attempt(pos.key()), std::move(rec)));
      }
    }
    if (list.empty() || list.back().attempt != latest)
      list.push_back(latest_of(std::move(*job)));
    result.dropped = latest - static_cast<std::uint32_t>(list.size());
    return result;
  });
}

} // namespace muster
