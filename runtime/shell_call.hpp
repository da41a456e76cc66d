#pragma once

#include "persistence/expected.hpp"
#include "runtime/shell_commands.hpp"
#include "runtime/shell_words.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// A command with its arguments, all checked.
struct shell_call {
  const command_spec* command = nullptr;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string_view, std::string>> options;

  /// Empty if it was not given.
  [[nodiscard]] std::string_view argument(std::size_t i) const noexcept;

  /// Null if it was not given; empty for a flag that was.
  [[nodiscard]] const std::string* option(std::string_view name) const noexcept;

  [[nodiscard]] std::string option_or(std::string_view name,
                                      std::string_view fallback) const;

  /// What of it changes something, such as `pause` or `log --set`; empty if
  /// nothing does.
  [[nodiscard]] std::string change() const;
};

/// Reads a command. Options are written `--name=value` or `--name value` and
/// may stand anywhere; after `--` nothing is an option. Errors:
/// `invalid_argument` with a sentence that says what is expected.
[[nodiscard]] expected<shell_call> parse_call(const shell_words& words);

/// `N` or `N/DURATION`.
struct trace_rate {
  std::uint64_t count = 0;
  /// Empty if there is none.
  std::string per;
};

[[nodiscard]] expected<trace_rate> parse_rate(std::string_view text);

/// Checks a word. The error is a sentence without the word's role, such as
/// `'x' is no duration such as 10s`.
[[nodiscard]] expected<void> check_word(word_kind kind, std::string_view word);

} // namespace muster
