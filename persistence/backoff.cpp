#include "persistence/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace muster {

namespace {

/// Sebastiano Vigna's splitmix64: a good mix of all bits of the input.
std::uint64_t splitmix64(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// `base^exponent` by multiplication alone. The library's `pow` is not exact,
/// and its last bit depends on what the processor offers: two replicas could
/// disagree on when a job is due.
double power(double base, std::uint32_t exponent) noexcept {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0)
      result *= base;
    base *= base;
  }
  return result;
}

} // namespace

millis backoff_after(const backoff_policy& policy, std::uint32_t failures,
                     lease_token token) {
  auto max = static_cast<double>(policy.max.count());
  auto steps = failures > 0 ? failures - 1 : 0;
  // The power may be infinite, and 0 times that is no number.
  auto min = static_cast<double>(policy.min.count());
  auto pause = min > 0 ? std::min(max, min * power(policy.factor, steps)) : 0.0;
  auto hash = splitmix64(static_cast<std::uint64_t>(token.id)
                         ^ splitmix64(token.attempt));
  // The upper 53 bits make a number from 0 to 1, then -1 to 1.
  auto unit = static_cast<double>(hash >> 11) * 0x1.0p-53;
  auto spread = 1.0 + policy.jitter * (2.0 * unit - 1.0);
  auto result = std::clamp(pause * spread, 0.0, max);
  return millis{static_cast<millis::rep>(std::llround(result))};
}

} // namespace muster
