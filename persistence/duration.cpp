#include "persistence/duration.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace muster {

namespace {

struct unit {
  std::string_view suffix;
  std::int64_t length;
};

constexpr std::array<unit, 5> units{{
  {"ms", 1},
  {"s", 1'000},
  {"m", 60'000},
  {"h", 3'600'000},
  {"d", 86'400'000},
}};

std::int64_t length_of(std::string_view suffix) noexcept {
  for (auto& candidate : units)
    if (candidate.suffix == suffix)
      return candidate.length;
  return 0;
}

// What people typed is shown to them, but not a page of it.
std::string quoted(std::string_view text) {
  constexpr std::size_t shown = 32;
  auto result = "'" + std::string{text.substr(0, shown)};
  return result + (text.size() > shown ? "...'" : "'");
}

} // namespace

expected<millis> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  auto last = text.data() + text.size();
  auto [end, ec] = std::from_chars(text.data(), last, count);
  auto suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  auto length = suffix.empty() && count == 0 ? 1 : length_of(suffix);
  if (ec == std::errc::invalid_argument || text.starts_with('-') || length == 0)
    return fail_with(errc::invalid_argument,
                     quoted(text)
                       + " is not a duration such as 250ms, 10s, 5m or 2h");
  if (ec != std::errc{} || count > limits::duration.count() / length)
    return fail_with(errc::invalid_argument,
                     quoted(text) + " exceeds the limit of ten years");
  return millis{count * length};
}

std::string format_duration(millis value) {
  if (value <= millis{0})
    return "0ms";
  auto chosen = units[0];
  // Days stay readable input only: what reads our output may know h at most.
  for (std::size_t i = 1; i < units.size() - 1; ++i)
    if (value.count() % units[i].length == 0)
      chosen = units[i];
  return std::to_string(value.count() / chosen.length)
         + std::string{chosen.suffix};
}

} // namespace muster
