#pragma once

#include "persistence/expected.hpp"
#include "runtime/cli.hpp"

#include <caf/config_option_set.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// A command that was called wrongly: prints one line, returns 2.
int usage_error(std::string_view command, std::string_view text);

/// A command that failed: prints one line, returns 1.
int report_failure(std::string_view command, std::string_view text);

/// Whether `--help` or `-h` is among the arguments.
[[nodiscard]] bool wants_help(arguments args);

/// Reads `--name=value` options by CAF's rules into the options' targets and
/// returns what is left: the positional arguments. The error is one sentence.
[[nodiscard]] expected<std::vector<std::string>>
parse_options(const caf::config_option_set& options, arguments args);

/// Splits at commas; spaces and empty parts are dropped.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

/// Reads a size in bytes such as `4096`, `64KiB`, `16MiB`, `1GiB`, `1TiB`.
[[nodiscard]] expected<std::size_t> parse_size(std::string_view name,
                                               std::string_view text);

/// Reads `HOST:PORT`, also `[::1]:8420`.
struct endpoint {
  std::string host;
  std::uint16_t port = 0;
};

[[nodiscard]] expected<endpoint> parse_endpoint(std::string_view text);

/// Turns an error of CAF's option parser into a sentence.
[[nodiscard]] std::string describe_option_error(const caf::error& err);

} // namespace muster
