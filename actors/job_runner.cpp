#include "actors/job_runner.hpp"

#include "actors/utf8.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

namespace muster {

namespace {

using clock_type = job_runner::clock;
using handler_entry = worker_metrics::handler_entry;

// A handler looks at its time limit itself. Only after this time more is it
// taken for one that does not.
constexpr millis overrun_grace{100};

// So far ahead that it never comes, and no sum with it overflows.
constexpr std::chrono::hours no_limit{24 * 365};

bool is_permanent(errc code) noexcept {
  return code == errc::invalid_argument || code == errc::malformed
         || code == errc::result_too_large;
}

// One thread and the attempt that it runs. Guarded by the state's mutex but for
// `control`, and for `job`, which the thread alone changes, under the mutex.
struct slot {
  enum class phase : std::uint8_t {
    idle,
    /// The attempt's outcome is wanted.
    running,
    /// The handler runs on, but its attempt is settled or dropped.
    blocked,
    /// The thread is stuck: when it comes back it must end.
    abandoned,
  };

  phase now = phase::idle;
  attempt_control control;
  leased_job job;
  clock_type::time_point started{};
  /// When it was asked to stop, or its time was over.
  clock_type::time_point stop_asked{};
};

using slot_ptr = std::shared_ptr<slot>;

} // namespace

struct job_runner::shared_state
  : std::enable_shared_from_this<job_runner::shared_state> {
  explicit shared_state(job_runner_options opts) : options(std::move(opts)) {
    // nop
  }

  // -- threads ----------------------------------------------------------------

  void start_thread() {
    auto own = std::make_shared<slot>();
    // Detached, since a stuck one can never be joined: `threads` counts them.
    std::thread{[self = shared_from_this(), own] {
      pthread_setname_np(pthread_self(), "muster-job");
      self->run(own);
    }}.detach();
    slots.push_back(own);
    ++threads;
  }

  void run(const slot_ptr& own) {
    std::unique_lock guard{mutex};
    while (take(*own, guard)) {
      guard.unlock();
      auto& entry = options.metrics->entry(own->job.handler);
      count(entry.started);
      auto result = call(entry, *own);
      auto ended = clock_type::now();
      guard.lock();
      if (!finish(*own, entry, std::move(result), ended))
        break;
      notify(guard);
    }
    --threads;
    if (threads == 0)
      all_ended.notify_all();
  }

  // Waits for an attempt; false at the end.
  bool take(slot& own, std::unique_lock<std::mutex>& guard) {
    while (!ending && waiting.empty()) {
      ++idle;
      work.wait(guard);
      --idle;
    }
    if (ending)
      return false;
    own.job = std::move(waiting.front());
    waiting.pop_front();
    own.now = slot::phase::running;
    own.started = last_change = clock_type::now();
    auto limit = own.job.timeout > millis{0} && own.job.timeout < no_limit
                   ? clock_type::duration{own.job.timeout}
                   : clock_type::duration{no_limit};
    own.control.begin(own.started + limit);
    return true;
  }

  expected<std::string> call(handler_entry& entry, slot& own) const {
    if (entry.function == nullptr)
      return fail_with(errc::unknown_handler,
                       "no handler is named '" + own.job.handler + "'");
    job_context ctx{own.job, own.control};
    try {
      auto result = (*entry.function)(ctx);
      if (result && result->size() > options.max_result_bytes)
        return fail_with(errc::result_too_large);
      return result;
    } catch (const std::exception& ex) {
      return fail_with(errc::handler_failed, ex.what());
    } catch (...) {
      return fail_with(errc::handler_failed, "the handler threw");
    }
  }

  // Settles what a handler returned; false if the thread must end.
  bool finish(slot& own, handler_entry& entry, expected<std::string> result,
              clock_type::time_point ended) {
    last_change = ended;
    auto before = std::exchange(own.now, slot::phase::idle);
    if (before == slot::phase::abandoned) {
      options.metrics->stuck.fetch_sub(1);
      return false;
    }
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      ended - own.started);
    entry.run_us.record(static_cast<std::uint64_t>(took.count()));
    if (before == slot::phase::running && !ending) {
      ++ran;
      run_time += took;
      settle(entry, to_outcome(own, std::move(result)));
    }
    return true;
  }

  static attempt_outcome to_outcome(const slot& own,
                                    expected<std::string> result) {
    attempt_outcome out{own.job.token, outcome_kind::succeeded, {}, true};
    if (result) {
      out.text = std::move(*result);
      return out;
    }
    auto reason = own.control.reason();
    if (reason == stop_reason::shutting_down) {
      out.kind = outcome_kind::released;
      return out;
    }
    out.kind = reason == stop_reason::timed_out ? outcome_kind::timed_out
                                                : outcome_kind::failed;
    out.text = clean_text(result.error().message);
    out.retry = !is_permanent(result.error().code);
    return out;
  }

  // -- outcomes, under the mutex ----------------------------------------------

  void settle(handler_entry& entry, attempt_outcome out) {
    switch (out.kind) {
      case outcome_kind::succeeded:
        count(entry.succeeded);
        break;
      case outcome_kind::failed:
        count(entry.failed);
        break;
      case outcome_kind::timed_out:
        count(entry.timed_out);
        break;
      case outcome_kind::released:
        count(entry.released);
        break;
    }
    finished.push_back(std::move(out));
  }

  // Ends an attempt whose handler has not returned.
  void settle_early(slot& own, outcome_kind kind, clock_type::time_point now) {
    own.now = slot::phase::blocked;
    own.stop_asked = now;
    std::string text;
    if (kind == outcome_kind::timed_out) {
      own.control.request_stop(stop_reason::timed_out);
      text = to_error(stop_reason::timed_out).message;
    }
    settle(options.metrics->entry(own.job.handler),
           {own.job.token, kind, std::move(text), true});
  }

  // Says that there is something to collect. Gives the lock back for it.
  void notify(std::unique_lock<std::mutex>& guard) {
    if (finished.empty() || notified)
      return;
    notified = true;
    guard.unlock();
    options.on_outcomes();
    guard.lock();
  }

  // -- data -------------------------------------------------------------------

  const job_runner_options options;
  mutable std::mutex mutex;
  std::condition_variable work;
  std::condition_variable all_ended;
  std::deque<leased_job> waiting;
  std::deque<attempt_outcome> finished;
  std::vector<slot_ptr> slots;
  std::size_t idle = 0;
  std::size_t threads = 0;
  bool notified = false;
  bool ending = false;
  std::uint64_t ran = 0;
  std::chrono::microseconds run_time{0};
  clock_type::time_point last_change{};
};

job_runner::job_runner(job_runner_options options)
  : state_(std::make_shared<shared_state>(std::move(options))) {
  std::lock_guard guard{state_->mutex};
  for (std::uint32_t i = 0; i < state_->options.concurrency; ++i)
    state_->start_thread();
}

job_runner::~job_runner() {
  shutdown();
}

void job_runner::submit(std::vector<leased_job> jobs) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  if (st.ending)
    return;
  if (st.waiting.empty())
    st.last_change = clock::now();
  for (auto& job : jobs)
    st.waiting.push_back(std::move(job));
  auto wanted = std::min(jobs.size(), st.idle);
  guard.unlock();
  for (std::size_t i = 0; i < wanted; ++i)
    st.work.notify_one();
}

job_runner::figures job_runner::look() const {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  figures result;
  auto now = clock::now();
  clock::duration elapsed{0};
  for (auto& own : st.slots) {
    if (own->now == slot::phase::running) {
      ++result.running;
      elapsed += now - own->started;
    } else if (own->now == slot::phase::blocked) {
      ++result.blocked;
    }
  }
  if (result.running > 0)
    result.elapsed = std::chrono::duration_cast<std::chrono::microseconds>(
      elapsed / result.running);
  result.waiting = static_cast<std::uint32_t>(st.waiting.size());
  result.finished = static_cast<std::uint32_t>(st.finished.size());
  result.last_change = st.last_change;
  return result;
}

job_runner::report job_runner::collect(std::size_t max, std::size_t max_bytes) {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  report result;
  st.notified = false;
  result.ran = std::exchange(st.ran, 0);
  result.run_time = std::exchange(st.run_time, std::chrono::microseconds{0});
  result.outcomes.reserve(std::min(max, st.finished.size()));
  for (std::size_t bytes = 0; !st.finished.empty(); st.finished.pop_front()) {
    auto& next = st.finished.front();
    bytes += next.text.size();
    if (result.outcomes.size() == max
        || (bytes > max_bytes && !result.outcomes.empty()))
      break;
    result.outcomes.push_back(std::move(next));
  }
  return result;
}

void job_runner::drop(lease_token token, stop_reason reason) {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  for (auto& own : st.slots) {
    if (own->now != slot::phase::running || own->job.token != token)
      continue;
    own->now = slot::phase::blocked;
    own->stop_asked = clock::now();
    own->control.request_stop(reason);
    count(st.options.metrics->entry(own->job.handler).cancelled);
    return;
  }
  auto pos = std::find_if(st.waiting.begin(), st.waiting.end(),
                          [token](auto& job) { return job.token == token; });
  if (pos != st.waiting.end())
    st.waiting.erase(pos);
}

void job_runner::release_waiting() {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  for (auto& job : st.waiting) {
    count(st.options.metrics->entry(job.handler).released);
    st.finished.push_back({job.token, outcome_kind::released, {}, true});
  }
  st.waiting.clear();
  st.notify(guard);
}

void job_runner::release_running() {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  for (auto& own : st.slots)
    if (own->now == slot::phase::running)
      own->control.request_stop(stop_reason::shutting_down);
}

void job_runner::give_up_running() {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  auto now = clock::now();
  for (auto& own : st.slots)
    if (own->now == slot::phase::running)
      st.settle_early(*own, outcome_kind::released, now);
  st.notify(guard);
}

std::vector<lease_token> job_runner::tokens() const {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  std::vector<lease_token> result;
  result.reserve(st.waiting.size() + st.slots.size() + st.finished.size());
  for (auto& own : st.slots)
    if (own->now == slot::phase::running)
      result.push_back(own->job.token);
  for (auto& job : st.waiting)
    result.push_back(job.token);
  for (auto& item : st.finished)
    result.push_back(item.token);
  return result;
}

std::vector<held_lease> job_runner::held() {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  std::vector<held_lease> result;
  result.reserve(st.waiting.size() + st.slots.size() + st.finished.size());
  for (auto& own : st.slots)
    if (own->now == slot::phase::running)
      result.push_back({own->job.token, own->control.take_progress()});
  for (auto& job : st.waiting)
    result.push_back({job.token, std::nullopt});
  for (auto& item : st.finished)
    result.push_back({item.token, std::nullopt});
  return result;
}

std::vector<held_lease> job_runner::changed_progress() {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  std::vector<held_lease> result;
  for (auto& own : st.slots)
    if (own->now == slot::phase::running)
      if (auto text = own->control.take_progress())
        result.push_back({own->job.token, std::move(text)});
  return result;
}

void job_runner::check(clock::time_point now) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  std::size_t replaced = 0;
  for (auto& own : st.slots) {
    if (own->now == slot::phase::running
        && now >= own->control.deadline() + overrun_grace)
      st.settle_early(*own, outcome_kind::timed_out, now);
    if (own->now == slot::phase::running)
      continue;
    auto is_stuck = own->now == slot::phase::blocked
                    && now >= own->stop_asked + st.options.stuck_after
                    && st.options.metrics->stuck < max_stuck;
    if (!is_stuck)
      continue;
    own->now = slot::phase::abandoned;
    count(st.options.metrics->stuck_total);
    count(st.options.metrics->stuck);
    ++replaced;
  }
  if (replaced > 0) {
    std::erase_if(st.slots,
                  [](auto& own) { return own->now == slot::phase::abandoned; });
    for (std::size_t i = 0; i < replaced; ++i)
      st.start_thread();
  }
  st.notify(guard);
}

void job_runner::shutdown() {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  if (std::exchange(st.ending, true))
    return;
  st.waiting.clear();
  st.finished.clear();
  st.notified = true;
  for (auto& own : st.slots)
    if (own->now != slot::phase::idle)
      own->control.request_stop(stop_reason::shutting_down);
  st.work.notify_all();
}

bool job_runner::wait_until_ended(clock::duration limit) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  return st.all_ended.wait_for(guard, limit, [&st] { return st.threads == 0; });
}

} // namespace muster
