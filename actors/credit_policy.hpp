#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace muster {

// How many leases a worker should hold. Too few, and its threads wait for the
// manager; too many, and jobs wait here while another worker is idle. So: one
// for each thread, and as many more as keep the threads busy for a round trip.

namespace limits {

inline constexpr std::uint32_t worker_credit = 1'024;

} // namespace limits

/// What the threads should have in stock.
inline constexpr std::chrono::microseconds stock_time{20'000};

/// Leases to hold, waiting ones included. `mean_run` is absent as long as
/// nothing is known.
[[nodiscard]] constexpr std::uint32_t
credit_target(std::uint32_t concurrency,
              std::optional<std::chrono::microseconds> mean_run) noexcept {
  if (!mean_run)
    return concurrency;
  auto run = std::max<std::int64_t>(mean_run->count(), 1);
  auto stock = concurrency * std::uint64_t(stock_time.count()) / run;
  auto bound = std::max(concurrency, limits::worker_credit);
  return static_cast<std::uint32_t>(
    std::min<std::uint64_t>(concurrency + stock, bound));
}

/// How many leases to ask for now. Small requests are put off while there is
/// something to do, since a grant costs a message; `held` counts what was asked
/// for already.
[[nodiscard]] constexpr std::uint32_t
credit_to_grant(std::uint32_t concurrency, std::uint32_t target,
                std::uint32_t held) noexcept {
  if (held >= target)
    return 0;
  auto missing = target - held;
  auto worthwhile = std::max(target / 4, 1u);
  return held < concurrency || missing >= worthwhile ? missing : 0;
}

/// Whether credit must be taken back, since attempts take longer than when it
/// was granted. Long attempts allow no excess at all: what is leased here
/// beyond one for each thread, another worker could have begun.
[[nodiscard]] constexpr bool is_excessive(std::uint32_t concurrency,
                                          std::uint32_t target,
                                          std::uint32_t held) noexcept {
  return held > (target > concurrency ? 2 * target : target);
}

/// The mean run time of the latest attempts, some 30 of them.
class run_time_mean {
public:
  /// Of `count` attempts that took `total` together.
  constexpr void record(std::chrono::microseconds total,
                        std::uint64_t count) noexcept {
    if (count == 0)
      return;
    auto sample = double(total.count()) / double(count);
    auto weight = std::min(double(count) / 32.0, 1.0);
    mean_ = mean_ ? *mean_ + (sample - *mean_) * weight : sample;
  }

  /// Knows more than what has finished: attempts that run for `elapsed`
  /// already are no shorter than that.
  [[nodiscard]] constexpr std::optional<std::chrono::microseconds>
  value(std::chrono::microseconds elapsed) const noexcept {
    if (!mean_)
      return std::nullopt;
    auto known = std::max(*mean_, double(elapsed.count()));
    return std::chrono::microseconds{static_cast<std::int64_t>(known)};
  }

private:
  std::optional<double> mean_;
};

} // namespace muster
