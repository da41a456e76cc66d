#pragma once

#include "actors/spawn.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace muster {

struct process_options {
  /// Program and arguments. The program is looked up in PATH unless its name
  /// has a slash.
  std::vector<std::string> command;
  /// `NAME=value` each: added to our environment, or replacing what is there.
  std::vector<std::string> environment;
  /// Where it runs; empty: where we do.
  std::filesystem::path directory;
  /// The file that its standard error is appended to; empty: ours.
  std::filesystem::path errors;
};

/// A child process in a process group of its own, with no standard input and
/// its standard output in our hands. It inherits none of our descriptors. Not
/// thread-safe.
class process {
public:
  /// Errors: `handler_failed` if there is no such program, `io_error`.
  [[nodiscard]] static expected<process> start(const process_options& options);

  /// Kills it with its whole group if it runs, and reaps it.
  ~process();
  process(process&& other) noexcept;
  process& operator=(process&& other) noexcept;

  [[nodiscard]] pid_t pid() const noexcept {
    return pid_;
  }

  /// The next line of its standard output, without the line's end; its last one
  /// need not have an end. Errors: `timed_out`, `unavailable` at the end of the
  /// output. Unless somebody reads, a process that writes more than a pipe
  /// holds stands still.
  [[nodiscard]] expected<std::string> read_line(millis limit);

  /// Sends a signal, unless the process has been reaped already.
  void kill(int signal) noexcept;

  /// Whether it has not ended yet. Does not block.
  [[nodiscard]] bool running() noexcept;

  /// Waits for its end and reaps it; what it writes meanwhile is kept for
  /// `read_line`. Fails with `timed_out`; it runs on then.
  [[nodiscard]] expected<exit_status> wait(millis limit);

private:
  process() = default;

  void read_some();
  [[nodiscard]] bool reap(bool wait) noexcept;
  void end() noexcept;

  pid_t pid_ = -1;
  /// Readable at its end; none on kernels before 5.3.
  descriptor exit_;
  descriptor output_;
  std::string buffer_;
  bool reaped_ = false;
  exit_status status_;
};

} // namespace muster
