#include "persistence/journal_core.hpp"

#include <uv.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace muster {

namespace {

constexpr auto disk_look_interval = std::chrono::milliseconds{50};
constexpr std::size_t disk_look_bytes = std::size_t{4} << 20;
constexpr std::uint32_t tick_batch = 1'000;
/// While there are leases the thread wakes up so often, only to see whether it
/// did not for longer than the limit.
constexpr millis stall_look_interval{500};
constexpr millis stall_limit{1'000};
/// More leases than workers hold at a time.
constexpr std::uint32_t spare_batch = 1'000'000;

std::uint64_t micros_since(std::chrono::steady_clock::time_point begun) {
  auto passed = std::chrono::steady_clock::now() - begun;
  return static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
}

admission::reserves reserves_of(const journal_options& options) {
  constexpr std::size_t mib = std::size_t{1} << 20;
  admission::reserves result;
  result.map_size = options.map_size;
  result.store = options.store_reserve != 0
                   ? options.store_reserve
                   : std::min(options.map_size / 8, 256 * mib);
  result.disk = options.disk_reserve != 0 ? options.disk_reserve
                                          : 3 * options.segment_size + 64 * mib;
  return result;
}

log_options log_options_of(const journal_options& options, const store& db,
                           std::uint64_t durable) {
  log_options result;
  result.directory = options.directory / "log";
  result.segment_size = options.segment_size;
  result.store_id = db.store_id();
  result.durable = durable;
  return result;
}

} // namespace

// -- counters -----------------------------------------------------------------

bool journal_counters::try_admit(std::size_t bytes, std::size_t max_commands,
                                 std::size_t max_bytes) noexcept {
  if (waiting_.load(std::memory_order_relaxed) >= max_commands
      || waiting_bytes_.load(std::memory_order_relaxed) + bytes > max_bytes) {
    refused.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void journal_counters::answered(std::size_t bytes) noexcept {
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

journal_stats journal_counters::read() const {
  journal_stats result;
  result.applied = applied.load(std::memory_order_relaxed);
  result.entries = entries.load(std::memory_order_relaxed);
  result.commands = commands.load(std::memory_order_relaxed);
  result.log_bytes = log_bytes.load(std::memory_order_relaxed);
  result.commits = commits.load(std::memory_order_relaxed);
  result.snapshots = snapshots.load(std::memory_order_relaxed);
  result.waiting = waiting_.load(std::memory_order_relaxed);
  result.refused = refused.load(std::memory_order_relaxed);
  result.leases_expired = leases_expired.load(std::memory_order_relaxed);
  result.log_write_us = log_write_us.read();
  result.log_write_bytes = log_write_bytes.read();
  result.commands_per_entry = commands_per_entry.read();
  result.apply_us = apply_us.read();
  result.commit_us = commit_us.read();
  return result;
}

// -- life ---------------------------------------------------------------------

struct journal_core::handles {
  /// Runs after each round of events: all work that they made possible.
  uv_check_t check{};
  uv_timer_t timer{};
};

journal_core::journal_core(uv_loop_s* loop, store& db,
                           const journal_options& options,
                           journal_counters& counters)
  : loop_(loop),
    db_(db),
    options_(options),
    counters_(counters),
    machine_(db),
    log_(loop, *this, log_options_of(options, db, machine_.applied())),
    admission_(reserves_of(options)),
    last_apply_(clock::now()),
    stalls_({stall_limit, millis{0}}, wall_clock()),
    handles_(std::make_unique<handles>()) {
  uv_check_init(loop_, &handles_->check);
  handles_->check.data = this;
  uv_timer_init(loop_, &handles_->timer);
  handles_->timer.data = this;
}

journal_core::~journal_core() = default;

void journal_core::open(std::function<void(expected<void>)> ready) {
  uv_check_start(&handles_->check, [](uv_check_t* handle) {
    static_cast<journal_core*>(handle->data)->step();
  });
  if (auto loaded = machine_.loaded(); !loaded) {
    ready(std::move(loaded));
    return;
  }
  log_.start([this, ready = std::move(ready)](expected<void> result) {
    if (result && failure_.code != errc::none)
      result = tl::unexpected{failure_};
    if (result)
      result = commit();
    if (result) {
      opened_ = true;
      spare_leases_ = options_.lease_grace > millis{0} && machine_.has_leases();
      counters_.applied.store(machine_.applied(), std::memory_order_relaxed);
      for (auto& queue : machine_.leasable_queues())
        desk_.wake(queue);
      measure_room();
      arm_timer();
    }
    ready(std::move(result));
  });
}

void journal_core::close() {
  closing_ = true;
  // The check that ends it runs after the loop's next round, which must come.
  uv_timer_start(
    &handles_->timer, [](uv_timer_t*) {}, 0, 0);
}

void journal_core::on_closed(std::function<void()> closed) {
  closed_ = std::move(closed);
}

void journal_core::finish_closing() {
  ended_ = true;
  if (opened_ && failure_.code == errc::none)
    if (auto ok = commit(); !ok)
      failure_ = std::move(ok.error());
  machine_.abort();
  desk_.withdraw_all();
  watched_jobs_.clear();
  for (auto& [key, who] : std::exchange(watchers_, {}))
    who.fn(std::nullopt);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->check), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->timer), nullptr);
  log_.close([this] { closed_(); });
}

bool journal_core::idle() const noexcept {
  return waiting_.empty() && under_way_.empty() && !writing_;
}

void journal_core::fail(error reason) {
  if (failure_.code != errc::none)
    return;
  failure_ = std::move(reason);
  machine_.abort();
  to_apply_.clear();
  error answer{errc::unavailable,
               "The manager's journal failed: " + failure_.message};
  for (auto& p : std::exchange(waiting_, {}))
    refuse(p, answer);
  for (auto& e : std::exchange(under_way_, {}))
    for (auto& p : e.commands)
      refuse(p, answer);
  desk_.withdraw_all();
  watched_jobs_.clear();
  for (auto& [key, who] : std::exchange(watchers_, {}))
    who.fn(std::nullopt);
  if (opened_ && options_.on_failure)
    options_.on_failure(failure_);
}

void journal_core::refuse(pending& p, const error& reason) {
  counters_.answered(p.cmd.bytes.size());
  counters_.refused.fetch_add(1, std::memory_order_relaxed);
  p.done(tl::unexpected{reason});
}

// -- requests -----------------------------------------------------------------

void journal_core::submit(encoded_command cmd, journal::submit_callback done) {
  pending p{std::move(cmd), std::move(done)};
  if (failure_.code != errc::none) {
    refuse(p, error{errc::unavailable});
    return;
  }
  if (p.cmd.jobs > 0) {
    auto now = clock::now();
    if (now - last_disk_look_ >= disk_look_interval
        || admission_.admitted_bytes()
             >= bytes_at_disk_look_ + disk_look_bytes) {
      std::error_code ec;
      auto space = std::filesystem::space(options_.directory, ec);
      admission_.disk_free(ec ? std::nullopt
                              : std::optional<std::size_t>{space.available});
      last_disk_look_ = now;
      bytes_at_disk_look_ = admission_.admitted_bytes();
    }
  }
  std::optional<state_machine::queue_depth> depth;
  if (p.cmd.jobs > 0)
    depth = machine_.depth(p.cmd.queue);
  if (auto code = admission_.admit(p.cmd, depth); code != errc::none) {
    refuse(p, error{code});
    return;
  }
  waiting_.push_back(std::move(p));
}

void journal_core::read(const journal::read_callback& fn) {
  if (failure_.code != errc::none)
    fn(fail_with(errc::unavailable));
  else
    fn(machine_.view());
}

void journal_core::open_demand(demand_id id, lease_demand demand) {
  if (failure_.code != errc::none || closing_)
    demand.deliver({});
  else
    desk_.open(id, std::move(demand));
}

void journal_core::add_credit(demand_id id, std::uint32_t more) {
  desk_.add_credit(id, more);
}

void journal_core::withdraw(demand_id id) {
  desk_.withdraw(id);
}

void journal_core::watch(watch_id key, job_id id, journal::watch_callback fn) {
  if (failure_.code == errc::none && !closing_) {
    if (auto view = machine_.view()) {
      if (auto job = view->job(id)) {
        if (is_final(job->state)) {
          fn(job->state);
        } else {
          watchers_.emplace(key, watcher{id, std::move(fn)});
          watched_jobs_.emplace(id, key);
        }
        return;
      }
    }
  }
  fn(std::nullopt);
}

void journal_core::unwatch(watch_id key) {
  auto pos = watchers_.find(key);
  if (pos == watchers_.end())
    return;
  auto [first, last] = watched_jobs_.equal_range(pos->second.id);
  auto entry
    = std::find_if(first, last, [key](auto& kvp) { return kvp.second == key; });
  if (entry != last)
    watched_jobs_.erase(entry);
  auto fn = std::move(pos->second.fn);
  watchers_.erase(pos);
  fn(std::nullopt);
}

expected<void> journal_core::commit_now() {
  if (failure_.code != errc::none)
    return tl::unexpected{failure_};
  apply_written();
  return commit();
}

// -- the cycle ----------------------------------------------------------------

void journal_core::step() {
  if (ended_)
    return;
  if (failure_.code == errc::none && opened_) {
    compose();
    apply_written();
    commit_if_due();
    // What was applied may have made jobs ready for somebody who waits.
    compose();
  }
  if (closing_ && (failure_.code != errc::none || !opened_ || idle()))
    finish_closing();
  else if (opened_)
    arm_timer();
}

/// While the process was stopped, or the machine suspended, nobody could extend
/// a lease. `now` is the time that the next entry has if there is one: whatever
/// expires by it was looked after until shortly before.
void journal_core::look_for_stall(timestamp now) {
  if (stalls_.stalled(now) && options_.lease_grace > millis{0}
      && (machine_.has_leases() || !under_way_.empty()))
    spare_leases_ = true;
  stalls_.on_tick(now, millis{0});
}

void journal_core::compose() {
  auto wall = wall_clock();
  look_for_stall(wall);
  if (writing_ || failure_.code != errc::none)
    return;
  auto now = std::max(wall, machine_.now());
  batch e;
  lease_desk::fresh_jobs fresh;
  while (!waiting_.empty() && e.bytes < options_.entry_bytes) {
    auto& p = waiting_.front();
    e.bytes += p.cmd.bytes.size();
    e.commands.push_back(std::move(p));
    waiting_.pop_front();
  }
  for (auto& p : e.commands) {
    if (p.cmd.ready_jobs == 0)
      continue;
    auto pos = std::find_if(fresh.begin(), fresh.end(), [&p](auto& kvp) {
      return kvp.first == p.cmd.queue;
    });
    if (pos == fresh.end())
      fresh.emplace_back(p.cmd.queue, p.cmd.ready_jobs);
    else
      pos->second += p.cmd.ready_jobs;
  }
  std::vector<std::string> extra;
  if (auto due = machine_.next_wake();
      due && !tick_under_way_ && (*due <= now || spare_leases_)) {
    e.tick = true;
    tick_under_way_ = true;
    tick_command tick{tick_batch};
    if (std::exchange(spare_leases_, false))
      tick = {spare_batch, options_.lease_grace};
    extra.push_back(encode(tick).bytes);
  }
  if (!closing_)
    e.orders = desk_.compose(machine_, now, fresh);
  auto bytes = options_.lease_bytes / (e.orders.size() / 8 + 1) + 1;
  for (auto& order : e.orders)
    extra.push_back(encode(lease_command{order.queue, order.worker,
                                         order.chosen.max, order.ttl, bytes})
                      .bytes);
  if (!e.commands.empty() || !extra.empty())
    send(std::move(e), std::move(extra), now);
}

void journal_core::send(batch e, std::vector<std::string> extra,
                        timestamp now) {
  std::string header;
  begin_entry(header, now);
  std::vector<std::string_view> parts;
  parts.reserve(1 + e.commands.size() + extra.size());
  parts.emplace_back(header);
  for (auto& p : e.commands)
    parts.emplace_back(p.cmd.bytes);
  for (auto& bytes : extra)
    parts.emplace_back(bytes);
  e.bytes = 0;
  for (auto part : parts)
    e.bytes += part.size();
  e.begun = clock::now();
  counters_.commands_per_entry.record(parts.size() - 1);
  under_way_.push_back(std::move(e));
  writing_ = true;
  auto accepted = log_.append(parts, [this](bool durable) {
    writing_ = false;
    if (!durable) {
      fail({errc::io_error, log_.failure_text()});
      return;
    }
    if (under_way_.empty())
      return;
    counters_.log_write_us.record(micros_since(under_way_.back().begun));
  });
  if (!accepted) {
    writing_ = false;
    fail({errc::io_error, log_.failure_text()});
  }
}

void journal_core::apply(std::uint64_t position, std::string_view bytes) {
  if (opened_) {
    // Applied by `apply_written`, when the disk has the next entry.
    to_apply_.push_back({position, bytes});
    return;
  }
  if (failure_.code != errc::none || position <= machine_.applied())
    return;
  if (auto outcomes = machine_.apply_entry(bytes, effects_); !outcomes)
    failure_ = std::move(outcomes.error());
  effects_.clear();
  if (machine_.uncommitted_bytes() >= options_.commit_bytes)
    if (auto ok = commit(); !ok)
      failure_ = std::move(ok.error());
}

void journal_core::apply_written() {
  while (!to_apply_.empty() && failure_.code == errc::none) {
    auto next = to_apply_.front();
    to_apply_.pop_front();
    auto begun = clock::now();
    effects_.clear();
    auto outcomes = machine_.apply_entry(next.bytes, effects_);
    if (!outcomes) {
      fail(std::move(outcomes.error()));
      return;
    }
    counters_.apply_us.record(micros_since(begun));
    counters_.applied.store(machine_.applied(), std::memory_order_relaxed);
    last_apply_ = clock::now();
    if (!std::exchange(dirty_, true))
      dirty_since_ = last_apply_;
    auto done = std::move(under_way_.front());
    under_way_.pop_front();
    counters_.entries.fetch_add(1, std::memory_order_relaxed);
    counters_.commands.fetch_add(outcomes->size(), std::memory_order_relaxed);
    counters_.log_bytes.fetch_add(done.bytes, std::memory_order_relaxed);
    counters_.log_write_bytes.record(done.bytes);
    answer(done, std::move(*outcomes));
    spread(effects_);
  }
}

void journal_core::answer(batch& e, std::vector<outcome> outcomes) {
  auto pos = outcomes.begin();
  for (auto& p : e.commands) {
    admission_.applied(p.cmd);
    counters_.answered(p.cmd.bytes.size());
    p.done(std::move(*pos++));
  }
  if (e.tick) {
    tick_under_way_ = false;
    if (auto* ticked = std::get_if<tick_outcome>(&*pos))
      counters_.leases_expired.fetch_add(ticked->leases_expired,
                                         std::memory_order_relaxed);
    ++pos;
  }
  for (auto& order : e.orders) {
    auto* leased = std::get_if<lease_outcome>(&*pos++);
    desk_.settle(order,
                 leased ? std::move(leased->jobs) : std::vector<leased_job>{});
  }
}

void journal_core::spread(effects& fx) {
  for (auto& queue : fx.wakened)
    desk_.wake(queue);
  if (!watchers_.empty()) {
    for (auto& done : fx.finished) {
      auto [first, last] = watched_jobs_.equal_range(done.id);
      for (auto it = first; it != last; ++it) {
        auto pos = watchers_.find(it->second);
        pos->second.fn(done.state);
        watchers_.erase(pos);
      }
      watched_jobs_.erase(done.id);
    }
  }
  if (!fx.revoked.empty() && options_.on_revoked)
    options_.on_revoked(std::move(fx.revoked));
  if (!fx.paused.empty() && options_.on_paused)
    options_.on_paused(std::move(fx.paused));
}

// -- durability of the store --------------------------------------------------

expected<std::uint64_t> journal_core::make_durable() {
  apply_written();
  if (failure_.code != errc::none)
    return tl::unexpected{failure_};
  if (auto ok = commit(); !ok) {
    fail(ok.error());
    return tl::unexpected{std::move(ok.error())};
  }
  counters_.snapshots.fetch_add(1, std::memory_order_relaxed);
  return machine_.applied();
}

void journal_core::commit_if_due() {
  if (!dirty_ || failure_.code != errc::none)
    return;
  auto now = clock::now();
  if (machine_.uncommitted_bytes() < options_.commit_bytes
      && now - dirty_since_ < options_.commit_interval
      && (writing_ || now - last_apply_ < options_.idle))
    return;
  if (auto ok = commit(); !ok)
    fail(std::move(ok.error()));
}

expected<void> journal_core::commit() {
  auto begun = clock::now();
  if (auto ok = machine_.commit(); !ok)
    return ok;
  counters_.commit_us.record(micros_since(begun));
  counters_.commits.fetch_add(1, std::memory_order_relaxed);
  dirty_ = false;
  measure_room();
  if (log_.bytes_since_snapshot() >= options_.snapshot_bytes
      || log_.entries_since_snapshot() >= options_.snapshot_entries)
    log_.request_snapshot();
  return {};
}

void journal_core::measure_room() {
  std::error_code ec;
  auto file = std::filesystem::file_size(options_.directory / "store.mdb", ec);
  std::size_t used = ec ? 0 : file;
  // Free pages matter only when the file comes near what new jobs may use of
  // it; counting them costs a walk.
  auto reserves = reserves_of(options_);
  if (used
      > (reserves.map_size - std::min(reserves.map_size, reserves.store)) / 2)
    if (auto usage = db_.usage())
      used = usage->used;
  admission_.store_used(used);
  bytes_at_disk_look_ = 0;
}

void journal_core::arm_timer() {
  auto delay = std::chrono::milliseconds{std::chrono::hours{1}};
  auto now = wall_clock();
  if (!tick_under_way_) {
    auto look = [&delay, now](std::optional<timestamp> at) {
      if (at)
        delay = std::min(delay, std::max(*at - now, millis{0}));
    };
    look(machine_.next_wake());
    look(desk_.retry_at());
  }
  if (dirty_) {
    auto due = std::min(dirty_since_ + options_.commit_interval,
                        writing_ ? clock::time_point::max()
                                 : last_apply_ + options_.idle);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::max(due - clock::now(), clock::duration::zero()));
    delay = std::min(delay, left);
  }
  if (delay > stall_look_interval && machine_.has_leases())
    delay = stall_look_interval;
  stalls_.on_tick(now, delay);
  uv_update_time(loop_);
  uv_timer_start(
    &handles_->timer, [](uv_timer_t*) {},
    static_cast<std::uint64_t>(delay.count()), 0);
}

timestamp journal_core::wall_clock() const {
  return std::chrono::time_point_cast<millis>(std::chrono::system_clock::now());
}

} // namespace muster
