#include "runtime/logging.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace muster;

namespace {

std::string render(bool json, std::string_view event,
                   const std::vector<logger::field>& with = {}) {
  return logger::render(json, "T", log_level::info, event, with);
}

} // namespace

TEST_CASE("log levels are read by name") {
  CHECK(parse_log_level("debug") == log_level::debug);
  CHECK(parse_log_level("info") == log_level::info);
  CHECK(parse_log_level("warning") == log_level::warning);
  CHECK(parse_log_level("error") == log_level::error);
  CHECK(!parse_log_level("Error"));
  CHECK(!parse_log_level(""));
}

TEST_CASE("a line of text has time, level, event and fields") {
  CHECK(render(false, "started") == "T info    started");
  CHECK(render(false, "started", {{"a", "1"}, {"b", "two words"}, {"c", ""}})
        == R"(T info    started a=1 b="two words" c="")");
  CHECK(logger::render(false, "T", log_level::warning, "x", {})
        == "T warning x");
}

TEST_CASE("nothing that is logged makes a second line or rules the terminal") {
  auto text
    = render(false, "bad\nnews\x1b[2J\x7f", {{"from", "a\nb\"c\"\\\x1b"}});
  for (auto c : text) {
    CHECK(static_cast<unsigned char>(c) >= 0x20);
    CHECK(c != 0x7f);
  }
}

TEST_CASE("a line of JSON reads back") {
  auto line = render(true, "a \"quoted\" event\n", {{"key", "va\\lue\t"}});
  CHECK(line.find('\n') == std::string::npos);
  auto json = nlohmann::json::parse(line);
  CHECK(json["ts"] == "T");
  CHECK(json["level"] == "info");
  CHECK(json["event"] == "a \"quoted\" event\n");
  CHECK(json["key"] == "va\\lue\t");
}
