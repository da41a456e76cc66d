#pragma once

#include "persistence/expected.hpp"
#include "runtime/bench_report.hpp"
#include "runtime/bench_stage.hpp"
#include "runtime/load_sources.hpp"
#include "runtime/private_node.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster {

class bench_cluster;

/// How much `muster bench` does of everything.
struct bench_sizes {
  millis warm_up{700};
  millis window{4'000};
  std::vector<std::size_t> enqueue_connections{1, 16, 64, 256};
  std::size_t batch = 100;
  std::vector<std::size_t> batch_connections{1, 4, 16};
  std::uint64_t drain_jobs = 100'000;
  std::size_t outside_workers = 16;
  std::size_t outside_batch = 100;
  std::size_t end_to_end_connections = 64;
  std::size_t end_to_end_batch_connections = 4;
  std::uint64_t end_to_end_batch_jobs = 200'000;
  double paced_rate = 1'000;
  std::size_t payload = 256;
  /// Jobs in the deep queue, and in the one that it is compared with.
  std::uint64_t deep_jobs = 5'000'000;
  std::uint64_t shallow_jobs = 10'000;
  std::size_t drain_rounds = 10;
  /// Of the cluster that has nothing to do.
  std::size_t idle_workers = 10;
  millis idle_settle{3'000};
  millis idle_window{10'000};
  /// How often a worker is killed.
  std::size_t kill_rounds = 50;
};

/// Runs scenarios and hands out rows as they are measured. A scenario of a
/// private node starts it for each row, so that rows do not depend on each
/// other.
class bench_session {
public:
  using row_sink = std::function<void(const bench_row&)>;
  using progress_sink = std::function<void(const std::string&)>;

  /// Without `target` nodes are started in `where`, which must outlive it.
  bench_session(bench_sizes sizes, scratch& where,
                std::optional<bench_target> target, row_sink on_row,
                progress_sink on_progress);

  // Each scenario stops at its first error.

  /// Disk and journal alone.
  [[nodiscard]] expected<void> alone();
  [[nodiscard]] expected<void> enqueue();
  [[nodiscard]] expected<void> batch();
  [[nodiscard]] expected<void> drain();
  [[nodiscard]] expected<void> end_to_end();
  /// Private nodes only.
  [[nodiscard]] expected<void> deep();
  /// Workers in processes of their own; private nodes only.
  [[nodiscard]] expected<void> remote();

private:
  /// What a row is called.
  struct row_name {
    std::string scenario;
    std::string variant;
  };

  [[nodiscard]] expected<std::unique_ptr<bench_stage>>
  open_stage(const std::string& purpose, bool inside);

  [[nodiscard]] expected<void> enqueue_row(const std::string& scenario,
                                           const std::string& variant,
                                           enqueue_options what,
                                           std::size_t connections);
  [[nodiscard]] expected<void> drain_inside(const row_name& name,
                                            bench_stage& stage);
  [[nodiscard]] expected<void> drain_outside();
  [[nodiscard]] expected<void> round_trips(const row_name& name,
                                           bench_stage& stage,
                                           std::size_t connections,
                                           double rate);
  [[nodiscard]] expected<void> through(const row_name& name, bench_stage& stage,
                                       std::size_t batch,
                                       std::size_t connections);
  [[nodiscard]] expected<double> drain_shallow();
  [[nodiscard]] expected<void> drain_deep(bench_stage& stage, double shallow);
  [[nodiscard]] expected<bench_row>
  drain_in_rounds(bench_stage& stage,
                  const std::function<expected<void>()>& before);
  [[nodiscard]] expected<void> start_deep(bench_stage& stage, bool crash);

  [[nodiscard]] expected<std::unique_ptr<bench_cluster>>
  open_cluster(const std::string& purpose, std::size_t workers,
               std::vector<std::string> settings = {});
  [[nodiscard]] expected<void> remote_alone();
  [[nodiscard]] expected<void> remote_through();
  [[nodiscard]] expected<void> remote_drain();
  [[nodiscard]] expected<void> remote_idle();
  [[nodiscard]] expected<void> remote_kills();
  [[nodiscard]] expected<void> kill_one(bench_cluster& cluster, bench_row& row,
                                        latency_record& latencies);

  bench_sizes sizes_;
  scratch& where_;
  std::optional<bench_target> target_;
  row_sink on_row_;
  progress_sink on_progress_;
  unsigned stages_ = 0;
};

} // namespace muster
