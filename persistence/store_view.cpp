#include "persistence/store_view.hpp"

#include "persistence/store_tables.hpp"

#include <algorithm>
#include <type_traits>

namespace muster {

namespace {

/// Runs a look-up; what LMDB refuses or a damaged record is "nothing".
template <class Look>
auto looked_up(Look look) -> std::invoke_result_t<Look> {
  try {
    return look();
  } catch (const lmdb::failure&) {
    return {};
  }
}

/// One read of several tables.
class reader {
public:
  reader(const store& st, MDB_txn* txn) : db_(st.internals()), txn_(txn) {
    // nop
  }

  [[nodiscard]] std::optional<std::string_view> get(table t,
                                                    std::string_view key) const {
    return lmdb::get(txn_, db_[t], key);
  }

  [[nodiscard]] lmdb::cursor cursor(table t) const {
    return {txn_, db_[t]};
  }

  [[nodiscard]] std::optional<queue_record> queue(std::uint32_t id) const {
    queue_record rec;
    auto bytes = get(table::queues, keys::of_queue(id));
    if (bytes && decode_record(*bytes, rec))
      return rec;
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::uint32_t>
  queue_id(std::string_view name) const {
    if (name.empty())
      return std::nullopt;
    if (auto bytes = get(table::queue_names, name))
      return static_cast<std::uint32_t>(lmdb::number_at(*bytes, 0, 4));
    return std::nullopt;
  }

  [[nodiscard]] std::optional<job_record> record(job_id id) const {
    job_record rec;
    auto bytes = get(table::jobs, keys::of_job(id));
    if (bytes && decode_record(*bytes, rec))
      return rec;
    return std::nullopt;
  }

  /// Names of queues are looked up once.
  std::optional<job_info> job(job_id id) {
    auto rec = record(id);
    if (!rec)
      return std::nullopt;
    if (!known_queue_ || known_queue_id_ != rec->queue) {
      known_queue_ = queue(rec->queue);
      known_queue_id_ = rec->queue;
    }
    job_info info;
    info.id = id;
    info.queue = known_queue_ ? known_queue_->name : std::string{};
    info.handler = std::move(rec->handler);
    info.state = rec->state;
    info.attempt = rec->attempt;
    info.failures = rec->failures;
    info.max_attempts = rec->max_attempts;
    info.priority = rec->priority;
    info.timeout = rec->timeout;
    info.enqueued_at = rec->enqueued_at;
    info.due_at = rec->due_at;
    info.started_at = rec->started_at;
    info.finished_at = rec->finished_at;
    info.lease_deadline = rec->lease_deadline;
    info.expires_at = rec->expires_at;
    info.worker = std::move(rec->worker);
    info.progress = std::move(rec->progress);
    info.error = std::move(rec->error);
    info.finish_sequence = rec->finish_sequence;
    return info;
  }

private:
  store::impl& db_;
  MDB_txn* txn_;
  std::uint32_t known_queue_id_ = 0;
  std::optional<queue_record> known_queue_;
};

queue_info to_info(const reader& from, std::uint32_t id, queue_record rec) {
  queue_info info;
  info.name = std::move(rec.name);
  info.settings = std::move(rec.settings);
  info.depth = rec.depth;
  info.enqueued_total = rec.enqueued_total;
  info.leased_total = rec.leased_total;
  info.succeeded_total = rec.succeeded_total;
  info.failed_total = rec.failed_total;
  info.dead_total = rec.dead_total;
  info.cancelled_total = rec.cancelled_total;
  info.expired_leases_total = rec.expired_leases_total;
  if (info.count(job_state::ready) > 0) {
    auto pos = from.cursor(table::ready);
    if (pos.seek(keys::of_queue(id)) && lmdb::number_at(pos.key(), 0, 4) == id)
      if (auto oldest = from.record(job_id{lmdb::number_at(pos.key(), 5, 8)}))
        info.oldest_ready = oldest->enqueued_at;
  }
  return info;
}

/// Walks one queue's final states in the order of their finish sequences.
class finished_walk {
public:
  finished_walk(const reader& from, std::uint32_t queue, bool succeeded_only)
    : queue_(queue) {
    for (auto state :
         {job_state::succeeded, job_state::dead, job_state::cancelled}) {
      lanes_.emplace_back(from.cursor(table::states), state);
      if (succeeded_only)
        break;
    }
  }

  void begin_after(std::uint64_t sequence) {
    for (auto& l : lanes_)
      l.valid = l.pos.seek(keys::of_state(queue_, l.state, sequence + 1))
                && belongs(l);
  }

  void begin_at_end() {
    for (auto& l : lanes_) {
      auto beyond = keys::of_state(queue_, l.state, UINT64_MAX);
      // A finish sequence never gets there, so the key before is the last one.
      l.valid = (l.pos.seek(beyond) ? l.pos.prev() : l.pos.last())
                && belongs(l);
    }
  }

  /// The next job in the direction given, or none.
  job_id take(bool newest_first) {
    lane* best = nullptr;
    for (auto& l : lanes_) {
      if (!l.valid)
        continue;
      if (best == nullptr
          || (newest_first ? order(l) > order(*best) : order(l) < order(*best)))
        best = &l;
    }
    if (best == nullptr)
      return job_id::none;
    job_id id{lmdb::number_at(best->pos.value(), 0, 8)};
    best->valid = (newest_first ? best->pos.prev() : best->pos.next())
                  && belongs(*best);
    return id;
  }

private:
  struct lane {
    lane(lmdb::cursor&& c, job_state s) : pos(std::move(c)), state(s) {
      // nop
    }

    lmdb::cursor pos;
    job_state state;
    bool valid = false;
  };

  [[nodiscard]] bool belongs(const lane& l) const {
    return lmdb::number_at(l.pos.key(), 0, 4) == queue_
           && lmdb::number_at(l.pos.key(), 4, 1)
                == static_cast<std::uint64_t>(l.state);
  }

  static std::uint64_t order(const lane& l) {
    return lmdb::number_at(l.pos.key(), 5, 8);
  }

  std::uint32_t queue_;
  std::vector<lane> lanes_;
};

bool wanted(const job_info& job, bool succeeded_only) {
  return !succeeded_only || job.state == job_state::succeeded;
}

} // namespace

std::optional<job_info> store_view::job(job_id id) const {
  return looked_up([&] { return reader{*store_, txn_}.job(id); });
}

std::optional<std::string> store_view::payload(job_id id) const {
  return payload_preview(id, SIZE_MAX);
}

std::optional<std::string> store_view::payload_preview(job_id id,
                                                       std::size_t max) const {
  return looked_up([&]() -> std::optional<std::string> {
    auto bytes = reader{*store_, txn_}.get(table::payloads, keys::of_job(id));
    if (!bytes)
      return std::nullopt;
    return std::string{bytes->substr(0, max)};
  });
}

std::optional<std::string> store_view::result(job_id id) const {
  return looked_up([&]() -> std::optional<std::string> {
    auto bytes = reader{*store_, txn_}.get(table::results, keys::of_job(id));
    if (!bytes)
      return std::nullopt;
    return std::string{*bytes};
  });
}

std::optional<queue_info> store_view::queue(std::string_view name) const {
  return looked_up([&]() -> std::optional<queue_info> {
    reader from{*store_, txn_};
    auto id = from.queue_id(name);
    if (!id)
      return std::nullopt;
    auto rec = from.queue(*id);
    if (!rec)
      return std::nullopt;
    return to_info(from, *id, std::move(*rec));
  });
}

std::vector<queue_info> store_view::queues(std::string_view after,
                                           std::size_t limit) const {
  return looked_up([&] {
    std::vector<queue_info> result;
    reader from{*store_, txn_};
    auto pos = from.cursor(table::queue_names);
    auto more = after.empty() ? pos.first() : pos.seek(after);
    if (more && !after.empty() && pos.key() == after)
      more = pos.next();
    for (; more && result.size() < limit; more = pos.next()) {
      auto id = static_cast<std::uint32_t>(lmdb::number_at(pos.value(), 0, 4));
      if (auto rec = from.queue(id))
        result.push_back(to_info(from, id, std::move(*rec)));
    }
    return result;
  });
}

std::vector<job_info> store_view::jobs(std::string_view queue, job_state state,
                                       std::size_t limit, job_id after) const {
  return looked_up([&] {
    std::vector<job_info> result;
    reader from{*store_, txn_};
    auto id = from.queue_id(queue);
    if (!id)
      return result;
    auto add = [&](job_id found) {
      if (auto info = from.job(found))
        result.push_back(std::move(*info));
    };
    auto start = after == job_id::none ? std::nullopt : from.record(after);
    if (state == job_state::leased) {
      auto pos = from.cursor(table::timers);
      auto kind = static_cast<std::uint64_t>(timer_kind::lease);
      auto first = start && start->lease_deadline
                     ? keys::of_timer(timer_kind::lease, *start->lease_deadline,
                                      static_cast<std::uint64_t>(after) + 1)
                     : keys::of_timer(timer_kind::lease, timestamp{}, 0);
      for (bool more = pos.seek(first);
           more && lmdb::number_at(pos.key(), 0, 1) == kind
           && result.size() < limit;
           more = pos.next()) {
        job_id found{keys::id_of_timer(pos.key())};
        if (auto rec = from.record(found); rec && rec->queue == *id)
          add(found);
      }
      return result;
    }
    if (state == job_state::ready) {
      auto pos = from.cursor(table::ready);
      auto first = start ? keys::of_ready(*id, start->priority,
                                          job_id{static_cast<std::uint64_t>(
                                                   after)
                                                 + 1})
                         : keys::of_ready(*id, 255, job_id::none);
      for (bool more = pos.seek(first);
           more && lmdb::number_at(pos.key(), 0, 4) == *id
           && result.size() < limit;
           more = pos.next())
        add(job_id{lmdb::number_at(pos.key(), 5, 8)});
      return result;
    }
    auto order = !start ? 0
                 : is_final(state)
                   ? start->finish_sequence + 1
                   : static_cast<std::uint64_t>(after) + 1;
    auto pos = from.cursor(table::states);
    for (bool more = pos.seek(keys::of_state(*id, state, order));
         more && lmdb::number_at(pos.key(), 0, 4) == *id
         && lmdb::number_at(pos.key(), 4, 1) == static_cast<std::uint64_t>(state)
         && result.size() < limit;
         more = pos.next())
      add(job_id{lmdb::number_at(pos.value(), 0, 8)});
    return result;
  });
}

std::vector<job_info> store_view::leases(std::size_t limit) const {
  return looked_up([&] {
    std::vector<job_info> result;
    reader from{*store_, txn_};
    auto pos = from.cursor(table::timers);
    auto kind = static_cast<std::uint64_t>(timer_kind::lease);
    for (bool more = pos.seek(keys::of_timer(timer_kind::lease, timestamp{}, 0));
         more && lmdb::number_at(pos.key(), 0, 1) == kind
         && result.size() < limit;
         more = pos.next())
      if (auto info = from.job(job_id{keys::id_of_timer(pos.key())}))
        result.push_back(std::move(*info));
    return result;
  });
}

std::vector<job_info> store_view::completed(const completed_query& q) const {
  return looked_up([&] {
    std::vector<job_info> result;
    reader from{*store_, txn_};
    auto newest_first = !q.after.has_value();
    if (!q.queue.empty()) {
      auto id = from.queue_id(q.queue);
      if (!id)
        return result;
      finished_walk walk{from, *id, q.succeeded_only};
      if (newest_first)
        walk.begin_at_end();
      else
        walk.begin_after(*q.after);
      while (result.size() < q.limit) {
        auto found = walk.take(newest_first);
        if (found == job_id::none)
          break;
        if (auto info = from.job(found))
          result.push_back(std::move(*info));
      }
      return result;
    }
    auto pos = from.cursor(table::finished);
    auto more = newest_first ? pos.last()
                             : pos.seek(keys::of_finished(*q.after + 1));
    for (; more && result.size() < q.limit;
         more = newest_first ? pos.prev() : pos.next()) {
      auto info = from.job(job_id{lmdb::number_at(pos.value(), 0, 8)});
      if (info && wanted(*info, q.succeeded_only))
        result.push_back(std::move(*info));
    }
    return result;
  });
}

std::optional<timestamp> store_view::next_wake() const {
  return looked_up([&] {
    std::optional<timestamp> result;
    reader from{*store_, txn_};
    auto pos = from.cursor(table::timers);
    for (auto kind : timer_kinds) {
      if (!pos.seek(keys::of_timer(kind, timestamp{}, 0))
          || lmdb::number_at(pos.key(), 0, 1)
               != static_cast<std::uint64_t>(kind))
        continue;
      auto at = keys::time_of_timer(pos.key());
      if (!result || at < *result)
        result = at;
    }
    return result;
  });
}

std::uint64_t store_view::applied() const {
  return looked_up([&]() -> std::uint64_t {
    meta_record rec;
    auto bytes = reader{*store_, txn_}.get(table::meta, meta_keys::state);
    return bytes && decode_record(*bytes, rec) ? rec.applied : 0;
  });
}

} // namespace muster
