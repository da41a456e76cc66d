#pragma once

#include "persistence/expected.hpp"
#include "runtime/bench_stage.hpp"
#include "runtime/private_node.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster {

/// A private manager and workers in processes of their own, all on this
/// machine, for one measurement. They go with it, and so does their data.
class bench_cluster {
public:
  /// The queue that is worked on.
  static constexpr auto queue_name = "bench";

  /// Starts them and waits until the manager has all workers. `settings` are
  /// the workers'. `number` tells clusters apart.
  [[nodiscard]] static expected<std::unique_ptr<bench_cluster>>
  start(scratch& where, unsigned number, std::size_t workers,
        std::vector<std::string> settings = {});

  ~bench_cluster();
  bench_cluster(const bench_cluster&) = delete;
  bench_cluster& operator=(const bench_cluster&) = delete;

  /// The manager. The CPU time in its rows is that of all processes.
  [[nodiscard]] bench_stage& stage() noexcept {
    return *stage_;
  }

  /// Starts one more worker and waits until the manager has it. It has a name
  /// that none had before.
  [[nodiscard]] expected<void> add_worker();

  /// Kills a worker without warning. Errors: `invalid_argument` if
  /// there is none of that name.
  [[nodiscard]] expected<void> kill_worker(const std::string& name);

  /// Manager and workers.
  [[nodiscard]] std::vector<pid_t> pids() const;

private:
  bench_cluster(scratch& where, unsigned number,
                std::vector<std::string> settings);

  [[nodiscard]] expected<void> launch_worker();
  /// Until the manager serves the workers that there are, and no other.
  [[nodiscard]] expected<void> wait_for_workers();
  [[nodiscard]] expected<bool> has_exactly_these();

  scratch& where_;
  std::string name_;
  std::vector<std::string> settings_;
  std::unique_ptr<bench_stage> stage_;
  std::map<std::string, private_node> workers_;
  unsigned started_ = 0;
};

} // namespace muster
