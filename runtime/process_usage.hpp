#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sys/types.h>
#include <vector>

// What a process of this machine uses, as the kernel tells it.

namespace muster {

/// CPU time of all threads since the start, of user and system.
[[nodiscard]] std::optional<std::chrono::nanoseconds>
cpu_time(pid_t pid) noexcept;

/// Of all that can be read; nothing if none can.
[[nodiscard]] std::optional<std::chrono::nanoseconds>
cpu_time(const std::vector<pid_t>& pids) noexcept;

/// How often threads of these processes have given up a core to wait for
/// something, since they began. Threads that have ended do not count. Nothing
/// if a process cannot be read.
[[nodiscard]] std::optional<std::uint64_t>
wake_ups(const std::vector<pid_t>& pids);

struct memory_usage {
  /// Bytes of memory of its own, without mapped files: `RssAnon`.
  std::size_t anonymous = 0;
  /// All that is resident, mapped files included: `VmRSS`.
  std::size_t resident = 0;
};

[[nodiscard]] std::optional<memory_usage> memory_of(pid_t pid);

} // namespace muster
