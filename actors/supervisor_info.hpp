#pragma once

#include "persistence/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// A supervised child as its supervisor sees it.
struct child_info {
  std::string id;
  /// `worker` or `supervisor`.
  std::string type;
  /// `starting`, `running`, `waiting` (for its restart), `stopping`, `stopped`.
  std::string state;
  std::uint64_t restarts = 0;
  /// Why it ended the last time; empty if it never did.
  std::string last_error;
  /// Of the state.
  timestamp since;
};

struct supervisor_info {
  /// The ids of the supervisors above it and its own, such as `node/links`. A
  /// child that is a supervisor has its parent's path and its id for a path.
  std::string path;
  std::string id;
  /// `one_for_one`, `one_for_all`, `rest_for_one`, `simple_one_for_one`.
  std::string strategy;
  /// Its intensity: it gives up after more restarts than this within `period`.
  std::uint32_t max_restarts = 0;
  millis period{0};
  /// In the order in which they start.
  std::vector<child_info> children;
};

/// What became of a supervised child since the node's start, through restarts
/// of its supervisor. Children of one specification count as one.
struct child_counters {
  /// Its path.
  std::string supervisor;
  /// Empty: of the supervisor itself.
  std::string child;
  /// Times it came up, and how many of these were restarts.
  std::uint64_t starts = 0;
  std::uint64_t restarts = 0;
  /// Times it ended abnormally, could not be started, or had to be killed.
  std::uint64_t failures = 0;
  /// Times that the supervisor gave up.
  std::uint64_t give_ups = 0;
};

} // namespace muster
