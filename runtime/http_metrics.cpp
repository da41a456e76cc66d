#include "runtime/http_metrics.hpp"

#include <fmt/format.h>

#include <iterator>

namespace muster {

void http_metrics::record(std::string_view route, std::string_view method,
                          int status, std::uint64_t micros) {
  std::lock_guard guard{mutex_};
  // A handful of entries: a look-up without making a key first.
  auto pos = routes_.begin();
  for (; pos != routes_.end(); ++pos)
    if (pos->first.first == route && pos->first.second == method)
      break;
  if (pos == routes_.end())
    pos = routes_
            .emplace(std::pair{std::string{route}, std::string{method}},
                     std::make_unique<route_figures>())
            .first;
  pos->second->duration_us.record(micros);
  ++pos->second->by_status[status];
}

void render_head(std::string& out, std::string_view name, std::string_view type,
                 std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                 help, name, type);
}

void render_histogram(std::string& out, std::string_view name,
                      std::string_view labels,
                      const histogram::snapshot& data) {
  auto to = std::back_inserter(out);
  auto comma = labels.empty() ? "" : ",";
  std::uint64_t total = 0;
  // From 2^4 us to 2^26 us, about a minute; one bound in two is enough.
  for (std::size_t i = 0; i + 1 < histogram::bucket_count; ++i) {
    total += data.buckets[i];
    if (i >= 4 && i <= 26 && i % 2 == 0)
      fmt::format_to(to, "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma,
                     static_cast<double>(std::uint64_t{1} << i) / 1e6, total);
  }
  auto braces = labels.empty() ? std::string{} : fmt::format("{{{}}}", labels);
  fmt::format_to(to, "{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name, labels, comma,
                 data.count());
  fmt::format_to(to, "{}_sum{} {}\n{}_count{} {}\n", name, braces,
                 static_cast<double>(data.sum) / 1e6, name, braces,
                 data.count());
}

std::string http_metrics::render() const {
  std::string out;
  auto to = std::back_inserter(out);
  std::lock_guard guard{mutex_};
  render_head(out, "muster_http_requests_total", "counter",
              "Requests by route, method and status.");
  for (auto& [key, figures] : routes_)
    for (auto& [status, count] : figures->by_status)
      fmt::format_to(
        to,
        "muster_http_requests_total{{route=\"{}\",method=\"{}\",status=\"{}\"}}"
        " {}\n",
        key.first, key.second, status, count);
  render_head(out, "muster_http_request_duration_seconds", "histogram",
              "Time from a request's last byte to its answer.");
  for (auto& [key, figures] : routes_)
    render_histogram(
      out, "muster_http_request_duration_seconds",
      fmt::format("route=\"{}\",method=\"{}\"", key.first, key.second),
      figures->duration_us.read());
  auto simple = [&](std::string_view name, std::string_view type,
                    std::string_view help, std::uint64_t value) {
    render_head(out, name, type, help);
    fmt::format_to(to, "{} {}\n", name, value);
  };
  simple("muster_http_connections", "gauge", "Open connections.",
         connections.load());
  simple("muster_http_connections_total", "counter", "Accepted connections.",
         connections_total.load());
  simple("muster_http_received_bytes_total", "counter",
         "Bytes of requests with their headers.", bytes_in.load());
  simple("muster_http_sent_bytes_total", "counter",
         "Bytes of answers with their headers.", bytes_out.load());
  return out;
}

} // namespace muster
