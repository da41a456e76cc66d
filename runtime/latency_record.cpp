#include "runtime/latency_record.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster {

namespace {

constexpr std::chrono::nanoseconds step{100};

} // namespace

void latency_record::add(std::chrono::nanoseconds value) {
  constexpr auto max = std::int64_t{std::numeric_limits<std::uint32_t>::max()};
  auto steps = std::clamp<std::int64_t>(value / step, 0, max);
  values_.push_back(static_cast<std::uint32_t>(steps));
}

void latency_record::add(const latency_record& other) {
  values_.insert(values_.end(), other.values_.begin(), other.values_.end());
}

std::chrono::nanoseconds latency_record::percentile(double fraction) {
  if (values_.empty())
    return {};
  auto size = static_cast<double>(values_.size());
  // Against 0.999 * 1000 being a little more than 999.
  auto rank = std::ceil(std::clamp(fraction, 0.0, 1.0) * size - 1e-6);
  auto index = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  auto nth = values_.begin() + index;
  std::nth_element(values_.begin(), nth, values_.end());
  return *nth * step;
}

latency_summary latency_record::summary() {
  latency_summary result;
  result.count = count();
  result.p50 = percentile(0.5);
  result.p90 = percentile(0.9);
  result.p99 = percentile(0.99);
  result.p999 = percentile(0.999);
  result.max = percentile(1);
  return result;
}

} // namespace muster
