#pragma once

#include "actors/job_runner.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

// The inside of a job runner, for its own sources.

namespace muster {

/// One thread and the attempt that it runs. Guarded by the state's mutex but
/// for `control`, and for `job`, which the thread alone changes, under the
/// mutex.
struct runner_slot {
  enum class phase : std::uint8_t {
    idle,
    /// The attempt's outcome is wanted.
    running,
    /// The handler runs on, but its attempt is settled or dropped.
    blocked,
    /// The thread is stuck: when it comes back it must end.
    abandoned,
  };

  /// Distinct among the threads that there are.
  std::size_t number = 0;
  phase now = phase::idle;
  attempt_control control;
  leased_job job;
  job_runner::clock::time_point started{};
  /// When it was asked to stop, or its time was over.
  job_runner::clock::time_point stop_asked{};
};

/// What the runner and its threads share. Each thread holds it, so that one
/// which is stuck does no harm when it comes back after the runner's end.
struct job_runner::shared_state
  : std::enable_shared_from_this<job_runner::shared_state> {
  using handler_entry = worker_metrics::handler_entry;
  using phase = runner_slot::phase;

  explicit shared_state(job_runner_options opts);

  // -- with the mutex held ----------------------------------------------------

  void start_thread();

  /// Notes an outcome to collect.
  void settle(handler_entry& entry, attempt_outcome out);

  /// Ends an attempt whose handler has not returned.
  void settle_early(runner_slot& own, outcome_kind kind, clock::time_point now);

  /// Says that there is something to collect. Gives the lock back for it.
  void notify(std::unique_lock<std::mutex>& guard);

  // -- on the threads ---------------------------------------------------------

  void run(runner_slot& own);

  /// Waits for an attempt; false at the end.
  bool take(runner_slot& own, std::unique_lock<std::mutex>& guard);

  expected<std::string> call(handler_entry& entry, runner_slot& own) const;

  /// Settles what a handler returned; false if the thread must end.
  bool finish(runner_slot& own, handler_entry& entry,
              expected<std::string> result, clock::time_point ended);

  // -- data -------------------------------------------------------------------

  const job_runner_options options;
  mutable std::mutex mutex;
  std::condition_variable work;
  std::condition_variable all_ended;
  std::deque<leased_job> waiting;
  std::deque<attempt_outcome> finished;
  std::vector<std::shared_ptr<runner_slot>> slots;
  /// Numbers of slots by whether a thread has them.
  std::vector<bool> numbers;
  /// Threads that wait for work, and all, stuck ones included.
  std::size_t idle = 0;
  std::size_t threads = 0;
  /// `on_outcomes` was called since the last `collect`.
  bool notified = false;
  bool ending = false;
  /// Since the last `collect`.
  std::uint64_t ran = 0;
  std::chrono::microseconds run_time{0};
  clock::time_point last_change{};
};

} // namespace muster
