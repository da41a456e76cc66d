#include "runtime/bench_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cmath>

namespace muster {

namespace {

using milliseconds = std::chrono::duration<double, std::milli>;

double in_ms(std::chrono::nanoseconds value) {
  return milliseconds{value}.count();
}

// The line's columns; one place, so that header and rows agree.
template <class... Texts>
std::string columns(Texts&&... texts) {
  return fmt::format("{:<9} {:<26} {:>5} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} "
                     "{:>7} {:>7} {:>6} {:>7}",
                     std::forward<Texts>(texts)...);
}

std::string per_job_us(double seconds, std::uint64_t jobs) {
  if (seconds <= 0 || jobs == 0)
    return "-";
  return fmt::format("{:.1f}", seconds * 1e6 / static_cast<double>(jobs));
}

std::string grouped(std::uint64_t value) {
  auto result = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(result.size()) - 3; at > 0;
       at -= 3)
    result.insert(static_cast<std::size_t>(at), ",");
  return result;
}

} // namespace

std::string render_number(double value) {
  auto size = std::abs(value);
  if (size >= 1'000)
    return (value < 0 ? "-" : "")
           + grouped(static_cast<std::uint64_t>(std::llround(size)));
  if (size >= 100)
    return fmt::format("{:.0f}", value);
  if (size >= 10)
    return fmt::format("{:.1f}", value);
  if (size >= 1)
    return fmt::format("{:.2f}", value);
  return fmt::format("{:.3f}", value);
}

std::string render_header() {
  return columns("scenario", "variant", "conns", "jobs/s", "p50 ms", "p90 ms",
                 "p99 ms", "p99.9 ms", "max ms", "srv us", "cli us", "errors",
                 "missing");
}

std::string render_row(const bench_row& row) {
  auto latency = [&row](std::chrono::nanoseconds latency_summary::*which) {
    if (!row.latency || row.latency->count == 0)
      return std::string{"-"};
    return render_number(in_ms((*row.latency).*which));
  };
  auto text = columns(
    row.scenario, row.variant,
    row.connections > 0 ? std::to_string(row.connections) : "-",
    row.seconds > 0 ? render_number(row.rate()) : "-",
    latency(&latency_summary::p50), latency(&latency_summary::p90),
    latency(&latency_summary::p99), latency(&latency_summary::p999),
    latency(&latency_summary::max), per_job_us(row.server_cpu, row.jobs),
    per_job_us(row.client_cpu, row.jobs), row.errors, row.missing);
  std::string facts;
  for (auto& [name, value] : row.facts)
    facts += fmt::format("{}{} {}", facts.empty() ? "" : ", ", name,
                         render_number(value));
  for (std::string_view more :
       {std::string_view{facts}, std::string_view{row.note}})
    if (!more.empty())
      text += fmt::format("\n{:<9} {}", "", more);
  return text;
}

std::string render_json(const bench_row& row) {
  nlohmann::ordered_json json;
  json["scenario"] = row.scenario;
  json["variant"] = row.variant;
  json["connections"] = row.connections;
  json["jobs"] = row.jobs;
  json["seconds"] = row.seconds;
  json["jobs_per_second"] = row.rate();
  if (row.latency && row.latency->count > 0) {
    auto& latency = *row.latency;
    json["latencies"] = latency.count;
    json["p50_ms"] = in_ms(latency.p50);
    json["p90_ms"] = in_ms(latency.p90);
    json["p99_ms"] = in_ms(latency.p99);
    json["p999_ms"] = in_ms(latency.p999);
    json["max_ms"] = in_ms(latency.max);
  }
  json["server_cpu_seconds"] = row.server_cpu;
  json["client_cpu_seconds"] = row.client_cpu;
  json["errors"] = row.errors;
  json["missing"] = row.missing;
  for (auto& [name, value] : row.facts)
    json[name] = value;
  if (!row.note.empty())
    json["note"] = row.note;
  return json.dump();
}

} // namespace muster
