#include "runtime/process_usage.hpp"

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace muster {

namespace {

/// The number behind `name` in a file of `/proc` with a line for each.
std::optional<std::uint64_t> read_number(const std::filesystem::path& path,
                                         std::string_view name) {
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name))
      return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  return std::nullopt;
}

} // namespace

std::optional<std::chrono::nanoseconds> cpu_time(pid_t pid) noexcept {
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0
      || ::clock_gettime(clock, &time) != 0)
    return std::nullopt;
  return std::chrono::seconds{time.tv_sec}
         + std::chrono::nanoseconds{time.tv_nsec};
}

std::optional<std::chrono::nanoseconds>
cpu_time(const std::vector<pid_t>& pids) noexcept {
  std::optional<std::chrono::nanoseconds> result;
  for (auto pid : pids)
    if (auto time = cpu_time(pid))
      result = result.value_or(std::chrono::nanoseconds{0}) + *time;
  return result;
}

std::optional<std::uint64_t> wake_ups(const std::vector<pid_t>& pids) {
  std::uint64_t result = 0;
  for (auto pid : pids) {
    auto tasks = "/proc/" + std::to_string(pid) + "/task";
    std::error_code code;
    for (std::filesystem::directory_iterator pos{tasks, code}, end;
         !code && pos != end; pos.increment(code))
      result += read_number(pos->path() / "status", "voluntary_ctxt_switches:")
                  .value_or(0);
    if (code)
      return std::nullopt;
  }
  return result;
}

std::optional<memory_usage> memory_of(pid_t pid) {
  auto path = "/proc/" + std::to_string(pid) + "/status";
  auto anonymous = read_number(path, "RssAnon:");
  auto resident = read_number(path, "VmRSS:");
  if (!anonymous || !resident)
    return std::nullopt;
  return memory_usage{*anonymous << 10, *resident << 10};
}

} // namespace muster
