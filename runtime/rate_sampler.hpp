#pragma once

#include "persistence/store_view.hpp"
#include "runtime/json_render.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace muster {

/// Remembers queues' totals over the last seconds and tells what they grew by.
/// Thread-safe; time comes in with each call.
class rate_sampler {
public:
  using clock = std::chrono::steady_clock;

  /// Adds a sample of all queues. Beyond `max_queues` (by name) a queue has no
  /// rates.
  void sample(const std::vector<queue_info>& queues, clock::time_point now);

  /// Since the oldest sample that is kept; zero for an unknown queue.
  [[nodiscard]] queue_rates rates(const queue_info& queue,
                                  clock::time_point now) const;

  static constexpr std::size_t max_queues = 10'000;
  static constexpr std::size_t kept_samples = 10;

private:
  struct totals {
    clock::time_point at;
    std::uint64_t enqueued = 0;
    std::uint64_t finished = 0;
    std::uint64_t failed = 0;
  };

  static totals totals_of(const queue_info& queue, clock::time_point at);

  mutable std::mutex mutex_;
  std::map<std::string, std::deque<totals>, std::less<>> samples_;
};

} // namespace muster
