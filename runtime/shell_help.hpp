#pragma once

#include "runtime/shell_commands.hpp"
#include "runtime/shell_screen.hpp"

#include <string>

namespace muster {

/// All commands, one a line.
[[nodiscard]] std::string help_overview(const screen& on);

/// One command: how it is written, what it does, examples.
[[nodiscard]] std::string help_on(const command_spec& command,
                                  const screen& on);

} // namespace muster
