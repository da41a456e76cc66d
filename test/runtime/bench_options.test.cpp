#include "runtime/bench_options.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;

namespace {

using names = std::vector<std::string>;

expected<bench_request> read(std::vector<const char*> words) {
  return read_bench_request(words);
}

std::string problem_with(std::vector<const char*> words) {
  auto result = read(std::move(words));
  return result ? "none" : result.error().message;
}

} // namespace

TEST_CASE("a benchmark runs the usual scenarios, or those that it is asked "
          "for") {
  CHECK(read({})->scenarios
        == names{"alone", "enqueue", "batch", "drain", "e2e"});
  CHECK(read({"--deep=1000"})->scenarios
        == names{"alone", "enqueue", "batch", "drain", "e2e", "deep"});
  CHECK(read({"--remote"})->scenarios == names{"remote"});
  CHECK(read({"--only=e2e, alone"})->scenarios == names{"alone", "e2e"});
  CHECK(read({"--only=drain", "--remote"})->scenarios
        == names{"drain", "remote"});
}

TEST_CASE("a benchmark measures private nodes or the one that it is told") {
  CHECK(!read({})->target);
  auto target = read({"--http=[::1]:8420", "--pid=7"})->target;
  REQUIRE(target);
  CHECK(target->host == "::1");
  CHECK(target->port == 8420);
  CHECK(target->pid == 7);
  CHECK(problem_with({"--http=nonsense"})
        == "http: 'nonsense' is not HOST:PORT");
  for (auto scenario : {"--remote", "--only=deep", "--deep=1"})
    CHECK(problem_with({scenario, "--http=127.0.0.1:8420"})
            .find("private nodes only")
          != std::string::npos);
}

TEST_CASE("sizes of a benchmark are checked") {
  auto sizes
    = read({"--seconds=2", "--payload=64", "--connections=1,2"})->sizes;
  CHECK(sizes.window == millis{2'000});
  CHECK(sizes.payload == 64);
  CHECK(sizes.enqueue_connections == std::vector<std::size_t>{1, 2});
  CHECK(read({"--quick"})->sizes.drain_jobs < bench_sizes{}.drain_jobs);
  CHECK(problem_with({"--seconds=0"}) == "seconds must be 0.1 to 3600");
  CHECK(problem_with({"--seconds=x"})
        == "seconds must be a number, and 'x' is "
           "not");
  CHECK(problem_with({"--payload=31"}) == "payload must be 32 to 65535 bytes");
  CHECK(problem_with({"--connections=1,x"})
        == "connections: 'x' is not 1 to 10000");
  CHECK(problem_with({"--only=rest"}).find("'rest' is none of")
        != std::string::npos);
  CHECK(problem_with({"more"}) == "unexpected argument 'more'");
}
