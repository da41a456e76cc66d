#include "actors/endpoint.hpp"

#include <fmt/format.h>

#include <charconv>

namespace muster {

namespace {

bool parse_port(std::string_view text, std::uint16_t& out) {
  auto* end = text.data() + text.size();
  auto [rest, ec] = std::from_chars(text.data(), end, out);
  return ec == std::errc{} && rest == end && out != 0;
}

} // namespace

expected<endpoint> parse_endpoint(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
      host = host.substr(1, host.size() - 2);
    endpoint result{std::string{host}, 0};
    if (!host.empty() && parse_port(text.substr(colon + 1), result.port))
      return result;
  }
  return fail_with(errc::invalid_argument,
                   fmt::format("'{}' is not HOST:PORT", text));
}

std::string to_string(const endpoint& at) {
  if (at.host.find(':') != std::string::npos)
    return fmt::format("[{}]:{}", at.host, at.port);
  return fmt::format("{}:{}", at.host, at.port);
}

} // namespace muster
