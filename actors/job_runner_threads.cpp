#include "actors/job_runner_state.hpp"
#include "actors/utf8.hpp"

#include <algorithm>
#include <exception>
#include <pthread.h>
#include <thread>
#include <utility>

// What happens on a runner's threads.

namespace muster {

namespace {

// So far ahead that it never comes, and no sum with it overflows.
constexpr std::chrono::hours no_limit{24 * 365};

bool is_permanent(errc code) noexcept {
  return code == errc::invalid_argument || code == errc::malformed
         || code == errc::result_too_large;
}

attempt_outcome to_outcome(const runner_slot& own,
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

} // namespace

job_runner::shared_state::shared_state(job_runner_options opts)
  : options(std::move(opts)) {
  // nop
}

void job_runner::shared_state::start_thread() {
  auto own = std::make_shared<runner_slot>();
  auto free = std::find(numbers.begin(), numbers.end(), false);
  own->number = static_cast<std::size_t>(free - numbers.begin());
  if (free == numbers.end())
    numbers.push_back(true);
  else
    *free = true;
  if (options.note)
    own->control.note_groups_in(options.note->group(own->number));
  // Detached, since a stuck one can never be joined: `threads` counts them.
  std::thread{[self = shared_from_this(), own] {
    pthread_setname_np(pthread_self(), "muster-job");
    self->run(*own);
  }}.detach();
  slots.push_back(own);
  ++threads;
}

void job_runner::shared_state::run(runner_slot& own) {
  std::unique_lock guard{mutex};
  while (take(own, guard)) {
    guard.unlock();
    auto& entry = options.metrics->entry(own.job.handler);
    count(entry.started);
    auto result = call(entry, own);
    auto ended = clock::now();
    guard.lock();
    if (!finish(own, entry, std::move(result), ended))
      break;
    notify(guard);
  }
  numbers[own.number] = false;
  --threads;
  if (threads == 0)
    all_ended.notify_all();
}

bool job_runner::shared_state::take(runner_slot& own,
                                    std::unique_lock<std::mutex>& guard) {
  while (!ending && waiting.empty()) {
    ++idle;
    work.wait(guard);
    --idle;
  }
  if (ending)
    return false;
  own.job = std::move(waiting.front());
  waiting.pop_front();
  own.now = phase::running;
  own.started = last_change = clock::now();
  auto limit = own.job.timeout > millis{0} && own.job.timeout < no_limit
                 ? clock::duration{own.job.timeout}
                 : clock::duration{no_limit};
  own.control.begin(own.started + limit);
  if (options.note)
    options.note->begin(own.number, own.job.token);
  return true;
}

expected<std::string> job_runner::shared_state::call(handler_entry& entry,
                                                     runner_slot& own) const {
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

bool job_runner::shared_state::finish(runner_slot& own, handler_entry& entry,
                                      expected<std::string> result,
                                      clock::time_point ended) {
  last_change = ended;
  if (options.note)
    options.note->end(own.number);
  auto before = std::exchange(own.now, phase::idle);
  if (before == phase::abandoned) {
    options.metrics->stuck.fetch_sub(1);
    return false;
  }
  auto took = std::chrono::duration_cast<std::chrono::microseconds>(
    ended - own.started);
  entry.run_us.record(static_cast<std::uint64_t>(took.count()));
  if (before == phase::running && !ending) {
    ++ran;
    run_time += took;
    settle(entry, to_outcome(own, std::move(result)));
  }
  return true;
}

void job_runner::shared_state::settle(handler_entry& entry,
                                      attempt_outcome out) {
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

void job_runner::shared_state::settle_early(runner_slot& own, outcome_kind kind,
                                            clock::time_point now) {
  own.now = phase::blocked;
  own.stop_asked = now;
  std::string text;
  if (kind == outcome_kind::timed_out) {
    own.control.request_stop(stop_reason::timed_out);
    text = to_error(stop_reason::timed_out).message;
  }
  settle(options.metrics->entry(own.job.handler),
         {own.job.token, kind, std::move(text), true});
}

void job_runner::shared_state::notify(std::unique_lock<std::mutex>& guard) {
  if (finished.empty() || notified)
    return;
  notified = true;
  guard.unlock();
  options.on_outcomes();
  guard.lock();
}

} // namespace muster
