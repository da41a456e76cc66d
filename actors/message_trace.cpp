#include "actors/message_trace.hpp"

#include <utility>

namespace muster {

message_trace::message_trace(std::string actor, trace_options options,
                             clock::time_point now)
  : actor_(std::move(actor)),
    options_(options),
    end_at_(now + options.duration),
    last_asked_(now),
    window_start_(now) {
  // nop
}

void message_trace::end_locked(std::string reason) {
  if (std::exchange(ended_, true))
    return;
  reason_ = std::move(reason);
}

void message_trace::look(clock::time_point now) {
  if (now >= end_at_)
    end_locked("its time is over");
  else if (now - last_asked_ > patience)
    end_locked("nobody asked for it");
}

bool message_trace::wants(clock::time_point now) {
  std::lock_guard guard{mutex_};
  look(now);
  if (ended_)
    return false;
  if (options_.per > millis{0} && now - window_start_ >= options_.per) {
    window_start_ = now;
    wanted_ = 0;
  }
  if (wanted_ >= options_.limit || events_.size() + under_way_ >= max_waiting) {
    ++dropped_;
    return false;
  }
  ++wanted_;
  ++under_way_;
  return true;
}

void message_trace::add(trace_event event) {
  std::lock_guard guard{mutex_};
  --under_way_;
  if (ended_)
    return;
  events_.push_back(std::move(event));
  if (options_.per == millis{0} && wanted_ >= options_.limit && under_way_ == 0)
    end_locked("its limit is reached");
}

trace_part message_trace::take(clock::time_point now) {
  std::lock_guard guard{mutex_};
  look(now);
  last_asked_ = now;
  return {std::exchange(events_, {}), dropped_, ended_, reason_};
}

void message_trace::end(std::string reason) {
  std::lock_guard guard{mutex_};
  end_locked(std::move(reason));
}

bool message_trace::ended(clock::time_point now) {
  std::lock_guard guard{mutex_};
  look(now);
  return ended_;
}

message_trace::clock::time_point message_trace::last_asked() const {
  std::lock_guard guard{mutex_};
  return last_asked_;
}

// Somebody who waits asks.
bool message_trace::has_news(clock::time_point now) {
  std::lock_guard guard{mutex_};
  look(now);
  last_asked_ = now;
  return ended_ || !events_.empty();
}

} // namespace muster
