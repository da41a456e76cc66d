#pragma once

#include "persistence/expected.hpp"

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

/// A child process that leads its process group, and our ends of its pipes,
/// which do not block. Whoever gets it must reap it.
struct spawned_process {
  pid_t pid = -1;
  /// Readable once the process has ended; none on kernels before 5.3.
  descriptor exit;
  descriptor input;
  descriptor output;
  descriptor errors;
};

/// Starts a program, looked up in PATH, without a shell and without any of our
/// descriptors but its three pipes. `command` is not empty. Signals are at
/// their defaults and unblocked in it. Fails with `handler_failed` if there is
/// no such program, or with `io_error`.
[[nodiscard]] expected<spawned_process>
spawn_process(const std::vector<std::string>& command,
              const std::vector<std::string>& environment);

} // namespace muster
