#include "runtime/command_line.hpp"

#include "actors/local_node.hpp"
#include "runtime/http_text.hpp"

#include <caf/config_option.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

namespace muster {

namespace {

std::string_view view(caf::string_view text) {
  return {text.data(), text.size()};
}

caf::string_view to_caf(std::string_view text) {
  return {text.data(), text.size()};
}

/// The parts of `--name=value`.
std::pair<std::string_view, std::string_view>
split_option(std::string_view arg) {
  auto name = arg.substr(std::min(arg.find_first_not_of('-'), arg.size()));
  auto sign = name.find('=');
  if (sign == std::string_view::npos)
    return {name, {}};
  return {name.substr(0, sign), name.substr(sign + 1)};
}

} // namespace

int usage_error(std::string_view name, std::string_view text) {
  fmt::print(stderr, "muster {}: {} (see 'muster {} --help')\n", name, text,
             name);
  return 2;
}

int report_failure(std::string_view name, std::string_view text) {
  fmt::print(stderr, "muster {}: {}\n", name, text);
  return 1;
}

bool wants_help(arguments args) {
  for (std::string_view arg : args) {
    if (arg == "--")
      break;
    if (arg == "--help" || arg == "-h")
      return true;
  }
  return false;
}

split_arguments sort_arguments(const caf::config_option_set& options,
                               arguments args) {
  split_arguments result;
  bool only_positional = false;
  for (std::string_view arg : args) {
    if (only_positional || !arg.starts_with('-') || arg == "-") {
      result.positional.emplace_back(arg);
      continue;
    }
    if (arg == "--") {
      only_positional = true;
      continue;
    }
    auto [name, value] = split_option(arg);
    auto* option = options.cli_long_name_lookup(to_caf(name));
    if (option != nullptr && option->is_flag() && value == "true")
      result.options.push_back("--" + std::string{name});
    else if (option == nullptr || !option->is_flag() || value != "false")
      result.options.emplace_back(arg);
  }
  return result;
}

expected<std::vector<std::string>>
parse_options(const caf::config_option_set& options, arguments args) {
  // CAF's errors are made of its message types.
  register_message_types();
  auto sorted = sort_arguments(options, args);
  caf::settings ignored;
  auto [code, pos] = options.parse(ignored, sorted.options);
  if (pos == sorted.options.end() && code == caf::pec::success)
    return std::move(sorted.positional);
  auto at = pos == sorted.options.end() ? std::prev(pos) : pos;
  return fail_with(errc::invalid_argument,
                   describe_bad_option(
                     options,
                     code == caf::pec::success ? caf::pec::not_an_option : code,
                     *at));
}

std::string describe_bad_option(const caf::config_option_set& options,
                                caf::pec code, std::string_view argument) {
  auto [name, value] = split_option(argument);
  auto* option = options.cli_long_name_lookup(to_caf(name));
  if (option == nullptr || code == caf::pec::not_an_option)
    return fmt::format("there is no option '{}'",
                       argument.substr(0, argument.find('=')));
  if (code == caf::pec::missing_argument)
    return fmt::format("--{0} needs a value: --{0}=VALUE", name);
  return describe_bad_value(*option, value);
}

std::string describe_bad_value(const caf::config_option& option,
                               std::string_view value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> rules{
    {{"bool", "true or false"},
     {"uint16_t", "a whole number of 0 to 65535"},
     {"uint32_t", "a whole number of 0 to 4294967295"},
     {"uint64_t", "a whole number"},
     {"double", "a number"},
     {"timespan", "a duration such as 10s"}}};
  auto type = view(option.type_name());
  for (auto& [name, rule] : rules)
    if (name == type)
      return fmt::format("{} must be {}, and '{}' is not",
                         view(option.long_name()), rule, value);
  return fmt::format("{} cannot be '{}'", view(option.long_name()), value);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (part.starts_with(' '))
      part.remove_prefix(1);
    while (part.ends_with(' '))
      part.remove_suffix(1);
    if (!part.empty())
      result.emplace_back(part);
  }
  return result;
}

expected<std::size_t> parse_size(std::string_view name, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, int>, 6> units{
    {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}, {"", 0}}};
  auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  auto number = parse_unsigned(text.substr(0, digits));
  for (auto& [unit, shift] : units)
    if (number && text.substr(digits) == unit
        && *number <= (std::numeric_limits<std::size_t>::max() >> shift))
      return static_cast<std::size_t>(*number) << shift;
  return fail_with(errc::invalid_argument,
                   fmt::format("{} must be a size such as 4096, 64KiB, 16MiB "
                               "or 1GiB, and '{}' is none",
                               name, text));
}

} // namespace muster
