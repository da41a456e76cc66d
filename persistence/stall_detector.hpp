#pragma once

#include <chrono>

namespace muster {

/// Notices from ticks that come late that this process did not run for a while:
/// it was stopped, swapped out, or moved to another machine. For some time
/// afterwards it is no sign of anything that others were not heard of. Time is
/// an argument.
template <class TimePoint>
class basic_stall_detector {
public:
  using time_point = TimePoint;
  using duration = typename TimePoint::duration;

  struct options {
    /// A tick that is due is no later than this unless the process stands
    /// still.
    duration limit{};
    /// How long others take to be heard of again.
    duration recovery{};
  };

  basic_stall_detector(options opts, time_point now)
    : options_(opts), due_(now), recovered_(now) {
    // nop
  }

  /// A tick came; the next one is due after `pause`.
  void on_tick(time_point now, duration pause) {
    if (now - due_ > options_.limit)
      recovered_ = now + options_.recovery;
    due_ = now + pause;
  }

  /// Whether it stood still lately, the tick that tells so come or not.
  [[nodiscard]] bool stalled(time_point now) const {
    return now < recovered_ || now - due_ > options_.limit;
  }

private:
  options options_;
  time_point due_;
  time_point recovered_;
};

/// By the clock that stands still while the machine is suspended.
using stall_detector
  = basic_stall_detector<std::chrono::steady_clock::time_point>;

} // namespace muster
