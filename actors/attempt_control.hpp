#pragma once

#include "persistence/errc.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace muster {

/// Why a running attempt should end before it is done.
enum class stop_reason : std::uint8_t {
  none = 0,
  /// The job was cancelled.
  cancelled = 1,
  /// The attempt's time limit is over.
  timed_out = 2,
  /// The lease is lost: somebody else may run the job now.
  lease_lost = 3,
  /// The worker shuts down and hands the job back.
  shutting_down = 4,
};

/// The error with which a handler ends when it was asked to stop.
[[nodiscard]] error to_error(stop_reason reason);

/// What the thread that runs an attempt and those who watch over it share: the
/// wish to stop, the time limit, the latest progress text. Thread-safe but for
/// `begin`. Serves one attempt after another, so that a short job allocates
/// nothing.
class attempt_control {
public:
  using clock = std::chrono::steady_clock;

  attempt_control() = default;
  ~attempt_control();
  attempt_control(const attempt_control&) = delete;
  attempt_control& operator=(const attempt_control&) = delete;

  /// Forgets the attempt before and starts one that may run until `deadline`.
  void begin(clock::time_point deadline);

  /// Asks the attempt to stop. The first reason stays.
  void request_stop(stop_reason reason);

  /// Why the attempt should stop, `timed_out` included.
  [[nodiscard]] stop_reason reason() const noexcept;

  [[nodiscard]] clock::time_point deadline() const noexcept;

  /// Blocks for `duration`, or until the attempt should stop; true if the whole
  /// time passed.
  [[nodiscard]] bool wait_for(clock::duration duration);

  void set_progress(std::string text);

  /// The progress text if it was set since the last call.
  [[nodiscard]] std::optional<std::string> take_progress();

  /// A descriptor that is readable once `request_stop` was called, for handlers
  /// that wait in `poll`; -1 if the system has none left. It belongs to this
  /// object. The time limit does not make it readable.
  [[nodiscard]] int stop_descriptor();

  /// Where it is noted which process group works for the attempts; null:
  /// nowhere. Outlives this object's attempts.
  void note_groups_in(std::atomic<std::int32_t>* place) noexcept {
    group_ = place;
  }

  /// A process group works for the attempt; 0: none does any more, to be said
  /// before its number can be another's.
  void set_process_group(std::int32_t group) noexcept {
    if (group_ != nullptr)
      group_->store(group, std::memory_order_release);
  }

private:
  void signal_descriptor() const noexcept;

  std::atomic<stop_reason> asked_{stop_reason::none};
  std::atomic<clock::rep> deadline_{0};
  std::atomic<bool> has_progress_{false};
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::string progress_;
  int descriptor_ = -1;
  std::atomic<std::int32_t>* group_ = nullptr;
};

} // namespace muster
