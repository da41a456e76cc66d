#pragma once

#include "persistence/expected.hpp"
#include "runtime/bench_scenarios.hpp"
#include "runtime/bench_stage.hpp"
#include "runtime/cli.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What `muster bench` is told to do, checked.
struct bench_request {
  /// In the order in which they run.
  std::vector<std::string> scenarios;
  bench_sizes sizes;
  /// None: private nodes.
  std::optional<bench_target> target;
  /// Where private nodes keep their data; empty: a place for large temporary
  /// files.
  std::string dir;
  /// The file for lines of JSON, `-` for standard output, or empty.
  std::string json;
};

/// Reads the command's arguments. The error is one sentence.
[[nodiscard]] expected<bench_request> read_bench_request(arguments args);

/// For `muster bench --help`.
[[nodiscard]] std::string_view bench_help();

} // namespace muster
