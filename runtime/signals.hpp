#pragma once

#include "persistence/job.hpp"

#include <memory>

namespace muster {

/// Takes SIGTERM and SIGINT for the process, and ignores SIGPIPE. Made before
/// any other thread, so that all of them leave these signals to this one.
///
/// The first signal ends the process at once while it starts, and asks it to
/// end once it serves; a second one ends it at once whatever it does:
///
///     starting --serving()--> serving --signal--> asked --signal--> exit 128+n
///        |
///        +--signal--> exit 0: nothing was accepted yet
class signal_watch {
public:
  signal_watch();
  /// Leaves the signals blocked.
  ~signal_watch();
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  void serving();

  /// Waits until a signal has come, or `limit` has passed. Returns the signal,
  /// or 0.
  [[nodiscard]] int wait(millis limit);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster
