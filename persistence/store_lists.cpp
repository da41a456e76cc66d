#include "persistence/store_reader.hpp"

#include <vector>

// Lists of jobs: walks along an index that stop at a limit.

namespace muster {

namespace {

using job_list = std::vector<job_info>;

void add(table_reader& from, job_id id, job_list& to) {
  if (auto info = from.job(id))
    to.push_back(std::move(*info));
}

job_id after(job_id id) {
  return job_id{static_cast<std::uint64_t>(id) + 1};
}

void list_leased(table_reader& from, std::uint32_t queue, job_id last,
                 std::size_t limit, job_list& to) {
  auto start = from.record(last);
  auto first = start && start->lease_deadline
                 ? keys::of_timer(timer_kind::lease, *start->lease_deadline,
                                  static_cast<std::uint64_t>(after(last)))
                 : keys::of_timer(timer_kind::lease, timestamp{}, 0);
  auto pos = from.cursor(table::timers);
  for (bool more = pos.seek(first);
       more && keys::is_timer(pos.key(), timer_kind::lease)
       && to.size() < limit;
       more = pos.next()) {
    job_id id{keys::id_of_timer(pos.key())};
    if (auto rec = from.record(id); rec && rec->queue == queue)
      add(from, id, to);
  }
}

void list_ready(table_reader& from, std::uint32_t queue, job_id last,
                std::size_t limit, job_list& to) {
  auto start = from.record(last);
  auto first = start ? keys::of_ready(queue, start->priority, after(last))
                     : keys::of_ready(queue, 255, job_id::none);
  auto pos = from.cursor(table::ready);
  for (bool more = pos.seek(first);
       more && keys::queue_of(pos.key()) == queue && to.size() < limit;
       more = pos.next())
    add(from, keys::job_of_ready(pos.key()), to);
}

void list_state(table_reader& from, std::uint32_t queue, job_state state,
                job_id last, std::size_t limit, job_list& to) {
  auto start = from.record(last);
  std::uint64_t order = 0;
  if (start)
    order = is_final(state) ? start->finish_sequence + 1
                            : static_cast<std::uint64_t>(after(last));
  auto pos = from.cursor(table::states);
  for (bool more = pos.seek(keys::of_state(queue, state, order));
       more && keys::is_state(pos.key(), queue, state) && to.size() < limit;
       more = pos.next())
    add(from, keys::job_of_index(pos.value()), to);
}

/// Walks one queue's final states in the order of their finish sequences.
class finished_walk {
public:
  finished_walk(const table_reader& from, std::uint32_t queue,
                bool succeeded_only)
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
      l.valid
        = (l.pos.seek(beyond) ? l.pos.prev() : l.pos.last()) && belongs(l);
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
    auto id = keys::job_of_index(best->pos.value());
    best->valid
      = (newest_first ? best->pos.prev() : best->pos.next()) && belongs(*best);
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
    return keys::is_state(l.pos.key(), queue_, l.state);
  }

  static std::uint64_t order(const lane& l) {
    return keys::order_of_state(l.pos.key());
  }

  std::uint32_t queue_;
  std::vector<lane> lanes_;
};

bool wanted(const job_info& job, bool succeeded_only) {
  return !succeeded_only || job.state == job_state::succeeded;
}

} // namespace

std::vector<job_info> store_view::jobs(std::string_view queue, job_state state,
                                       std::size_t limit, job_id after) const {
  return looked_up([&] {
    job_list result;
    table_reader from{*store_, txn_};
    auto id = from.queue_id(queue);
    if (!id)
      return result;
    if (state == job_state::leased)
      list_leased(from, *id, after, limit, result);
    else if (state == job_state::ready)
      list_ready(from, *id, after, limit, result);
    else
      list_state(from, *id, state, after, limit, result);
    return result;
  });
}

std::vector<job_info> store_view::leases(std::size_t limit) const {
  return looked_up([&] {
    job_list result;
    table_reader from{*store_, txn_};
    auto pos = from.cursor(table::timers);
    for (bool more
         = pos.seek(keys::of_timer(timer_kind::lease, timestamp{}, 0));
         more && keys::is_timer(pos.key(), timer_kind::lease)
         && result.size() < limit;
         more = pos.next())
      if (auto info = from.job(job_id{keys::id_of_timer(pos.key())}))
        result.push_back(std::move(*info));
    return result;
  });
}

std::vector<job_info> store_view::completed(const completed_query& q) const {
  return looked_up([&] {
    job_list result;
    // After the last number there is nothing, and no number to begin at.
    if (q.after == UINT64_MAX)
      return result;
    table_reader from{*store_, txn_};
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
    auto more
      = newest_first ? pos.last() : pos.seek(keys::of_finished(*q.after + 1));
    for (; more && result.size() < q.limit;
         more = newest_first ? pos.prev() : pos.next()) {
      auto info = from.job(keys::job_of_index(pos.value()));
      if (info && wanted(*info, q.succeeded_only))
        result.push_back(std::move(*info));
    }
    return result;
  });
}

} // namespace muster
