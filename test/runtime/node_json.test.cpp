#include "runtime/node_json.hpp"
#include "runtime/node_access.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iterator>
#include <string>

using namespace muster;

namespace {

node_facts sample() {
  return {"a \"node\"",        4711,           "abc", {"manager", "worker"},
          {"127.0.0.1", 8420}, {"::1", 65'535}};
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

TEST_CASE("a node's facts read back as they were written") {
  auto text = to_json(sample());
  CHECK(text.ends_with("}\n"));
  CHECK(parse_node_json(text) == sample());
  auto bare = sample();
  bare.roles.clear();
  CHECK(parse_node_json(to_json(bare)) == bare);
}

TEST_CASE("what is no node.json is refused") {
  auto good = to_json(sample());
  for (auto text : {std::string{}, std::string{"{}"}, std::string{"[]"},
                    std::string{"null"}, good.substr(0, good.size() / 2),
                    std::string{R"({"name":1})"}}) {
    INFO(text);
    auto result = parse_node_json(text);
    REQUIRE(!result);
    CHECK(result.error().code == errc::malformed);
  }
}

TEST_CASE("the ready line names both ports and the roles") {
  CHECK(ready_line(sample())
        == "muster node a \"node\" ready http=127.0.0.1:8420 "
           "node=[::1]:65535 roles=manager,worker");
}

TEST_CASE("node.json is read from the data directory") {
  temp_dir dir;
  auto missing = read_node_json(dir.path());
  REQUIRE(!missing);
  CHECK(missing.error().code == errc::io_error);
  REQUIRE(replace_file(dir.path() / "node.json", to_json(sample())));
  CHECK(read_node_json(dir.path()) == sample());
}

TEST_CASE("a file is replaced whole, and nothing else is left behind") {
  temp_dir dir;
  auto file = dir.path() / "file";
  REQUIRE(replace_file(file, "a longer content"));
  REQUIRE(replace_file(file, "short"));
  CHECK(content_of(file) == "short");
  auto entries = std::filesystem::directory_iterator{dir.path()};
  CHECK(std::distance(begin(entries), end(entries)) == 1);
  auto refused = replace_file(dir.path() / "no" / "file", "x");
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::io_error);
}

TEST_CASE("commands reach a node that listens everywhere by loopback") {
  node_facts facts;
  auto reached = [&facts](const std::string& host) {
    facts.http = {host, 8420};
    auto access = node_access_options{}.resolve_for(facts);
    return access ? to_string(access->at) : access.error().message;
  };
  CHECK(reached("0.0.0.0") == "127.0.0.1:8420");
  CHECK(reached("::") == "[::1]:8420");
  CHECK(reached("10.0.0.1") == "10.0.0.1:8420");
}
