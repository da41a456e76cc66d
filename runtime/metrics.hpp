#pragma once

#include "actors/worker_info.hpp"
#include "persistence/journal.hpp"

#include <string>
#include <vector>

namespace muster {

/// What the metrics of a node are made of.
struct node_figures {
  journal_stats journal;
  /// Of the store's file, and the map's size.
  store_usage usage;
  std::vector<queue_info> queues;
  worker_counters worker;
  std::vector<worker_info> workers;
  timestamp now;
  timestamp started;
};

/// Queues beyond these, by name, are left out of the metrics.
inline constexpr std::size_t max_measured_queues = 1'000;

/// Prometheus text; docs/reference/metrics.md lists the names.
[[nodiscard]] std::string render_metrics(const node_figures& figures);

} // namespace muster
