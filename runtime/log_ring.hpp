#pragma once

#include "persistence/job.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

enum class log_level : std::uint8_t { debug, info, warning, error };

[[nodiscard]] std::string_view to_string(log_level level) noexcept;

/// The last lines of a process' log, for those who read it from afar, and how
/// much is logged at all. Thread-safe.
class log_ring {
public:
  /// What is kept; of a line, each text is cut.
  static constexpr std::size_t max_lines = 1'000;
  static constexpr std::size_t max_text = 1'024;
  static constexpr std::size_t max_fields = 16;

  struct line {
    /// Counts up from 1.
    std::uint64_t number = 0;
    timestamp at;
    log_level level = log_level::info;
    std::string text;
    std::vector<std::pair<std::string, std::string>> fields;
  };

  struct part {
    /// The oldest first.
    std::vector<line> lines;
    /// Later lines come after this number.
    std::uint64_t next = 0;
    /// Lines after the number asked for that are not kept any more.
    std::uint64_t missed = 0;
  };

  /// For `read`: the newest lines.
  static constexpr std::uint64_t newest = UINT64_MAX;

  explicit log_ring(log_level least) : least_(least) {
    // nop
  }

  /// What is less is not logged.
  [[nodiscard]] log_level level() const noexcept {
    return least_.load(std::memory_order_relaxed);
  }

  void set_level(log_level least) noexcept {
    least_.store(least, std::memory_order_relaxed);
  }

  /// Gives the line its number.
  void add(line what);

  /// Up to `limit` lines of a level after a number.
  [[nodiscard]] part read(std::uint64_t after, log_level least,
                          std::size_t limit) const;

private:
  std::atomic<log_level> least_;
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::deque<line> lines_;
};

} // namespace muster
