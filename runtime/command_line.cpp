#include "runtime/command_line.hpp"

#include "runtime/http_text.hpp"

#include <caf/error.hpp>
#include <caf/pec.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <limits>

namespace muster {

int usage_error(std::string_view command, std::string_view text) {
  fmt::print(stderr, "muster {}: {} (see 'muster {} --help')\n", command, text,
             command);
  return 2;
}

int report_failure(std::string_view command, std::string_view text) {
  fmt::print(stderr, "muster {}: {}\n", command, text);
  return 1;
}

bool wants_help(arguments args) {
  for (std::string_view arg : args)
    if (arg == "--help" || arg == "-h")
      return true;
  return false;
}

std::string describe_option_error(const caf::error& err) {
  auto text = to_string(err.context());
  // A message of one string prints as message("text").
  constexpr std::string_view begin = "message(\"";
  if (text.starts_with(begin) && text.ends_with("\")"))
    text = text.substr(begin.size(), text.size() - begin.size() - 2);
  if (err.category() == caf::type_id_v<caf::pec>) {
    switch (static_cast<caf::pec>(err.code())) {
      case caf::pec::not_an_option:
        return fmt::format("unknown option '{}'", text);
      case caf::pec::missing_argument:
        return fmt::format("'{}' needs a value", text);
      default:
        return fmt::format("'{}' has a value that it cannot have", text);
    }
  }
  return to_string(err);
}

expected<std::vector<std::string>>
parse_options(const caf::config_option_set& options, arguments args) {
  std::vector<std::string> positional;
  std::vector<std::string> flags;
  for (std::string_view arg : args) {
    if (arg.starts_with("-") && arg.size() > 1)
      flags.emplace_back(arg);
    else
      positional.emplace_back(arg);
  }
  caf::settings ignored;
  auto [code, pos] = options.parse(ignored, flags);
  if (pos != flags.end() || code != caf::pec::success)
    return fail_with(errc::invalid_argument,
                     describe_option_error(caf::make_error(
                       code == caf::pec::success ? caf::pec::not_an_option
                                                 : code,
                       pos != flags.end() ? *pos : std::string{})));
  return positional;
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

expected<endpoint> parse_endpoint(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    auto host = text.substr(0, colon);
    auto port = parse_unsigned(text.substr(colon + 1));
    if (host.starts_with('[') && host.ends_with(']'))
      host = host.substr(1, host.size() - 2);
    if (port && *port >= 1 && *port <= 65'535 && !host.empty())
      return endpoint{std::string{host}, static_cast<std::uint16_t>(*port)};
  }
  return fail_with(errc::invalid_argument,
                   fmt::format("'{}' is not HOST:PORT", text));
}

} // namespace muster
