#include "runtime/rate_sampler.hpp"

#include <algorithm>
#include <cmath>

namespace muster {

rate_sampler::totals rate_sampler::totals_of(const queue_info& queue,
                                             clock::time_point at) {
  return {at, queue.enqueued_total,
          queue.succeeded_total + queue.dead_total + queue.cancelled_total,
          queue.failed_total};
}

void rate_sampler::sample(const std::vector<queue_info>& queues,
                          clock::time_point now) {
  std::lock_guard guard{mutex_};
  for (auto& queue : queues) {
    if (samples_.size() >= max_queues
        && samples_.find(queue.name) == samples_.end())
      continue;
    auto& kept = samples_[queue.name];
    kept.push_back(totals_of(queue, now));
    if (kept.size() > kept_samples)
      kept.pop_front();
  }
}

queue_rates rate_sampler::rates(const queue_info& queue,
                                clock::time_point now) const {
  std::lock_guard guard{mutex_};
  auto pos = samples_.find(queue.name);
  if (pos == samples_.end() || pos->second.empty())
    return {};
  auto& then = pos->second.front();
  auto seconds = std::chrono::duration<double>(now - then.at).count();
  if (seconds < 0.001)
    return {};
  auto latest = totals_of(queue, now);
  auto per_second = [seconds](std::uint64_t newer, std::uint64_t older) {
    auto grown = newer > older ? static_cast<double>(newer - older) : 0.0;
    return std::round(grown / seconds * 100.0) / 100.0;
  };
  return {per_second(latest.enqueued, then.enqueued),
          per_second(latest.finished, then.finished),
          per_second(latest.failed, then.failed)};
}

} // namespace muster
