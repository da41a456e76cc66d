#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/spawn.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// A process to run.
struct child_process_options {
  /// Program and arguments; looked up in PATH unless there is a slash.
  std::vector<std::string> command;
  /// `NAME=value` each: added to our environment, or replacing what is there.
  std::vector<std::string> environment;
  /// Where it runs; empty: where we do.
  std::filesystem::path directory;
  /// The file that its standard error is appended to; empty: ours.
  std::filesystem::path errors;
};

/// A process of this machine, watched by a thread of its own, so that its end
/// is known at once. It leads a process group; what is left of the group when
/// it has ended is killed.
///
/// Its standard input is a pipe into which nothing is ever written and which
/// only we hold open: when we end, however that happens, it reads the end of
/// the file. A program that must not outlive us watches for that, as `muster
/// node --exit-with-stdin` does. `PR_SET_PDEATHSIG` would not need its help,
/// but follows the thread that started it, cannot be set by `posix_spawn`, and
/// lets nothing end in order.
///
/// Thread-safe.
class child_process {
public:
  /// Rings `bell` whenever there is something to take. Errors: those of
  /// `spawn_process`, `invalid_argument` without a command.
  [[nodiscard]] static expected<std::unique_ptr<child_process>>
  start(const child_process_options& options, std::shared_ptr<doorbell> bell);

  /// Kills its whole group if it runs, and waits a second at most for its end.
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept;

  /// The lines of its standard output since the last call; of lines longer than
  /// a few thousand bytes the beginning. Those that nobody takes are dropped at
  /// some time.
  [[nodiscard]] std::vector<std::string> take_lines();

  /// How it ended, if it has.
  [[nodiscard]] std::optional<exit_status> ended() const;

  /// To its whole group; nothing once it has ended.
  void signal_group(int signal) noexcept;

  /// To the process alone.
  void signal_leader(int signal) noexcept;

private:
  struct shared_state;
  explicit child_process(std::shared_ptr<shared_state> state);
  static void watch(const std::shared_ptr<shared_state>& state);
  std::shared_ptr<shared_state> state_;
};

} // namespace muster
