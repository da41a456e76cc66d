#include "persistence/duration.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <string>
#include <utility>

using muster::errc;
using muster::format_duration;
using muster::millis;
using muster::parse_duration;

TEST_CASE("a duration is a number with a unit") {
  auto [text, value]
    = GENERATE(table<std::string, std::int64_t>({{"0", 0},
                                                 {"0s", 0},
                                                 {"250ms", 250},
                                                 {"10s", 10'000},
                                                 {"5m", 300'000},
                                                 {"2h", 7'200'000},
                                                 {"1d", 86'400'000},
                                                 {"007s", 7'000},
                                                 {"3653d", 315'619'200'000}}));
  CAPTURE(text);
  CHECK(parse_duration(text) == millis{value});
}

TEST_CASE("anything else is no duration and says so") {
  auto text
    = GENERATE(as<std::string>{}, "", "s", "10", "-1s", "-0", "+1s", "1.5s",
               " 1s", "1s ", "1 s", "1S", "1h30m", "1w", "0x1s", "3654d",
               "87673h", "9223372036854775807d", "99999999999999999999s");
  CAPTURE(text);
  auto result = parse_duration(text);
  REQUIRE(!result);
  CHECK(result.error().code == errc::invalid_argument);
  CHECK(result.error().message.starts_with("'" + text + "' "));
}

TEST_CASE("a long text is cut where it is shown") {
  auto result = parse_duration(std::string(10'000, 'x'));
  REQUIRE(!result);
  CHECK(result.error().message.size() < 120);
}

TEST_CASE("a formatted duration reads back as itself") {
  auto value
    = GENERATE(as<std::int64_t>{}, 0, 1, 250, 999, 1'000, 1'001, 59'000, 60'000,
               90'000, 3'600'000, 86'400'000, 100'800'000, 315'619'200'000);
  CAPTURE(value);
  CHECK(parse_duration(format_duration(millis{value})) == millis{value});
}

TEST_CASE("a duration is formatted in the largest unit up to hours") {
  CHECK(format_duration(millis{0}) == "0ms");
  CHECK(format_duration(millis{-5}) == "0ms");
  CHECK(format_duration(millis{250}) == "250ms");
  CHECK(format_duration(millis{90'000}) == "90s");
  CHECK(format_duration(millis{300'000}) == "5m");
  CHECK(format_duration(millis{86'400'000}) == "24h");
}
