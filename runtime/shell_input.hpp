#pragma once

#include "runtime/shell_completion.hpp"
#include "runtime/shell_console.hpp"
#include "runtime/shell_history.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace muster {

/// What came of asking for a line.
struct shell_line {
  enum class kind : std::uint8_t {
    line,
    /// Ctrl-C: what was typed is dropped.
    interrupted,
    /// Ctrl-D, the end of the input, or a signal to end.
    end,
  };
  kind what = kind::end;
  std::string text;
};

/// Where a shell's lines come from.
class shell_input {
public:
  virtual ~shell_input() = default;

  /// `prompt` is `printable`.
  [[nodiscard]] virtual shell_line next(const std::string& prompt) = 0;
};

/// Lines from a descriptor as they are, with a prompt if there is somebody to
/// see it. `signals` may be null; both must outlive it.
[[nodiscard]] std::unique_ptr<shell_input>
make_plain_input(int fd, shell_signals* signals, shell_console* prompts);

/// Lines edited at the terminal of standard input and output, with history and
/// completion. There can be one in a process. Both must outlive it.
[[nodiscard]] std::unique_ptr<shell_input>
make_line_editor(shell_signals& signals, shell_history& history,
                 name_source names);

} // namespace muster
