#include "node_process.hpp"
#include "slow_link.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

// Large payloads and results between nodes.

using namespace muster;

TEST_CASE("16 MiB of payload and of result pass a slow link, and heartbeats "
          "pass between them") {
  temp_dir home;
  temp_dir worker_home;
  node_process manager{home.path(), {"--roles=manager"}};
  // Four seconds each way: twice as long as a lease lasts unless it is
  // extended.
  slow_link link{manager.facts().node.port, std::size_t{4} << 20};
  node_process worker{worker_home.path(),
                      {"--roles=worker", "--name=far", "--concurrency=2",
                       fmt::format("--join=127.0.0.1:{}", link.port()),
                       "--lease-ttl=2s", "--heartbeat=500ms"}};
  auto beside = manager.enqueue("sleep", "1m");
  REQUIRE(eventually([&] { return manager.state_of(beside) == "leased"; }));
  std::string payload(std::size_t{16} << 20, 'x');
  for (std::size_t i = 0; i < payload.size(); i += 4'096)
    payload[i] = static_cast<char>('a' + i / 4'096 % 26);
  auto id = manager.enqueue("echo", payload);
  REQUIRE(eventually([&] { return manager.state_of(id) == "succeeded"; }));
  auto reply = manager.send(200, "GET", "/v1/jobs/" + id + "/result");
  CHECK((reply.body == payload));
  for (auto& each : {id, beside}) {
    auto info = nlohmann::json::parse(
      manager.send(200, "GET", "/v1/jobs/" + each).body);
    CHECK(info.at("attempt") == 1);
    CHECK(info.at("failures") == 0);
  }
}
