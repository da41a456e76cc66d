#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <sys/types.h>

// What a process of this machine uses, as the kernel tells it.

namespace muster {

/// CPU time of all threads since the start, of user and system.
[[nodiscard]] std::optional<std::chrono::nanoseconds>
cpu_time(pid_t pid) noexcept;

struct memory_usage {
  /// Bytes of memory of its own, without mapped files: `RssAnon`.
  std::size_t anonymous = 0;
  /// All that is resident, mapped files included: `VmRSS`.
  std::size_t resident = 0;
};

[[nodiscard]] std::optional<memory_usage> memory_of(pid_t pid);

} // namespace muster
