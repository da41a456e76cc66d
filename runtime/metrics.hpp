#pragma once

#include "actors/supervisor_info.hpp"
#include "actors/worker_info.hpp"
#include "persistence/journal.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What the metrics of a node are made of.
struct node_figures {
  std::string name;
  std::string incarnation;
  journal_stats journal;
  /// Of the store's file, and the map's size.
  store_usage usage;
  /// Those beyond `max_measured_queues` are only counted as left out.
  std::vector<queue_info> queues;
  worker_counters worker;
  std::vector<worker_info> workers;
  std::vector<child_counters> children;
  timestamp now;
  timestamp started;
};

/// Queues beyond these, by name, are left out of the metrics.
inline constexpr std::size_t max_measured_queues = 1'000;

/// See `journal_stats::applied`.
inline constexpr std::string_view applied_entries_metric
  = "muster_log_applied_entries_total";

/// Prometheus text; docs/reference/metrics.md lists the names.
[[nodiscard]] std::string render_metrics(const node_figures& figures);

/// The value of a metric without labels in Prometheus text.
[[nodiscard]] std::optional<std::uint64_t>
find_sample(std::string_view text, std::string_view name) noexcept;

/// Whether Prometheus text is of this start of a node.
[[nodiscard]] bool is_metrics_of(std::string_view text,
                                 std::string_view incarnation);

} // namespace muster
