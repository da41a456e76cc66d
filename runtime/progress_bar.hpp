#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace muster {

/// How far something has come.
struct progress {
  std::uint64_t done = 0;
  /// 0 if it is not known.
  std::uint64_t of = 0;
  /// Per second; 0 if it is not known.
  double rate = 0;

  /// In 0..1.
  [[nodiscard]] double fraction() const noexcept;
};

enum class bar_style : std::uint8_t { ascii, unicode };

/// A bar and what it stands for, at most `width` characters:
///
///     [##########..........]  50%  1,000 of 2,000, 400/s, 3 s left
///
/// Where it is not known how much there is, or there is too little room for the
/// bar, the text stands alone, and is cut if there is too little room even for
/// that.
[[nodiscard]] std::string render_progress(const progress& now,
                                          std::size_t width, bar_style style);

/// A number with a comma between each three digits.
[[nodiscard]] std::string render_count(std::uint64_t value);

/// Shows progress in the last line of a terminal; elsewhere prints a line from
/// time to time. Not thread-safe.
class progress_bar {
public:
  /// `out` must outlive it.
  explicit progress_bar(std::FILE* out);

  /// Removes what it shows.
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;

  [[nodiscard]] bool on_terminal() const noexcept {
    return on_terminal_;
  }

  /// Draws it anew, unless that was done a moment ago.
  void show(const progress& now);

  /// Prints a line above it.
  void print(std::string_view line);

  void clear();

private:
  std::FILE* out_;
  bool on_terminal_;
  bar_style style_;
  bool visible_ = false;
  std::chrono::steady_clock::time_point next_;
};

} // namespace muster
