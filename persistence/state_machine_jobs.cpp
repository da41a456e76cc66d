#include "persistence/state_machine_impl.hpp"

#include <utility>

// Queues, jobs and timers in their tables: the one place where a job enters or
// leaves a state, so that index, counter and timer never part.

namespace muster {

queue_entry& state_machine::impl::keep(std::uint32_t id, queue_record rec) {
  auto queue = std::make_unique<queue_entry>();
  queue->id = id;
  queue->rec = std::move(rec);
  auto& result = *queue;
  queue_names.insert_or_assign(result.rec.name, &result);
  queues.insert_or_assign(id, std::move(queue));
  return result;
}

queue_entry* state_machine::impl::find_queue(std::string_view name) {
  auto pos = queue_names.find(std::string{name});
  return pos == queue_names.end() ? nullptr : pos->second;
}

queue_entry& state_machine::impl::queue_by_id(std::uint32_t id) {
  auto pos = queues.find(id);
  if (pos == queues.end())
    throw lmdb::failure{
      {errc::store_corrupt, "a job belongs to a queue that is not there"}};
  return *pos->second;
}

queue_entry& state_machine::impl::make_queue(std::string_view name) {
  if (auto* queue = find_queue(name))
    return *queue;
  auto id = meta.next_queue++;
  meta_dirty = true;
  queue_record rec;
  rec.name = name;
  rec.bucket = {token_bucket::burst(0), meta.now};
  put(table::queue_names, name, keys::of_queue(id));
  auto& queue = keep(id, std::move(rec));
  touch(queue);
  return queue;
}

std::optional<job_record> state_machine::impl::find_job(job_id id) {
  auto bytes = get(table::jobs, keys::of_job(id));
  if (!bytes)
    return std::nullopt;
  job_record rec;
  if (!decode_record(*bytes, rec))
    throw lmdb::failure{{errc::store_corrupt,
                         "the record of job " + to_string(id) + " is damaged"}};
  return rec;
}

void state_machine::impl::store_job(job_id id, const job_record& rec) {
  encode_record(rec, scratch);
  put(table::jobs, keys::of_job(id), scratch);
}

void state_machine::impl::set_timer(timer_kind kind, timestamp at,
                                    std::uint64_t id, std::string_view value) {
  put(table::timers, keys::of_timer(kind, at, id), value);
  if (known_wake && (!*known_wake || at < **known_wake))
    known_wake = at;
}

void state_machine::impl::clear_timer(timer_kind kind, timestamp at,
                                      std::uint64_t id) {
  erase(table::timers, keys::of_timer(kind, at, id));
  if (known_wake && *known_wake && at <= **known_wake)
    known_wake.reset();
}

std::optional<timestamp> state_machine::impl::next_wake() {
  if (!known_wake) {
    ensure_transaction();
    known_wake = store_view{outer, txn}.next_wake();
  }
  return *known_wake;
}

void state_machine::impl::leave_state(job_id id, job_record& rec,
                                      queue_entry& queue) {
  auto number = static_cast<std::uint64_t>(id);
  switch (rec.state) {
    case job_state::scheduled:
      erase(table::states, keys::of_state(queue.id, rec.state, number));
      if (rec.due_at)
        clear_timer(timer_kind::due, *rec.due_at, number);
      rec.due_at.reset();
      break;
    case job_state::ready:
      erase(table::ready, keys::of_ready(queue.id, rec.priority, id));
      break;
    case job_state::leased:
      if (rec.lease_deadline)
        clear_timer(timer_kind::lease, *rec.lease_deadline, number);
      rec.lease_deadline.reset();
      break;
    default:
      erase(table::states,
            keys::of_state(queue.id, rec.state, rec.finish_sequence));
      erase(table::finished, keys::of_finished(rec.finish_sequence));
      rec.finish_sequence = 0;
      rec.finished_at.reset();
  }
  --queue.count(rec.state);
  touch(queue);
}

void state_machine::impl::enter_ready(job_id id, job_record& rec,
                                      queue_entry& queue) {
  rec.state = job_state::ready;
  put(table::ready, keys::of_ready(queue.id, rec.priority, id), {});
  ++queue.count(job_state::ready);
  touch(queue);
  if (fx->wakened.empty() || fx->wakened.back() != queue.rec.name)
    fx->wakened.push_back(queue.rec.name);
}

void state_machine::impl::enter_scheduled(job_id id, job_record& rec,
                                          queue_entry& queue, timestamp due) {
  auto number = static_cast<std::uint64_t>(id);
  rec.state = job_state::scheduled;
  rec.due_at = due;
  put(table::states, keys::of_state(queue.id, rec.state, number),
      keys::of_job(id));
  set_timer(timer_kind::due, due, number);
  ++queue.count(rec.state);
  touch(queue);
}

void state_machine::impl::enter_final(job_id id, job_record& rec,
                                      queue_entry& queue, job_state state) {
  rec.state = state;
  rec.finished_at = meta.now;
  rec.finish_sequence = meta.next_finish++;
  meta_dirty = true;
  if (rec.expires_at)
    clear_timer(timer_kind::ttl, *rec.expires_at,
                static_cast<std::uint64_t>(id));
  put(table::states, keys::of_state(queue.id, state, rec.finish_sequence),
      keys::of_job(id));
  append(table::finished, keys::of_finished(rec.finish_sequence),
         keys::of_job(id));
  ++queue.count(state);
  touch(queue);
  if (!queue.rec.retention_at)
    arm_retention(queue, meta.now + queue.rec.settings.retention);
  fx->finished.push_back({id, state});
}

void state_machine::impl::drop_job(job_id id, const job_record& rec) {
  auto key = keys::of_job(id);
  if (may_have_history(rec))
    drop_attempts(id);
  erase(table::jobs, key);
  erase(table::payloads, key);
  erase(table::results, key);
}

} // namespace muster
