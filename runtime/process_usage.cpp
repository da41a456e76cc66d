#include "runtime/process_usage.hpp"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

namespace muster {

std::optional<std::chrono::nanoseconds> cpu_time(pid_t pid) noexcept {
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0
      || ::clock_gettime(clock, &time) != 0)
    return std::nullopt;
  return std::chrono::seconds{time.tv_sec}
         + std::chrono::nanoseconds{time.tv_nsec};
}

std::optional<memory_usage> memory_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
  memory_usage result;
  bool found = false;
  for (std::string line; std::getline(file, line);) {
    auto target = line.starts_with("RssAnon:") ? &result.anonymous
                  : line.starts_with("VmRSS:") ? &result.resident
                                               : nullptr;
    if (target == nullptr)
      continue;
    auto kibibytes
      = std::strtoul(line.c_str() + line.find(':') + 1, nullptr, 10);
    *target = kibibytes << 10;
    found = true;
  }
  if (!found)
    return std::nullopt;
  return result;
}

} // namespace muster
