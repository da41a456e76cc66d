#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster {

/// What of a latency's distribution is reported.
struct latency_summary {
  std::size_t count = 0;
  std::chrono::nanoseconds p50{0};
  std::chrono::nanoseconds p90{0};
  std::chrono::nanoseconds p99{0};
  std::chrono::nanoseconds p999{0};
  std::chrono::nanoseconds max{0};
};

/// Keeps every latency in steps of 100 ns, up to seven minutes, so that its
/// percentiles are exact. Four bytes each.
class latency_record {
public:
  void add(std::chrono::nanoseconds value);

  void add(const latency_record& other);

  [[nodiscard]] std::size_t count() const noexcept {
    return values_.size();
  }

  /// The smallest value that at least `fraction` of all values do not exceed
  /// (the nearest-rank rule); zero without values. `fraction` is in 0..1.
  [[nodiscard]] std::chrono::nanoseconds percentile(double fraction);

  [[nodiscard]] latency_summary summary();

private:
  std::vector<std::uint32_t> values_;
};

} // namespace muster
