#include "runtime/peer_file.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>

using namespace muster;

namespace {

std::vector<known_node> sample() {
  return {{"m", {true, false}, {{"10.0.0.1", 8421}}},
          {"w \"1\"", {false, true}, {{"::1", 1}, {"host", 65'535}}},
          {"both", {true, true}, {}}};
}

} // namespace

TEST_CASE("peers are read as they were written") {
  temp_dir dir;
  CHECK(read_peers(dir.path()).empty());
  REQUIRE(keep_peers(sample(), dir.path()));
  CHECK(read_peers(dir.path()) == sample());
  REQUIRE(keep_peers({}, dir.path()));
  CHECK(read_peers(dir.path()).empty());
}

TEST_CASE("a damaged file of peers is as good as none") {
  temp_dir dir;
  for (auto text :
       {"", "{", "[]", R"({"nodes":1})", R"({"nodes":[{}]})",
        R"({"nodes":[{"name":"","roles":[],"addresses":[]}]})",
        R"({"nodes":[{"name":"a","roles":[],"addresses":["b"]}]})"}) {
    INFO(text);
    CHECK(!parse_peers(text));
    std::ofstream{dir.path() / "peers.json"} << text;
    CHECK(read_peers(dir.path()).empty());
  }
}

TEST_CASE("a node tells the address that it was told to tell, or its own") {
  endpoint own{"127.0.0.1", 8421};
  CHECK(advertised_address({}, own) == own);
  CHECK(advertised_address({"host", 0}, own) == endpoint{"host", 8421});
  CHECK(advertised_address({"host", 99}, own) == endpoint{"host", 99});
  auto every = advertised_address({}, {"0.0.0.0", 8421});
  CHECK(every.host != "0.0.0.0");
  CHECK(!every.host.empty());
  CHECK(every.port == 8421);
}
