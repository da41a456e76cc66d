#include "actors/job_runner.hpp"

#include "actors/job_runner_state.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

using phase = runner_slot::phase;

// A handler looks at its time limit itself. Only after this time more is it
// taken for one that does not.
constexpr millis overrun_grace{100};

} // namespace

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
    if (own->now == phase::running) {
      ++result.running;
      elapsed += now - own->started;
    } else if (own->now == phase::blocked) {
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
    if (own->now != phase::running || own->job.token != token)
      continue;
    own->now = phase::blocked;
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

void job_runner::release_waiting(std::string_view queue) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  std::erase_if(st.waiting, [&st, queue](auto& job) {
    if (!queue.empty() && job.queue != queue)
      return false;
    count(st.options.metrics->entry(job.handler).released);
    st.finished.push_back({job.token, outcome_kind::released, {}, true});
    return true;
  });
  st.notify(guard);
}

void job_runner::release_running() {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  for (auto& own : st.slots)
    if (own->now == phase::running)
      own->control.request_stop(stop_reason::shutting_down);
}

void job_runner::give_up_running() {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  auto now = clock::now();
  for (auto& own : st.slots)
    if (own->now == phase::running)
      st.settle_early(*own, outcome_kind::released, now);
  st.notify(guard);
}

std::vector<lease_token> job_runner::tokens() const {
  auto& st = *state_;
  std::lock_guard guard{st.mutex};
  std::vector<lease_token> result;
  result.reserve(st.waiting.size() + st.slots.size() + st.finished.size());
  for (auto& own : st.slots)
    if (own->now == phase::running)
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
    if (own->now == phase::running)
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
    if (own->now == phase::running)
      if (auto text = own->control.take_progress())
        result.push_back({own->job.token, std::move(text)});
  return result;
}

void job_runner::check(clock::time_point now) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  std::size_t replaced = 0;
  for (auto& own : st.slots) {
    if (own->now == phase::running
        && now >= own->control.deadline() + overrun_grace)
      st.settle_early(*own, outcome_kind::timed_out, now);
    if (own->now == phase::running)
      continue;
    auto is_stuck = own->now == phase::blocked
                    && now >= own->stop_asked + st.options.stuck_after
                    && st.options.metrics->stuck < max_stuck;
    if (!is_stuck)
      continue;
    own->now = phase::abandoned;
    count(st.options.metrics->stuck_total);
    count(st.options.metrics->stuck);
    ++replaced;
  }
  if (replaced > 0) {
    std::erase_if(st.slots,
                  [](auto& own) { return own->now == phase::abandoned; });
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
    if (own->now != phase::idle)
      own->control.request_stop(stop_reason::shutting_down);
  st.work.notify_all();
}

bool job_runner::wait_until_ended(clock::duration limit) {
  auto& st = *state_;
  std::unique_lock guard{st.mutex};
  return st.all_ended.wait_for(guard, limit, [&st] { return st.threads == 0; });
}

} // namespace muster
