#include "persistence/store_reader.hpp"

#include <array>
#include <span>
#include <vector>

// Lists of jobs: walks along an index that stop at a limit.

namespace muster {

namespace {

using job_list = std::vector<job_info>;

/// How many entries of an index one page looks at, where some are of no use.
constexpr std::size_t looks_per_page = 10'000;

constexpr std::array final_states{job_state::succeeded, job_state::dead,
                                  job_state::cancelled};

job_id after(job_id id) {
  return job_id{static_cast<std::uint64_t>(id) + 1};
}

/// A page while it is filled.
class page_builder {
public:
  page_builder(table_reader& from, std::size_t limit)
    : from_(from), limit_(limit) {
    // nop
  }

  /// Whether the list may go on. If there is another job at `at` for which the
  /// page has no room, it ends before that.
  bool add(job_id id, const list_position& at) {
    if (page.rows.size() == limit_) {
      page.next = page.rows.empty() ? at : page.rows.back().at;
      return false;
    }
    if (auto info = from_.job(id))
      page.rows.push_back({std::move(*info), at});
    return true;
  }

  /// Counts a look at an entry that may be of no use; false after too many, and
  /// then the page ends behind it.
  bool look(const list_position& at) {
    if (++looks_ < looks_per_page)
      return true;
    page.next = at;
    return false;
  }

  job_page page;

private:
  table_reader& from_;
  std::size_t limit_;
  std::size_t looks_ = 0;
};

/// Where in a list of several indexes one of them begins: at its start if the
/// cursor is not in it.
const list_position* within(const std::optional<list_position>& cursor,
                            job_state state) {
  return cursor && cursor->state == state ? &*cursor : nullptr;
}

/// Leases by deadline. `wanted` tells which are listed.
template <class Wanted>
bool list_leased(table_reader& from, const list_position* begin, Wanted wanted,
                 page_builder& to) {
  auto first = keys::of_timer(timer_kind::lease, timestamp{}, 0);
  if (begin != nullptr)
    first = keys::of_timer(
      timer_kind::lease,
      timestamp{millis{static_cast<std::int64_t>(begin->order)}},
      static_cast<std::uint64_t>(after(begin->id)));
  auto pos = from.cursor(table::timers);
  for (bool more = pos.seek(first);
       more && keys::is_timer(pos.key(), timer_kind::lease);
       more = pos.next()) {
    job_id id{keys::id_of_timer(pos.key())};
    auto deadline = keys::time_of_timer(pos.key()).time_since_epoch().count();
    list_position at{job_state::leased, static_cast<std::uint64_t>(deadline),
                     id};
    auto rec = from.record(id);
    if (rec && wanted(*rec) && !to.add(id, at))
      return false;
    if (!to.look(at))
      return false;
  }
  return true;
}

bool list_ready(table_reader& from, std::uint32_t queue,
                const list_position* begin, page_builder& to) {
  auto first = keys::of_ready(queue, 255, job_id::none);
  if (begin != nullptr)
    first = keys::of_ready(queue, static_cast<std::uint8_t>(255 - begin->order),
                           after(begin->id));
  auto pos = from.cursor(table::ready);
  for (bool more = pos.seek(first); more && keys::queue_of(pos.key()) == queue;
       more = pos.next()) {
    auto id = keys::job_of_ready(pos.key());
    if (!to.add(id, {job_state::ready, keys::order_of_ready(pos.key()), id}))
      return false;
  }
  return true;
}

bool list_scheduled(table_reader& from, std::uint32_t queue,
                    const list_position* begin, page_builder& to) {
  constexpr auto state = job_state::scheduled;
  auto first
    = begin != nullptr ? static_cast<std::uint64_t>(after(begin->id)) : 0;
  auto pos = from.cursor(table::states);
  for (bool more = pos.seek(keys::of_state(queue, state, first));
       more && keys::is_state(pos.key(), queue, state); more = pos.next()) {
    auto id = keys::job_of_index(pos.value());
    if (!to.add(id, {state, 0, id}))
      return false;
  }
  return true;
}

/// Walks one queue's final states in the order of their finish sequences.
class finished_walk {
public:
  finished_walk(const table_reader& from, std::uint32_t queue,
                std::span<const job_state> states)
    : queue_(queue) {
    for (auto state : states)
      lanes_.emplace_back(from.cursor(table::states), state);
  }

  void begin_after(std::uint64_t sequence) {
    for (auto& l : lanes_)
      l.valid = l.pos.seek(keys::of_state(queue_, l.state, sequence + 1))
                && belongs(l);
  }

  /// Behind what comes before a sequence number, which no job has if it is the
  /// last there is.
  void begin_before(std::uint64_t sequence) {
    for (auto& l : lanes_) {
      auto beyond = keys::of_state(queue_, l.state, sequence);
      l.valid
        = (l.pos.seek(beyond) ? l.pos.prev() : l.pos.last()) && belongs(l);
    }
  }

  void begin_at_end() {
    begin_before(UINT64_MAX);
  }

  struct found {
    job_id id = job_id::none;
    std::uint64_t sequence = 0;
  };

  /// The next job in the direction given, or none.
  found take(bool newest_first) {
    lane* best = nullptr;
    for (auto& l : lanes_) {
      if (!l.valid)
        continue;
      if (best == nullptr
          || (newest_first ? order(l) > order(*best) : order(l) < order(*best)))
        best = &l;
    }
    if (best == nullptr)
      return {};
    found result{keys::job_of_index(best->pos.value()), order(*best)};
    best->valid
      = (newest_first ? best->pos.prev() : best->pos.next()) && belongs(*best);
    return result;
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

/// Newest first.
bool list_final(const table_reader& from, std::uint32_t queue,
                std::span<const job_state> states, const list_position* begin,
                page_builder& to) {
  finished_walk walk{from, queue, states};
  if (begin != nullptr)
    walk.begin_before(begin->order);
  else
    walk.begin_at_end();
  for (auto next = walk.take(true); next.id != job_id::none;
       next = walk.take(true))
    if (!to.add(next.id, {states.front(), next.sequence, job_id::none}))
      return false;
  return true;
}

/// Lists one index of a queue. False when the page is full.
bool list_state(table_reader& from, std::uint32_t queue, job_state state,
                const list_position* begin, page_builder& to) {
  switch (state) {
    case job_state::leased:
      return list_leased(
        from, begin, [queue](auto& rec) { return rec.queue == queue; }, to);
    case job_state::ready:
      return list_ready(from, queue, begin, to);
    case job_state::scheduled:
      return list_scheduled(from, queue, begin, to);
    default:
      return list_final(from, queue, std::span{&state, 1}, begin, to);
  }
}

/// All jobs of a queue, state by state; final ones together.
void list_all(table_reader& from, std::uint32_t queue,
              const std::optional<list_position>& cursor, page_builder& to) {
  auto begun = !cursor;
  for (auto state :
       {job_state::leased, job_state::ready, job_state::scheduled}) {
    auto* begin = within(cursor, state);
    begun = begun || begin != nullptr;
    if (begun && !list_state(from, queue, state, begin, to))
      return;
  }
  (void)list_final(from, queue, final_states,
                   within(cursor, final_states.front()), to);
}

bool wanted(const job_info& job, bool succeeded_only) {
  return !succeeded_only || job.state == job_state::succeeded;
}

} // namespace

std::optional<job_page> store_view::jobs(const job_query& q) const {
  return looked_up([&]() -> std::optional<job_page> {
    table_reader from{*store_, txn_};
    auto id = from.queue_id(q.queue);
    if (!id)
      return std::nullopt;
    page_builder to{from, q.limit};
    if (q.state)
      (void)list_state(from, *id, *q.state, within(q.after, *q.state), to);
    else
      list_all(from, *id, q.after, to);
    return std::move(to.page);
  });
}

job_page store_view::leases(const lease_query& q) const {
  return looked_up([&] {
    table_reader from{*store_, txn_};
    auto queue = from.queue_id(q.queue);
    if (!q.queue.empty() && !queue)
      return job_page{};
    auto wanted = [&](const job_record& rec) {
      return (!queue || rec.queue == *queue)
             && (q.worker.empty() || rec.worker == q.worker);
    };
    page_builder to{from, q.limit};
    (void)list_leased(from, within(q.after, job_state::leased), wanted, to);
    return std::move(to.page);
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
      std::span<const job_state> states{final_states};
      finished_walk walk{from, *id,
                         q.succeeded_only ? states.first(1) : states};
      if (newest_first)
        walk.begin_at_end();
      else
        walk.begin_after(*q.after);
      while (result.size() < q.limit) {
        auto found = walk.take(newest_first);
        if (found.id == job_id::none)
          break;
        if (auto info = from.job(found.id))
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
