#pragma once

#include "runtime/latency_record.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// One measurement of `muster bench`.
struct bench_row {
  /// Such as `enqueue`.
  std::string scenario;
  /// What sets it apart from the others of its scenario.
  std::string variant;
  std::size_t connections = 0;
  std::uint64_t jobs = 0;
  double seconds = 0;
  std::optional<latency_summary> latency;
  /// CPU seconds of client and server while it was measured; 0 is unknown.
  double client_cpu = 0;
  double server_cpu = 0;
  /// Answers that were not a success.
  std::uint64_t errors = 0;
  /// Acknowledged jobs that could not be found again, ids given twice, wrong
  /// results.
  std::uint64_t missing = 0;
  /// Anything else, such as `rss_anon_mib`.
  std::vector<std::pair<std::string, double>> facts;
  /// For a person.
  std::string note;

  [[nodiscard]] double rate() const noexcept {
    return seconds > 0 ? static_cast<double>(jobs) / seconds : 0;
  }

  [[nodiscard]] bool good() const noexcept {
    return errors == 0 && missing == 0;
  }
};

/// The header of the table that `render_row` writes lines of.
[[nodiscard]] std::string render_header();

/// One aligned line, and one more for each fact or note; without the last
/// line's end.
[[nodiscard]] std::string render_row(const bench_row& row);

/// One line of JSON without its end.
[[nodiscard]] std::string render_json(const bench_row& row);

/// Such as `0.123`, `12.3`, `1,234`: three digits or more, at most three
/// decimals.
[[nodiscard]] std::string render_number(double value);

} // namespace muster
