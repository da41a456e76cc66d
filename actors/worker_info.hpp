#pragma once

#include "persistence/histogram.hpp"
#include "persistence/job.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace muster {

struct worker_options {
  /// Shown as a job's worker. Distinct among the workers of a cluster.
  std::string name;
  /// Tells this start of the node from the one before; random if empty. A
  /// worker that is restarted within the node gets a suffix.
  std::string incarnation;
  /// How many jobs run at once; 0 is the number of cores.
  std::uint32_t concurrency = 0;
  /// Served queues; empty is all.
  std::vector<std::string> queues;
  /// How long a lease lasts unless it is extended.
  millis lease_ttl{30'000};
  /// How often held leases are extended; 0 is a third of `lease_ttl`.
  millis heartbeat{0};
  /// A result beyond this fails its job with `result_too_large`.
  std::size_t max_result_bytes = std::size_t{16} << 20;
  /// Where outcomes are kept until the manager has them, so that they outlive
  /// the process; empty: nowhere, which is right for a worker that dies with
  /// its manager.
  std::filesystem::path outbox_directory;
  /// No more leases are taken while so many bytes of outcomes are kept.
  std::size_t max_outbox_bytes = std::size_t{256} << 20;
  /// The file in which it is noted what runs, for whoever watches the process;
  /// empty: none.
  std::filesystem::path running_note;
  /// A parent process tells the manager how this one ended.
  bool supervised = false;
  /// How long a handler that was asked to stop may go on before its thread is
  /// given up and replaced by another.
  millis stuck_after{10'000};
};

/// A worker as its manager sees it.
struct worker_info {
  std::string name;
  std::string incarnation;
  /// Empty is all.
  std::vector<std::string> queues;
  std::uint32_t concurrency = 0;
  /// Jobs that run.
  std::uint32_t running = 0;
  /// Leases that it holds, running or waiting.
  std::uint32_t held = 0;
  /// How many more leases it would take at once.
  std::uint32_t credit = 0;
  /// Attempts that succeeded and that failed since its start.
  std::uint64_t finished = 0;
  std::uint64_t failed = 0;
  bool draining = false;
  timestamp since;
  timestamp last_heartbeat;
};

/// What the worker of this node did with the jobs of one handler.
struct handler_counters {
  std::string handler;
  std::uint64_t started = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;
  /// Asked to stop: the job was cancelled or the lease lost.
  std::uint64_t cancelled = 0;
  /// Handed back before it was done.
  std::uint64_t released = 0;
  /// How long attempts ran, in microseconds.
  histogram::snapshot run_us;
};

/// Figures of this node's worker since the node's start.
struct worker_counters {
  /// By name; jobs without a handler count under the empty name.
  std::vector<handler_counters> handlers;
  /// Threads given up because a handler did not return: in total, and now.
  std::uint64_t stuck_total = 0;
  std::uint64_t stuck = 0;
  /// Batches of outcomes sent, sent again, and jobs recorded by them.
  std::uint64_t outcome_batches = 0;
  std::uint64_t outcome_batches_resent = 0;
  std::uint64_t outcomes_acknowledged = 0;
  /// Outcomes that came too late: the lease was another's by then.
  std::uint64_t outcomes_stale = 0;
  /// Outcomes that the outbox keeps for the manager, and their bytes.
  std::uint64_t outbox_outcomes = 0;
  std::uint64_t outbox_bytes = 0;
};

} // namespace muster
