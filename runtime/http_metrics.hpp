#pragma once

#include "persistence/histogram.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace muster {

/// Counts requests by route, method and status. Thread-safe.
class http_metrics {
public:
  /// `route` is the template, such as `/v1/jobs/{id}`; there are few.
  void record(std::string_view route, std::string_view method, int status,
              std::uint64_t micros);

  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> connections_total{0};
  std::atomic<std::uint64_t> bytes_in{0};
  std::atomic<std::uint64_t> bytes_out{0};

  /// Prometheus text.
  [[nodiscard]] std::string render() const;

private:
  struct route_figures {
    histogram duration_us;
    std::map<int, std::uint64_t> by_status;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<route_figures>,
           std::less<>>
    routes_;
};

/// Appends a histogram of microseconds as Prometheus' seconds. `labels` without
/// braces; may be empty.
void render_histogram(std::string& out, std::string_view name,
                      std::string_view labels, const histogram::snapshot& data);

/// Appends `# HELP` and `# TYPE`.
void render_head(std::string& out, std::string_view name, std::string_view type,
                 std::string_view help);

} // namespace muster
