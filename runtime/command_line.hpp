#pragma once

#include "actors/endpoint.hpp"
#include "persistence/expected.hpp"
#include "runtime/cli.hpp"

#include <caf/config_option_set.hpp>
#include <caf/pec.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// A command that was called wrongly: prints one line, returns 2.
int usage_error(std::string_view name, std::string_view text);

/// A command that failed: prints one line, returns 1.
int report_failure(std::string_view name, std::string_view text);

/// Whether `--help` or `-h` is among the arguments before `--`.
[[nodiscard]] bool wants_help(arguments args);

/// Arguments by kind.
struct split_arguments {
  /// Begin with a dash, except for `-` alone.
  std::vector<std::string> options;
  /// All others, and everything after `--`.
  std::vector<std::string> positional;
};

/// Takes options and positional arguments apart, which may be mixed.
/// `--FLAG=true` becomes `--FLAG`, and `--FLAG=false` nothing: CAF's parser
/// knows flags without a value only.
[[nodiscard]] split_arguments
sort_arguments(const caf::config_option_set& options, arguments args);

/// Reads `--name=value` options by CAF's rules into the options' targets and
/// returns what is left: the positional arguments. The error is one sentence.
[[nodiscard]] expected<std::vector<std::string>>
parse_options(const caf::config_option_set& options, arguments args);

/// Says what CAF's parser has against an argument such as `--http-port=abc`.
[[nodiscard]] std::string
describe_bad_option(const caf::config_option_set& options, caf::pec code,
                    std::string_view argument);

/// Says what is wrong with a value, such as `http-port must be a whole number
/// of 0 to 65535, and 'abc' is none`.
[[nodiscard]] std::string describe_bad_value(const caf::config_option& option,
                                             std::string_view value);

/// Splits at commas; spaces and empty parts are dropped.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

/// Reads a size in bytes such as `4096`, `64KiB`, `16MiB`, `1GiB`, `1TiB`.
[[nodiscard]] expected<std::size_t> parse_size(std::string_view name,
                                               std::string_view text);

} // namespace muster
