#include "persistence/state_machine_impl.hpp"

#include <algorithm>
#include <utility>

// What time brings about: due jobs, expired leases, jobs and keys, and the end
// of retention.

namespace muster {

outcome state_machine::impl::apply(const tick_command& cmd) {
  tick_outcome result;
  auto budget = cmd.max;
  if (cmd.spare_leases > millis{0})
    result.leases_spared = spare_leases(meta.now + cmd.spare_leases, budget);
  for (auto kind : timer_kinds) {
    while (budget > 0) {
      timestamp at;
      std::uint64_t id = 0;
      std::string value;
      {
        lmdb::cursor pos{txn, db[table::timers]};
        if (!pos.seek(keys::of_timer(kind, timestamp{}, 0))
            || !keys::is_timer(pos.key(), kind))
          break;
        at = keys::time_of_timer(pos.key());
        if (at > meta.now)
          break;
        id = keys::id_of_timer(pos.key());
        value = pos.value();
        pos.erase();
      }
      known_wake.reset();
      meta_dirty = true;
      --budget;
      auto before = result.dropped;
      fire_timer(kind, at, id, value, result, budget + 1);
      // Retention drops many jobs for one timer.
      auto extra = result.dropped - before;
      budget -= std::min(budget, extra > 0 ? extra - 1 : 0);
    }
  }
  auto wake = next_wake();
  result.more = wake && *wake <= meta.now;
  return result;
}

bool state_machine::impl::fire_timer(timer_kind kind, timestamp at,
                                     std::uint64_t id, std::string_view value,
                                     tick_outcome& out, std::uint32_t budget) {
  switch (kind) {
    case timer_kind::due: {
      auto rec = find_job(job_id{id});
      if (!rec || rec->state != job_state::scheduled || rec->due_at != at)
        return false;
      auto& queue = queue_by_id(rec->queue);
      leave_state(job_id{id}, *rec, queue);
      enter_ready(job_id{id}, *rec, queue);
      store_job(job_id{id}, *rec);
      ++out.promoted;
      return true;
    }
    case timer_kind::lease:
      expire_lease(job_id{id}, out);
      return true;
    case timer_kind::ttl: {
      auto rec = find_job(job_id{id});
      // A job that runs may finish; a failure then ends it.
      if (!rec
          || (rec->state != job_state::ready
              && rec->state != job_state::scheduled))
        return false;
      auto& queue = queue_by_id(rec->queue);
      leave_state(job_id{id}, *rec, queue);
      cancel_expired(job_id{id}, *rec, queue);
      store_job(job_id{id}, *rec);
      ++out.jobs_expired;
      return true;
    }
    case timer_kind::key:
      ++out.dropped;
      return erase(table::keys, value);
    case timer_kind::retention: {
      auto& queue = queue_by_id(static_cast<std::uint32_t>(id));
      queue.rec.retention_at.reset();
      touch(queue);
      out.dropped += retire(queue, budget);
      return true;
    }
  }
  return false;
}

std::uint32_t state_machine::impl::spare_leases(timestamp until,
                                                std::uint32_t& budget) {
  std::uint32_t spared = 0;
  for (; budget > 0; --budget) {
    std::uint64_t id = 0;
    {
      lmdb::cursor pos{txn, db[table::timers]};
      if (!pos.seek(keys::of_timer(timer_kind::lease, timestamp{}, 0))
          || !keys::is_timer(pos.key(), timer_kind::lease)
          || keys::time_of_timer(pos.key()) >= until)
        break;
      id = keys::id_of_timer(pos.key());
      pos.erase();
    }
    known_wake.reset();
    meta_dirty = true;
    auto rec = find_job(job_id{id});
    if (!rec || rec->state != job_state::leased)
      continue;
    rec->lease_deadline = until;
    set_timer(timer_kind::lease, until, id);
    store_job(job_id{id}, *rec);
    ++spared;
  }
  return spared;
}

void state_machine::impl::expire_lease(job_id id, tick_outcome& out) {
  auto rec = find_job(id);
  if (!rec || rec->state != job_state::leased)
    return;
  auto& queue = queue_by_id(rec->queue);
  fx->revoked.push_back({{id, rec->attempt}, rec->worker, errc::stale_lease});
  // Its timer is gone already.
  rec->lease_deadline.reset();
  end_attempt(id, *rec, queue, attempt_end::expired);
  ++queue.rec.expired_leases_total;
  ++out.leases_expired;
  auto text = "lease expired: no heartbeat from worker " + rec->worker;
  keep_attempt(id, *rec, attempt_status::expired, text);
  after_failure(id, *rec, queue, failure_kind::lost, text, true);
}

std::optional<std::pair<job_id, timestamp>>
state_machine::impl::oldest_final(queue_entry& queue) {
  std::optional<std::pair<job_id, std::uint64_t>> oldest;
  lmdb::cursor pos{txn, db[table::states]};
  for (auto state :
       {job_state::succeeded, job_state::dead, job_state::cancelled}) {
    if (queue.count(state) == 0 || !pos.seek(keys::of_state(queue.id, state, 0))
        || !keys::is_state(pos.key(), queue.id, state))
      continue;
    auto sequence = keys::order_of_state(pos.key());
    if (!oldest || sequence < oldest->second)
      oldest = {keys::job_of_index(pos.value()), sequence};
  }
  if (!oldest)
    return std::nullopt;
  auto rec = find_job(oldest->first);
  if (!rec)
    throw lmdb::failure{{errc::store_corrupt, "an indexed job is not there"}};
  return std::pair{oldest->first, rec->finished_at.value_or(timestamp{})};
}

std::uint32_t state_machine::impl::retire(queue_entry& queue,
                                          std::uint32_t budget) {
  std::uint32_t dropped = 0;
  while (auto oldest = oldest_final(queue)) {
    auto ends = oldest->second + queue.rec.settings.retention;
    if (ends > meta.now || dropped == budget) {
      arm_retention(queue, std::max(ends, meta.now));
      break;
    }
    auto rec = find_job(oldest->first);
    leave_state(oldest->first, *rec, queue);
    drop_job(oldest->first, *rec);
    ++dropped;
  }
  return dropped;
}

void state_machine::impl::arm_retention(queue_entry& queue, timestamp at) {
  if (queue.rec.retention_at)
    clear_timer(timer_kind::retention, *queue.rec.retention_at, queue.id);
  queue.rec.retention_at = at;
  set_timer(timer_kind::retention, at, queue.id);
  touch(queue);
}

} // namespace muster
