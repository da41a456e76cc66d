#pragma once

#include "actors/spawn.hpp"
#include "node_process.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace muster {

/// `muster` at a terminal of its own. Killed with its owner.
class pseudo_terminal {
public:
  struct settings {
    std::filesystem::path directory;
    /// Arguments of `muster`.
    std::vector<std::string> words;
    /// `NAME=value` each, beside HOME, which is the directory.
    std::vector<std::string> environment;
    std::string type = "xterm";
    int columns = 100;
    int rows = 30;
  };

  explicit pseudo_terminal(const settings& with);
  ~pseudo_terminal();
  pseudo_terminal(const pseudo_terminal&) = delete;
  pseudo_terminal& operator=(const pseudo_terminal&) = delete;

  /// Presses keys.
  void type(std::string_view keys);

  /// Waits until a text has appeared, and takes everything up to its end, which
  /// is the result. Fails the test if it does not come.
  std::string expect(std::string_view text);

  /// Whether a text is among what was not taken yet, as far as it has come.
  [[nodiscard]] bool has(std::string_view text);

  /// What has come and was not taken.
  [[nodiscard]] const std::string& rest() const noexcept {
    return seen_;
  }

  void resize(int columns, int rows);

  void signal(int number);

  [[nodiscard]] pid_t pid() const noexcept {
    return pid_;
  }

  /// Whether the terminal shows what is typed and waits for whole lines.
  [[nodiscard]] bool is_cooked() const;

  /// Waits for its end.
  exit_status wait();

private:
  /// False if nothing has come for a moment.
  bool read_some();

  pid_t pid_ = -1;
  descriptor terminal_;
  std::string seen_;
  bool reaped_ = false;
};

} // namespace muster
