#include "persistence/state_machine_impl.hpp"

#include <algorithm>

// Commands that put jobs in, hand them out, and set queues.

namespace muster {

outcome state_machine::impl::apply(const enqueue_command& cmd) {
  auto& queue = make_queue(cmd.queue);
  enqueue_outcome result;
  result.jobs.reserve(cmd.jobs.size());
  for (auto& job : cmd.jobs) {
    if (!job.idempotency_key.empty()) {
      if (auto known = find_key(queue, job)) {
        result.jobs.push_back(*known);
        continue;
      }
    }
    auto added = add_job(queue, job);
    if (!job.idempotency_key.empty())
      remember_key(queue, job, added.id);
    result.jobs.push_back(added);
  }
  return result;
}

enqueued_job state_machine::impl::add_job(queue_entry& queue,
                                          const new_job& job) {
  job_id id{meta.next_job++};
  meta_dirty = true;
  job_record rec;
  rec.queue = queue.id;
  rec.handler = job.handler;
  rec.priority = job.priority;
  rec.max_attempts = job.max_attempts;
  rec.timeout = job.timeout;
  rec.enqueued_at = meta.now;
  if (job.delay > millis{0})
    enter_scheduled(id, rec, queue, meta.now + job.delay);
  else
    enter_ready(id, rec, queue);
  if (job.ttl > millis{0}) {
    rec.expires_at = meta.now + job.ttl;
    set_timer(timer_kind::ttl, *rec.expires_at, static_cast<std::uint64_t>(id));
  }
  encode_record(rec, scratch);
  auto key = keys::of_job(id);
  append(table::jobs, key, scratch);
  append(table::payloads, key, job.payload);
  ++queue.rec.enqueued_total;
  return {id, rec.state, false};
}

std::optional<enqueued_job> state_machine::impl::find_key(queue_entry& queue,
                                                          const new_job& job) {
  auto bytes
    = get(table::keys, keys::of_idempotency(queue.id, job.idempotency_key));
  key_record known;
  if (!bytes || !decode_record(*bytes, known) || known.expires <= meta.now)
    return std::nullopt;
  auto rec = find_job(known.id);
  // A job whose retention has passed did end; how is not known any more.
  return enqueued_job{known.id, rec ? rec->state : job_state::succeeded, true};
}

void state_machine::impl::remember_key(queue_entry& queue, const new_job& job,
                                       job_id id) {
  auto key = keys::of_idempotency(queue.id, job.idempotency_key);
  if (auto bytes = get(table::keys, key)) {
    key_record stale;
    if (decode_record(*bytes, stale))
      clear_timer(timer_kind::key, stale.expires,
                  static_cast<std::uint64_t>(stale.id));
  }
  key_record rec{id, meta.now + job.key_ttl};
  encode_record(rec, scratch);
  put(table::keys, key, scratch);
  set_timer(timer_kind::key, rec.expires, static_cast<std::uint64_t>(id), key);
}

lease_capacity state_machine::impl::capacity(queue_entry& queue,
                                             timestamp at) const {
  lease_capacity result;
  auto& settings = queue.rec.settings;
  if (settings.paused) {
    result.room = 0;
  } else {
    if (settings.max_running > 0) {
      auto running = queue.count(job_state::leased);
      result.room
        = settings.max_running > running ? settings.max_running - running : 0;
    }
    if (settings.rate > 0) {
      auto bucket = queue.rec.bucket;
      bucket.refill(settings.rate, at);
      result.room
        = std::min(result.room, static_cast<std::uint64_t>(bucket.tokens));
      if (bucket.tokens < 1.0)
        result.retry_at = bucket.next_token(settings.rate);
    }
  }
  result.jobs = std::min(result.room, queue.count(job_state::ready));
  return result;
}

outcome state_machine::impl::apply(const lease_command& cmd) {
  lease_outcome result;
  auto* queue = find_queue(cmd.queue);
  if (queue == nullptr)
    return result;
  auto rate = queue->rec.settings.rate;
  if (rate > 0)
    queue->rec.bucket.refill(rate, meta.now);
  auto left = std::min<std::uint64_t>(cmd.max, capacity(*queue, meta.now).jobs);
  result.jobs.reserve(left);
  {
    auto bytes = std::uint64_t{0};
    lmdb::cursor pos{txn, db[table::ready]};
    for (bool more = pos.seek(keys::of_queue(queue->id));
         more && left > 0 && keys::queue_of(pos.key()) == queue->id
         && (cmd.max_bytes == 0 || bytes < cmd.max_bytes);
         more = pos.next(), --left) {
      auto id = keys::job_of_ready(pos.key());
      pos.erase();
      written += 32;
      result.jobs.push_back(lease_job(*queue, id, cmd));
      bytes += result.jobs.back().payload.size();
    }
  }
  if (rate > 0)
    queue->rec.bucket.tokens -= static_cast<double>(result.jobs.size());
  touch(*queue);
  return result;
}

leased_job state_machine::impl::lease_job(queue_entry& queue, job_id id,
                                          const lease_command& cmd) {
  auto rec = find_job(id);
  if (!rec)
    throw lmdb::failure{{errc::store_corrupt,
                         "job " + to_string(id) + " is ready but not there"}};
  rec->state = job_state::leased;
  ++rec->attempt;
  rec->ended = attempt_end::open;
  rec->started_at = meta.now;
  rec->lease_deadline = meta.now + cmd.ttl;
  rec->worker = cmd.worker;
  rec->progress.clear();
  store_job(id, *rec);
  set_timer(timer_kind::lease, *rec->lease_deadline,
            static_cast<std::uint64_t>(id));
  --queue.count(job_state::ready);
  ++queue.count(job_state::leased);
  ++queue.rec.leased_total;
  leased_job job;
  job.token = {id, rec->attempt};
  job.queue = queue.rec.name;
  job.handler = std::move(rec->handler);
  if (auto payload = get(table::payloads, keys::of_job(id)))
    job.payload = *payload;
  job.deadline = *rec->lease_deadline;
  job.timeout = rec->timeout;
  job.priority = rec->priority;
  job.max_attempts = rec->max_attempts;
  return job;
}

outcome state_machine::impl::apply(const configure_command& cmd) {
  auto& queue = make_queue(cmd.queue);
  auto& settings = queue.rec.settings;
  auto set = [](auto& target, auto& value) {
    if (value)
      target = *value;
  };
  if (cmd.paused && *cmd.paused && !settings.paused)
    fx->paused.push_back(queue.rec.name);
  set(settings.paused, cmd.paused);
  set(settings.max_depth, cmd.max_depth);
  set(settings.max_running, cmd.max_running);
  if (cmd.rate && *cmd.rate != settings.rate) {
    queue.rec.bucket.refill(settings.rate, meta.now);
    settings.rate = *cmd.rate;
    queue.rec.bucket = {token_bucket::burst(settings.rate), meta.now};
  }
  set(settings.backoff, cmd.backoff);
  set(settings.dead_letter, cmd.dead_letter);
  if (cmd.retention && *cmd.retention != settings.retention) {
    settings.retention = *cmd.retention;
    // A shorter retention takes effect at once.
    if (queue.rec.retention_at)
      arm_retention(queue, meta.now);
  }
  touch(queue);
  if (queue.count(job_state::ready) > 0)
    fx->wakened.push_back(queue.rec.name);
  return configure_outcome{settings};
}

outcome state_machine::impl::apply(const purge_command& cmd) {
  auto* queue = find_queue(cmd.queue);
  if (queue == nullptr)
    return purge_outcome{errc::queue_not_found, 0, false};
  purge_outcome result;
  if (cmd.state == job_state::leased)
    return result;
  result.removed = cmd.state == job_state::ready
                     ? purge_ready(*queue, cmd.max)
                     : purge_state(*queue, cmd.state, cmd.max);
  result.more = queue->count(cmd.state) > 0;
  return result;
}

std::uint32_t state_machine::impl::purge_ready(queue_entry& queue,
                                               std::uint32_t max) {
  std::uint32_t removed = 0;
  while (removed < max) {
    lmdb::cursor pos{txn, db[table::ready]};
    if (!pos.seek(keys::of_queue(queue.id))
        || keys::queue_of(pos.key()) != queue.id)
      break;
    auto id = keys::job_of_ready(pos.key());
    auto rec = find_job(id);
    if (!rec)
      throw lmdb::failure{{errc::store_corrupt, "a ready job is not there"}};
    leave_state(id, *rec, queue);
    if (rec->expires_at)
      clear_timer(timer_kind::ttl, *rec->expires_at,
                  static_cast<std::uint64_t>(id));
    drop_job(id, *rec);
    ++removed;
  }
  return removed;
}

std::uint32_t state_machine::impl::purge_state(queue_entry& queue,
                                               job_state state,
                                               std::uint32_t max) {
  std::uint32_t removed = 0;
  while (removed < max) {
    std::optional<job_id> id;
    {
      lmdb::cursor pos{txn, db[table::states]};
      if (pos.seek(keys::of_state(queue.id, state, 0))
          && keys::is_state(pos.key(), queue.id, state))
        id = keys::job_of_index(pos.value());
    }
    if (!id)
      break;
    auto rec = find_job(*id);
    if (!rec)
      throw lmdb::failure{{errc::store_corrupt, "an indexed job is not there"}};
    leave_state(*id, *rec, queue);
    if (rec->expires_at && !is_final(state))
      clear_timer(timer_kind::ttl, *rec->expires_at,
                  static_cast<std::uint64_t>(*id));
    drop_job(*id, *rec);
    ++removed;
  }
  return removed;
}

} // namespace muster
