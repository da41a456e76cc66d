#pragma once

#include "persistence/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace muster {

/// A message that an actor has handled.
struct trace_event {
  timestamp at;
  /// The actor's name, and the sender's; the latter may be unknown.
  std::string actor;
  std::string from;
  /// At most `message_trace::max_text` characters.
  std::string message;
  std::uint64_t busy_us = 0;

  friend bool operator==(const trace_event&, const trace_event&) = default;
};

struct trace_options {
  /// So many events, in all or in each `per`.
  std::uint64_t limit = 10;
  /// Zero: `limit` is of the whole trace.
  millis per{0};
  /// How long the trace lasts.
  millis duration{30'000};
};

/// What was traced since it was asked for the last time.
struct trace_part {
  std::vector<trace_event> events;
  /// Messages beyond the bounds, since the trace's start.
  std::uint64_t dropped = 0;
  bool ended = false;
  /// Why it has ended.
  std::string reason;
};

/// Events of one actor on their way to somebody who asks for them now and then.
/// Ends by itself: at its limit, after its time, or when nobody asks. Time
/// comes in with each call. Thread-safe.
class message_trace {
public:
  using clock = std::chrono::steady_clock;

  static constexpr std::size_t max_text = 200;
  /// Events that wait to be asked for.
  static constexpr std::size_t max_waiting = 1'000;
  /// It ends when nobody has asked for so long.
  static constexpr millis patience{5'000};

  message_trace(std::string actor, trace_options options,
                clock::time_point now);

  /// The name of the actor whose messages it wants.
  [[nodiscard]] const std::string& actor() const noexcept {
    return actor_;
  }

  /// Whether the message that comes now is wanted; `add` is to follow.
  [[nodiscard]] bool wants(clock::time_point now);

  void add(trace_event event);

  [[nodiscard]] trace_part take(clock::time_point now);

  void end(std::string reason);

  /// Also notices that its time is over.
  [[nodiscard]] bool ended(clock::time_point now);

  /// When it was asked for the last time.
  [[nodiscard]] clock::time_point last_asked() const;

  /// Whether there is something to take.
  [[nodiscard]] bool has_news(clock::time_point now);

private:
  void look(clock::time_point now);
  void end_locked(std::string reason);

  const std::string actor_;
  const trace_options options_;
  const clock::time_point end_at_;
  mutable std::mutex mutex_;
  clock::time_point last_asked_;
  clock::time_point window_start_;
  /// Of the window, or of the whole trace.
  std::uint64_t wanted_ = 0;
  std::uint64_t under_way_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<trace_event> events_;
  bool ended_ = false;
  std::string reason_;
};

} // namespace muster
