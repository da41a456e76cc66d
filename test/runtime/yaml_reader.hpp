#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

namespace muster {

/// Reads the part of YAML that docs/openapi.yaml is written in: block mappings
/// and sequences, flow sequences, `{}`, plain and quoted scalars, `|` and `>-`.
/// Throws `std::runtime_error` with the line's number on anything else.
[[nodiscard]] nlohmann::json read_yaml(std::string_view text);

} // namespace muster
