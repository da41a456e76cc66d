#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <string>

// Nodes of a cluster that have nothing to do.

using namespace muster;

namespace {

/// When `at` heard last of a node, as text that grows with time; empty if it
/// does not know it.
std::string last_heard(node_process& at, const std::string& name) {
  auto answer = nlohmann::json::parse(at.send(200, "GET", "/v1/nodes").body);
  for (auto& node : answer.at("nodes"))
    if (node.at("name") == name && node.at("state") == "connected")
      return node.at("last_heartbeat").get<std::string>();
  return {};
}

} // namespace

TEST_CASE("nodes that have nothing to do go on hearing of each other") {
  temp_dir home;
  temp_dir worker_home;
  node_process manager{home.path(), {"--roles=manager"}};
  auto port = std::to_string(manager.facts().node.port);
  node_process worker{
    worker_home.path(),
    {"--roles=worker", "--name=idle", "--join=127.0.0.1:" + port}};
  auto& boss = manager.facts().name;
  REQUIRE(eventually([&] {
    return !last_heard(manager, "idle").empty()
           && !last_heard(worker, boss).empty();
  }));
  for (int i = 0; i < 2; ++i) {
    auto at_manager = last_heard(manager, "idle");
    auto at_worker = last_heard(worker, boss);
    CHECK(eventually([&] { return last_heard(manager, "idle") > at_manager; }));
    CHECK(eventually([&] { return last_heard(worker, boss) > at_worker; }));
  }
}
