#pragma once

#include "persistence/expected.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Where a node can be reached: a host's name or address, and a TCP port.
struct endpoint {
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const endpoint&, const endpoint&) = default;
  friend auto operator<=>(const endpoint&, const endpoint&) = default;
};

/// Reads `HOST:PORT`, also `[::1]:8420`. Error: `invalid_argument`.
[[nodiscard]] expected<endpoint> parse_endpoint(std::string_view text);

/// Writes it so that `parse_endpoint` reads it back.
[[nodiscard]] std::string to_string(const endpoint& at);

} // namespace muster
