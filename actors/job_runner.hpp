#pragma once

#include "actors/attempt_control.hpp"
#include "actors/messages.hpp"
#include "actors/running_note.hpp"
#include "actors/worker_metrics.hpp"
#include "persistence/command.hpp"
#include "persistence/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace muster {

struct job_runner_options {
  std::uint32_t concurrency = 1;
  std::size_t max_result_bytes = std::size_t{16} << 20;
  /// See `worker_options::stuck_after`.
  millis stuck_after{10'000};
  /// Outlives the runner's threads.
  std::shared_ptr<worker_metrics> metrics;
  /// Where it is noted what runs; null: nowhere. Has `slots_for(concurrency)`.
  std::shared_ptr<running_note> note;
  /// Called from any thread, without a lock held, when there is something to
  /// collect and there was nothing before.
  std::function<void()> on_outcomes;
};

/// Runs attempts on threads of its own, in the order in which they are
/// submitted. An attempt is waiting, then running, then its outcome is
/// collected, unless it was dropped before.
///
///     waiting --> running --> finished --collect-->
///        |           |           ^
///        |           +-- time over, release: at once; the thread goes on
///        |           +-- drop: no outcome
///        +-- release: finished; drop: no outcome
///
/// A thread whose handler does not return long after it was asked to is given
/// up and replaced. Thread-safe.
class job_runner {
public:
  using clock = attempt_control::clock;

  /// How many stuck threads are replaced; with more, concurrency shrinks.
  static constexpr std::size_t max_stuck = 64;

  /// How many threads there are at most.
  [[nodiscard]] static constexpr std::size_t
  slots_for(std::uint32_t concurrency) noexcept {
    return concurrency + max_stuck;
  }

  explicit job_runner(job_runner_options options);

  /// `shutdown`.
  ~job_runner();
  job_runner(const job_runner&) = delete;
  job_runner& operator=(const job_runner&) = delete;

  void submit(std::vector<leased_job> jobs);

  struct figures {
    std::uint32_t waiting = 0;
    /// Attempts that run and whose outcome is wanted.
    std::uint32_t running = 0;
    /// Threads that are busy with an attempt whose outcome is settled already.
    std::uint32_t blocked = 0;
    /// Outcomes to collect.
    std::uint32_t finished = 0;
    /// Of the running attempts, in the mean.
    std::chrono::microseconds elapsed{0};
    /// When an attempt was last begun or ended.
    clock::time_point last_change{};
  };

  [[nodiscard]] figures look() const;

  struct report {
    std::vector<attempt_outcome> outcomes;
    /// Attempts that ran to their end, and how long that took in total.
    std::uint64_t ran = 0;
    std::chrono::microseconds run_time{0};
  };

  /// Takes the oldest outcomes, at most `max`, fewer if their text exceeds
  /// `max_bytes`. `on_outcomes` is called again once there are new ones, but
  /// not for those that were left.
  [[nodiscard]] report collect(std::size_t max, std::size_t max_bytes);

  /// The lease is lost or the job cancelled: its outcome is not wanted.
  void drop(lease_token token, stop_reason reason);

  /// Attempts that wait become outcomes of kind `released`: those of a queue,
  /// or of all if it is empty.
  void release_waiting(std::string_view queue = {});

  /// Asks the running attempts to stop; they end as `released`.
  void release_running();

  /// Of `release_running`: settles those whose handler has not returned.
  void give_up_running();

  /// Waiting and running attempts, and those with an outcome to collect.
  [[nodiscard]] std::vector<lease_token> tokens() const;

  /// The same with the progress that changed since it was last asked for.
  [[nodiscard]] std::vector<held_lease> held();

  /// Running attempts whose progress changed.
  [[nodiscard]] std::vector<held_lease> changed_progress();

  /// Settles attempts whose time is over although their handler goes on, and
  /// replaces threads that are stuck. To be called every so often.
  void check(clock::time_point now);

  /// Forgets everything, asks running handlers to stop, ends the threads
  /// without waiting for them.
  void shutdown();

  /// Waits until all threads have ended; false if some still run.
  [[nodiscard]] bool wait_until_ended(clock::duration limit);

private:
  struct shared_state;
  std::shared_ptr<shared_state> state_;
};

} // namespace muster
