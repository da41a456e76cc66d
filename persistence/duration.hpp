#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <string>
#include <string_view>

namespace muster {

// Durations as people write them:
//
//     duration := digits unit | "0"
//     unit     := "ms" | "s" | "m" | "h" | "d"

/// Reads a duration such as `250ms`, `10s`, `5m`, `2h` or `1d`. Fails with
/// `invalid_argument` on anything else and on more than `limits::duration`.
[[nodiscard]] expected<millis> parse_duration(std::string_view text);

/// Writes a duration in the largest unit up to hours that needs no fraction;
/// `parse_duration` reads it back. Negative ones are written as `0ms`.
[[nodiscard]] std::string format_duration(millis value);

} // namespace muster
