#include "actors/attempt_control.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace muster {

error to_error(stop_reason reason) {
  switch (reason) {
    case stop_reason::none:
      return error{errc::internal, "the attempt was not asked to stop"};
    case stop_reason::cancelled:
      return error{errc::cancelled};
    case stop_reason::timed_out:
      return error{errc::timed_out, "the attempt exceeded its time limit"};
    case stop_reason::lease_lost:
      return error{errc::stale_lease};
    case stop_reason::shutting_down:
      return error{errc::shutting_down, "the worker shuts down"};
  }
  return error{errc::internal};
}

attempt_control::~attempt_control() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

void attempt_control::begin(clock::time_point deadline) {
  deadline_.store(deadline.time_since_epoch().count(),
                  std::memory_order_relaxed);
  has_progress_.store(false, std::memory_order_relaxed);
  if (asked_.exchange(stop_reason::none) == stop_reason::none)
    return;
  std::lock_guard guard{mutex_};
  if (descriptor_ >= 0) {
    eventfd_t ignored = 0;
    static_cast<void>(::eventfd_read(descriptor_, &ignored));
  }
}

void attempt_control::request_stop(stop_reason reason) {
  auto before = stop_reason::none;
  if (!asked_.compare_exchange_strong(before, reason))
    return;
  std::lock_guard guard{mutex_};
  signal_descriptor();
  stopped_.notify_all();
}

stop_reason attempt_control::reason() const noexcept {
  if (auto asked = asked_.load(std::memory_order_relaxed);
      asked != stop_reason::none)
    return asked;
  return clock::now() < deadline() ? stop_reason::none : stop_reason::timed_out;
}

attempt_control::clock::time_point attempt_control::deadline() const noexcept {
  auto since_epoch = deadline_.load(std::memory_order_relaxed);
  return clock::time_point{clock::duration{since_epoch}};
}

bool attempt_control::wait_for(clock::duration duration) {
  auto now = clock::now();
  auto limit = deadline();
  auto until = duration < limit - now ? now + duration : limit;
  std::unique_lock guard{mutex_};
  stopped_.wait_until(guard, until, [this] {
    return asked_.load(std::memory_order_relaxed) != stop_reason::none;
  });
  return reason() == stop_reason::none;
}

void attempt_control::set_progress(std::string text) {
  std::lock_guard guard{mutex_};
  progress_ = std::move(text);
  has_progress_.store(true, std::memory_order_release);
}

std::optional<std::string> attempt_control::take_progress() {
  // Nearly every attempt ends without any: spare it the lock.
  if (!has_progress_.load(std::memory_order_acquire))
    return std::nullopt;
  std::lock_guard guard{mutex_};
  if (!has_progress_.exchange(false))
    return std::nullopt;
  return std::exchange(progress_, {});
}

int attempt_control::stop_descriptor() {
  std::lock_guard guard{mutex_};
  if (descriptor_ < 0) {
    descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (asked_.load() != stop_reason::none)
      signal_descriptor();
  }
  return descriptor_;
}

void attempt_control::signal_descriptor() const noexcept {
  if (descriptor_ >= 0)
    static_cast<void>(::eventfd_write(descriptor_, 1));
}

} // namespace muster
