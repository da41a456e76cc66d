#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace muster {

/// Counts values in buckets whose upper bounds are the powers of two, 1 to
/// 2^30, and one for all above. One writer or many, any number of readers; no
/// locks.
class histogram {
public:
  static constexpr std::size_t bucket_count = 32;

  struct snapshot {
    std::array<std::uint64_t, bucket_count> buckets{};
    std::uint64_t sum = 0;

    [[nodiscard]] std::uint64_t count() const noexcept {
      std::uint64_t n = 0;
      for (auto bucket : buckets)
        n += bucket;
      return n;
    }
  };

  void record(std::uint64_t value) noexcept {
    buckets_[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  [[nodiscard]] snapshot read() const noexcept {
    snapshot result;
    for (std::size_t i = 0; i < bucket_count; ++i)
      result.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    result.sum = sum_.load(std::memory_order_relaxed);
    return result;
  }

  /// The first bucket whose bound is not less than `value`.
  [[nodiscard]] static constexpr std::size_t
  bucket_of(std::uint64_t value) noexcept {
    if (value <= 1)
      return 0;
    auto index = static_cast<std::size_t>(std::bit_width(value - 1));
    return index < bucket_count ? index : bucket_count - 1;
  }

private:
  std::array<std::atomic<std::uint64_t>, bucket_count> buckets_{};
  std::atomic<std::uint64_t> sum_{0};
};

} // namespace muster
