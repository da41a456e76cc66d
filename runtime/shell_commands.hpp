#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What the shell can be told. Only descriptions: `shell_call` reads commands by
// them, `shell_completion` completes them, `shell_help` explains them.

namespace muster {

/// What a word of a command stands for: how it is checked and completed.
enum class word_kind : std::uint8_t {
  text,
  command,
  node,
  queue,
  handler,
  actor,
  worker,
  job,
  /// All six, or those that can be purged.
  job_state,
  final_state,
  log_level,
  setting,
  sorting,
  address,
  /// 1 to 1,000.
  count,
  /// 0 to 255.
  priority,
  number,
  /// Bytes, such as 4KiB.
  size,
  duration,
  /// `N` or `N/DURATION`.
  rate,
  /// Of an option without a value.
  flag,
};

struct argument_spec {
  std::string_view name;
  word_kind kind = word_kind::text;
  bool optional = false;
};

/// Whether a command, or one of its options, may change something.
enum class command_effect : std::uint8_t { local, reads, changes };

struct option_spec {
  /// Without dashes.
  std::string_view name;
  word_kind kind = word_kind::text;
  std::string_view meaning;
  /// `changes`: the command changes something if it is given.
  command_effect effect = command_effect::reads;
};

struct command_spec {
  std::string_view name;
  std::string_view purpose;
  command_effect effect = command_effect::reads;
  std::vector<argument_spec> arguments;
  std::vector<option_spec> options;
  /// More about it, in lines of at most 76 columns; may be empty.
  std::string_view details;
  std::vector<std::string_view> examples;
};

/// All commands, in the order in which help lists them.
[[nodiscard]] const std::vector<command_spec>& shell_commands();

/// Null if there is none of this name.
[[nodiscard]] const command_spec* find_command(std::string_view name);

/// The name nearest to one that is wrong; empty if none is near.
[[nodiscard]] std::string_view nearest_command(std::string_view name);

/// The words that a kind allows, if it is one of a few.
[[nodiscard]] const std::vector<std::string_view>& words_of(word_kind kind);

/// Such as `jobs QUEUE [--state=STATE] [--limit=N]`.
[[nodiscard]] std::string usage_of(const command_spec& command);

} // namespace muster
