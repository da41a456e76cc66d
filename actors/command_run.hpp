#pragma once

#include "actors/attempt_control.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// An external command to run once.
struct command_spec {
  /// Program and arguments. Not empty.
  std::vector<std::string> command;
  /// `NAME=value` each; nothing is inherited.
  std::vector<std::string> environment;
  std::string_view input;
  std::size_t max_output = 0;
  millis kill_after{2'000};
};

/// Runs a command in a process group of its own until it ends, and returns what
/// it wrote to its standard output. When it has ended, what is left of its
/// process group is killed: an attempt leaves nothing behind.
///
/// Errors: `handler_failed` with how it ended and the end of its standard
/// error, or with why it could not be started; `result_too_large`; and, when
/// `control` asked it to stop, that reason's error.
[[nodiscard]] expected<std::string> run_command(const command_spec& spec,
                                                attempt_control& control);

} // namespace muster
