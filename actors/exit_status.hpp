#pragma once

#include <string>

namespace muster {

/// How a process ended.
struct exit_status {
  /// By a signal, rather than by itself.
  bool signalled = false;
  /// The exit status, or the signal's number.
  int code = 0;

  /// By itself, with exit status 0.
  [[nodiscard]] bool ok() const noexcept {
    return !signalled && code == 0;
  }

  /// Whether both ended in the same way.
  friend bool operator==(const exit_status&, const exit_status&) = default;
};

/// Such as `exit status 1` or `killed by signal 9`.
[[nodiscard]] std::string to_string(exit_status status);

} // namespace muster
