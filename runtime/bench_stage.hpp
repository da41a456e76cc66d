#pragma once

#include "persistence/expected.hpp"
#include "runtime/bench_report.hpp"
#include "runtime/http_client.hpp"
#include "runtime/load_client.hpp"
#include "runtime/load_sources.hpp"
#include "runtime/private_node.hpp"
#include "runtime/queue_client.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace muster {

/// A node that is measured.
struct bench_target {
  std::string host;
  std::uint16_t port = 0;
  /// 0 if it is not known.
  pid_t pid = 0;
  /// What a client of it shows and checks.
  http_client_options http;
};

/// What the time stamps of finished jobs say. They are all the node's and hence
/// fit together.
struct finished_jobs {
  std::uint64_t succeeded = 0;
  timestamp first_enqueued = timestamp::max();
  timestamp first_started = timestamp::max();
  timestamp last_finished = timestamp::min();
  /// From enqueued to finished, in steps of a millisecond.
  latency_record latencies;
};

/// A queue on a node, for one measurement. Of a node that belongs to somebody
/// else the queue is emptied at the end; a private node goes with its data.
class bench_stage {
public:
  /// The queue that a private node's own worker serves; it serves no other.
  static constexpr auto inside_queue = "bench-inside";

  /// On a node of somebody else.
  bench_stage(const bench_target& target, std::string queue);

  /// On a private node, started for it with these settings. `number` tells
  /// stages apart.
  [[nodiscard]] static expected<std::unique_ptr<bench_stage>>
  start(scratch& where, unsigned number, std::string queue,
        std::vector<std::string> settings);

  ~bench_stage();
  bench_stage(const bench_stage&) = delete;
  bench_stage& operator=(const bench_stage&) = delete;

  [[nodiscard]] queue_client& queue() noexcept {
    return *queue_;
  }
  [[nodiscard]] pid_t pid() const noexcept {
    return target_.pid;
  }

  [[nodiscard]] const bench_target& target() const noexcept {
    return target_;
  }

  /// Where other nodes find a private node.
  [[nodiscard]] const endpoint& node_address() const noexcept {
    return node_->node_address();
  }

  /// CPU time is what all of these use together from now on.
  void measure(std::vector<pid_t> pids) {
    measured_ = std::move(pids);
  }

  /// Runs a load against it, and begins a row with what the load client says.
  [[nodiscard]] expected<bench_row> run(load_source& source,
                                        std::size_t connections, millis warm_up,
                                        millis window);

  /// Puts jobs into the queue as fast as it goes. Fails if one was refused.
  [[nodiscard]] expected<void>
  fill(std::uint64_t jobs, const std::string& handler, std::size_t payload);

  /// Compares what the queue holds with what was acknowledged, and completes
  /// the row's figures of what went wrong.
  [[nodiscard]] expected<void> check(bench_row& row, const job_tally& tally);

  /// The jobs that have finished since the last call. Lists are as old as the
  /// node's last commit: waits for a while until there are `expected_jobs`.
  [[nodiscard]] expected<finished_jobs>
  read_finished(std::uint64_t expected_jobs);

  /// Lets the node's own workers at the queue, which must be paused, until
  /// `jobs` more of its jobs have succeeded, and pauses it again. The row has
  /// jobs, seconds and the node's CPU time; some more jobs than asked for may
  /// have been done.
  [[nodiscard]] expected<bench_row> drain_inside(std::uint64_t jobs);

  /// Ends a private node without warning or with SIGTERM, and starts it again
  /// on the same data. `settings` are the node's. Yields the time when the new
  /// process was started.
  [[nodiscard]] expected<load_clock::time_point>
  restart(bool crash, std::vector<std::string> settings);

private:
  bench_stage() = default;

  [[nodiscard]] expected<void> launch(std::vector<std::string> settings);

  bench_target target_;
  std::vector<pid_t> measured_;
  scratch* where_ = nullptr;
  std::string name_;
  std::optional<private_node> node_;
  std::optional<queue_client> queue_;
  std::string cursor_;
};

} // namespace muster
