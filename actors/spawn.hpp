#pragma once

#include "actors/exit_status.hpp"
#include "persistence/expected.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster {

/// Owns a file descriptor; -1 is none.
class descriptor {
public:
  descriptor() = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {
    // nop
  }
  descriptor(descriptor&& other) noexcept : fd_(other.release()) {
    // nop
  }
  descriptor& operator=(descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~descriptor() {
    reset();
  }

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }
  [[nodiscard]] bool valid() const noexcept {
    return fd_ >= 0;
  }
  [[nodiscard]] int release() noexcept;
  void reset(int fd = -1) noexcept;

private:
  int fd_ = -1;
};

/// A program to start.
struct spawn_options {
  /// Where a stream of the child leads.
  enum class stream : std::uint8_t {
    /// To us.
    pipe,
    /// To /dev/null.
    null,
    /// Where ours does.
    inherited,
  };

  /// Program and arguments; the program is looked up in PATH unless its name
  /// has a slash. Not empty.
  std::vector<std::string> command;
  /// `NAME=value` each; nothing is inherited.
  std::vector<std::string> environment;
  /// Where it runs; empty: where we do.
  std::filesystem::path directory;
  stream input = stream::pipe;
  stream errors = stream::pipe;
  /// The file that its standard error is appended to, instead.
  std::filesystem::path error_file;
};

/// Our environment with entries added to it, or replacing what is there.
[[nodiscard]] std::vector<std::string>
environment_with(const std::vector<std::string>& added);

/// A child process that leads its process group, and our ends of its pipes,
/// which do not block. Whoever gets it must reap it.
struct spawned_process {
  pid_t pid = -1;
  /// Readable once the process has ended; none on kernels before 5.3.
  descriptor exit;
  /// Only those that are pipes.
  descriptor input;
  descriptor output;
  descriptor errors;
};

/// Starts a program without a shell and without any of our descriptors but its
/// three streams; its output is a pipe. Signals are at their defaults and
/// unblocked in it. Fails with `handler_failed` if there is no such program, or
/// with `io_error`.
[[nodiscard]] expected<spawned_process>
spawn_process(const spawn_options& options);

/// Takes the status of a child process that has ended, once. `wait`: blocks
/// until it has; else none if it runs.
[[nodiscard]] std::optional<exit_status> reap_process(pid_t pid,
                                                      bool wait) noexcept;

/// Whether a child process has ended; leaves it for `reap_process`.
[[nodiscard]] bool has_ended(pid_t pid) noexcept;

} // namespace muster
