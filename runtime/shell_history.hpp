#pragma once

#include "persistence/expected.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Lines that were typed, in a file that is its owner's alone. Shells that run
/// at the same time may share it: each appends its lines.
class shell_history {
public:
  /// Reads the latest lines, and makes file and directory if they are not
  /// there. Without a file nothing is kept, which is no error.
  explicit shell_history(std::filesystem::path file);

  /// The oldest first; none twice in a row.
  [[nodiscard]] const std::vector<std::string>& lines() const noexcept {
    return lines_;
  }

  /// Keeps a line, unless it is empty, begins with a blank, or is the same as
  /// the one before. True if it is kept.
  bool add(std::string_view line);

  static constexpr std::size_t most_lines = 1'000;

private:
  void append(std::string_view line);
  /// Leaves the latest lines in a file that has become long.
  void shorten();

  std::filesystem::path file_;
  std::vector<std::string> lines_;
};

/// `$XDG_STATE_HOME/muster/shell_history`, else in `~/.local/state`; empty if
/// there is no home.
[[nodiscard]] std::filesystem::path default_history_file();

} // namespace muster
