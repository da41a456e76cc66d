#pragma once

#include "persistence/job.hpp"

#include <algorithm>
#include <cmath>

namespace muster {

/// A rate limit that saves up to a second's worth of tokens. Time comes in
/// with each call. A rate of 0 is no limit.
struct token_bucket {
  double tokens = 0;
  timestamp at;

  [[nodiscard]] static double burst(double rate) noexcept {
    return std::max(1.0, rate);
  }

  void refill(double rate, timestamp now) noexcept {
    if (now <= at)
      return;
    auto seconds = std::chrono::duration<double>(now - at).count();
    tokens = std::min(burst(rate), tokens + rate * seconds);
    at = now;
  }

  /// When there will be a whole token.
  [[nodiscard]] timestamp next_token(double rate) const noexcept {
    auto missing = std::max(0.0, 1.0 - tokens);
    auto ms = std::min(1e15, std::ceil(missing / rate * 1000.0));
    return at + millis{static_cast<millis::rep>(std::max(1.0, ms))};
  }
};

} // namespace muster
