#include "runtime/worker_processes.hpp"

#include "runtime/node_access.hpp"
#include "runtime/peer_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace muster {

namespace {

constexpr std::uint32_t most_by_default = 4;
constexpr std::size_t max_name = 64;
constexpr std::string_view oom_score = "500";

/// Settings that a process has of its own; all others are its parent's.
constexpr std::array<std::string_view, 12> own_settings{
  "roles",           "name",           "data-dir",
  "http-address",    "http-port",      "node-port",
  "node-advertise",  "concurrency",    "strict-ports",
  "exit-with-stdin", "worker-process", "worker-processes"};

bool is_own(std::string_view argument) {
  if (!argument.starts_with("--"))
    return false;
  auto name = argument.substr(2, argument.find('=') - 2);
  return std::find(own_settings.begin(), own_settings.end(), name)
         != own_settings.end();
}

} // namespace

std::uint32_t default_worker_processes(std::uint32_t concurrency) noexcept {
  return std::clamp(concurrency, 1u, most_by_default);
}

std::uint32_t share_of(std::uint32_t concurrency, std::uint32_t processes,
                       std::uint32_t index) noexcept {
  return concurrency / processes + (index < concurrency % processes ? 1 : 0);
}

worker_process plan_worker_process(const worker_process_plan& plan,
                                   std::uint32_t index) {
  auto& settings = *plan.settings;
  auto number = std::to_string(index + 1);
  auto directory = settings.data_dir / "workers" / number;
  worker_process result;
  result.name
    = plan.node_name.substr(0, max_name - number.size() - 1) + '.' + number;
  result.outbox_directory = directory;
  result.running_note = directory / running_note_name;
  auto& words = result.process.command;
  words = {plan.program, "node"};
  for (auto& argument : settings.arguments)
    if (!is_own(argument)
        && (plan.manager.host.empty() || !argument.starts_with("--join=")))
      words.push_back(argument);
  for (auto& own :
       {std::string{"--worker-process"}, std::string{"--roles=worker"},
        "--name=" + result.name, "--data-dir=" + directory.string(),
        "--concurrency="
          + std::to_string(share_of(settings.worker_settings.concurrency,
                                    settings.worker_processes, index)),
        std::string{"--worker-processes=0"},
        std::string{"--http-address=127.0.0.1"}, std::string{"--http-port=0"},
        std::string{"--node-port=0"}})
    words.push_back(own);
  if (!settings.advertise.host.empty())
    words.push_back("--node-advertise=" + settings.advertise.host);
  if (!plan.manager.host.empty())
    words.push_back("--join=" + to_string(reachable_here(plan.manager)));
  result.is_ready
    = [](std::string_view line) { return line.starts_with("muster node "); };
  return result;
}

void prefer_for_oom_killer() noexcept {
  std::ofstream file{"/proc/self/oom_score_adj"};
  file << oom_score;
}

} // namespace muster
