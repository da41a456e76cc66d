#pragma once

#include "actors/endpoint.hpp"
#include "actors/worker_pool.hpp"
#include "runtime/node_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A node's workers as processes: each is the same program, started as a worker
// node on this machine with the settings of its parent.

namespace muster {

/// How many there are unless it is said: as many as jobs run at once, at most
/// four.
[[nodiscard]] std::uint32_t
default_worker_processes(std::uint32_t concurrency) noexcept;

/// How many of the node's jobs process number `index`, from 0, runs at once:
/// they are shared evenly.
[[nodiscard]] std::uint32_t share_of(std::uint32_t concurrency,
                                     std::uint32_t processes,
                                     std::uint32_t index) noexcept;

struct worker_process_plan {
  std::string program;
  /// Of the node, with every setting resolved.
  const node_settings* settings = nullptr;
  std::string node_name;
  /// Where the node itself listens, if it is what its workers join: a manager.
  endpoint manager;
};

/// Process number `index` from 0.
[[nodiscard]] worker_process
plan_worker_process(const worker_process_plan& plan, std::uint32_t index);

/// A process that runs jobs is the one to go when the machine's memory is used
/// up, and not its parent.
void prefer_for_oom_killer() noexcept;

} // namespace muster
