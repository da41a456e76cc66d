#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace muster {

/// Requests that wait for something to happen, each with a time at which it
/// waits no longer. Thread-safe; time comes in with each call.
class wait_list {
public:
  using clock = std::chrono::steady_clock;

  enum class wait_id : std::uint64_t { none = 0 };

  explicit wait_list(std::size_t max) : max_(max) {
    // nop
  }

  /// `end` is called, at most once, when time is over or all must end. None if
  /// too many wait.
  [[nodiscard]] wait_id add(clock::time_point until, std::function<void()> end);

  /// What was waited for has happened.
  void remove(wait_id id);

  /// Ends the waits whose time is over. Returns when to look again.
  clock::time_point expire(clock::time_point now);

  void end_all();

  [[nodiscard]] std::size_t size() const;

private:
  using key = std::pair<clock::time_point, wait_id>;

  mutable std::mutex mutex_;
  std::size_t max_;
  std::uint64_t last_id_ = 0;
  std::map<key, std::function<void()>> by_time_;
  std::map<wait_id, clock::time_point> times_;
};

} // namespace muster
