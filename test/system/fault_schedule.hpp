#pragma once

#include "persistence/job.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

// Which faults happen to a cluster when: data, made from a seed.

namespace muster::fault {

enum class fault_kind : std::uint8_t {
  /// SIGKILL, and started again at the end.
  kill_worker,
  /// SIGTERM, and started again at the end.
  restart_worker,
  /// SIGSTOP, and SIGCONT at the end.
  stop_worker,
  /// No byte can be written to the worker's data directory.
  fill_disk,
  /// Nothing passes, in neither direction; nobody is told.
  cut_link,
  /// What the worker sends to the manager is lost, and only that.
  cut_to_manager,
  /// What the manager sends to the worker is lost, and only that.
  cut_from_manager,
  /// Packets are late, and some are lost.
  slow_link,
  /// SIGKILL, and started again at the end, at the same ports.
  kill_manager,
  /// SIGKILL, and started again at the end, at other ports.
  move_manager,
  stop_manager,
};

inline constexpr std::size_t fault_kinds = 11;

/// Such as `kill_worker`.
[[nodiscard]] std::string_view to_string(fault_kind kind) noexcept;

/// The reverse; an empty list for a name that is none.
[[nodiscard]] std::vector<fault_kind> parse_kinds(std::string_view names);

[[nodiscard]] bool is_for_manager(fault_kind kind) noexcept;
/// Whether it needs a network whose links can be cut.
[[nodiscard]] bool needs_network(fault_kind kind) noexcept;

struct planned_fault {
  fault_kind kind = fault_kind::kill_worker;
  /// Which one, from 0; meaningless for the manager's.
  std::size_t worker = 0;
  /// Since the beginning.
  millis at{0};
  millis duration{0};

  friend bool operator==(const planned_fault&, const planned_fault&) = default;
};

struct schedule_options {
  std::uint64_t seed = 0;
  /// No fault lasts longer than until then.
  millis length{30'000};
  std::size_t workers = 3;
  std::vector<fault_kind> kinds;
  /// Between two faults of one worker or of the manager, on average.
  millis mean_pause{3'000};
  /// Faults last shorter and longer than these.
  millis node_timeout{1'000};
  millis lease_ttl{4'000};
};

/// Faults in the order of their beginning. Those of one node do not overlap,
/// those of different ones do. The same options make the same faults.
[[nodiscard]] std::vector<planned_fault>
plan_faults(const schedule_options& options);

} // namespace muster::fault
