#include "node_process.hpp"
#include "runtime/http_address.hpp"
#include "runtime/logging.hpp"

#include "actors/local_node.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <csignal>

// A manager looks into a worker on another node, whatever state that is in.

using namespace muster;
using nlohmann::json;

namespace {

struct two_nodes {
  two_nodes()
    : manager(home.path(), {"--roles=manager", "--name=press"}),
      worker(worker_home.path(),
             {"--roles=worker", "--name=far",
              fmt::format("--join=127.0.0.1:{}", manager.facts().node.port)}) {
    REQUIRE(eventually([this] { return actor("far", "node/worker"); }));
  }

  json get(std::string_view target, int status = 200) {
    return json::parse(manager.send(status, "GET", target).body);
  }

  json node(std::string_view name) {
    auto answer = get("/v1/nodes").at("nodes");
    for (auto& each : answer)
      if (each.at("name") == name)
        return each;
    return json::object();
  }

  std::string part(std::string_view name) {
    auto answer = get("/v1/actors").at("nodes");
    for (auto& each : answer)
      if (each.at("name") == name)
        return each.at("state");
    return "none";
  }

  /// Whether the actor is listed, and not down.
  bool actor(std::string_view node, std::string_view name) {
    auto answer = get("/v1/actors").at("actors");
    for (auto& each : answer)
      if (each.at("node") == node && each.at("name") == name)
        return each.at("state") != "down";
    return false;
  }

  temp_dir home;
  temp_dir worker_home;
  node_process manager;
  node_process worker;
};

} // namespace

TEST_CASE("a node shows, and controls, the actors of others") {
  two_nodes nodes;
  for (auto name : {"node", "node/journal", "node/manager", "node/cluster",
                    "node/inspector", "node/gateway"})
    CHECK(nodes.actor("press", name));
  auto far = nodes.get("/v1/actors/node%2Fworker?node=far");
  CHECK(far.at("supervisor") == "node");
  auto state = nodes.get("/v1/actors/node%2Finspector/state?node=far");
  CHECK(state.at("state").is_object());
  auto trees = nodes.get("/v1/supervisors").at("supervisors");
  CHECK(trees.size() == 2);
  CHECK(nodes.get("/v1/supervisors?node=far").at("supervisors").at(0).at("node")
        == "far");
  nodes.manager.send(200, "POST", "/v1/actors/node%2Fworker/restart?node=far");
  auto after = nodes.get("/v1/actors/node%2Fworker?node=far");
  CHECK(after.at("id") != far.at("id"));
  nodes.manager.send(200, "POST", "/v1/actors/node%2Fworker/kill?node=far");
  CHECK(eventually([&] {
    return nodes.actor("far", "node/worker")
           && nodes.get("/v1/actors/node%2Fworker?node=far").at("id")
                != after.at("id");
  }));
  CHECK(nodes.manager.send(404, "GET", "/v1/actors/none?node=far").status
        == 404);
  auto id = nodes.manager.enqueue("echo", "still here");
  CHECK(nodes.manager
          .send(200, "GET", fmt::format("/v1/jobs/{}/result?wait=60s", id))
          .body
        == "still here");
}

TEST_CASE("a node that stands still is said to, and holds nobody up") {
  two_nodes nodes;
  ::kill(nodes.worker.child().pid(), SIGSTOP);
  // Its last answer may be under way yet.
  CHECK(eventually([&] { return nodes.part("far") == "unresponsive"; }));
  CHECK(nodes.part("press") == "ok");
  CHECK(nodes.actor("press", "node/manager"));
  // Later it counts as lost.
  auto reply
    = nodes.manager.client().get("/v1/actors/node%2Fworker/state?node=far");
  REQUIRE(reply);
  CHECK((reply->status == 504 || reply->status == 503));
  ::kill(nodes.worker.child().pid(), SIGCONT);
  CHECK(eventually([&] { return nodes.part("far") == "ok"; }));
  nodes.worker.kill();
  CHECK(eventually([&] { return nodes.part("far") == "lost"; }));
  nodes.manager.send(503, "GET", "/v1/log?node=far");
  nodes.manager.send(404, "GET", "/v1/log?node=unknown");
}

TEST_CASE("messages and the log of another node can be followed") {
  two_nodes nodes;
  auto begun = json::parse(nodes.manager
                             .send(201, "POST",
                                   "/v1/actors/node%2Fworker/traces?node=far",
                                   R"({"limit":1000,"for":"1m"})")
                             .body);
  auto id = begun.at("id").get<std::string>();
  nodes.manager.enqueue("echo", std::string(100'000, 'x'));
  bool seen = false;
  CHECK(eventually([&] {
    auto events = nodes.get("/v1/traces/" + id + "?wait=1s").at("events");
    for (auto& event : events) {
      auto text = event.at("message").get<std::string>();
      CHECK(text.size() <= 200);
      seen = seen || text.find("lease_batch") != std::string::npos;
    }
    return seen;
  }));
  nodes.manager.send(200, "DELETE", "/v1/traces/" + id);
  auto before = nodes.get("/v1/log?node=far");
  CHECK(!before.at("lines").empty());
  auto next = before.at("next").dump();
  nodes.manager.send(200, "POST", "/v1/actors/node%2Fworker/kill?node=far");
  auto news
    = nodes.get("/v1/log?node=far&wait=30s&level=warning&after=" + next);
  CHECK(!news.at("lines").empty());
  nodes.manager.send(200, "PUT", "/v1/log?node=far", R"({"level":"error"})");
  CHECK(nodes.get("/v1/log?node=far").at("level") == "error");
}

TEST_CASE("a node tells where its HTTP is") {
  two_nodes nodes;
  register_message_types();
  auto& facts = nodes.worker.facts();
  CHECK(nodes.node("press").at("http")
        == to_string(nodes.manager.facts().http));
  CHECK(eventually(
    [&] { return nodes.node("far").at("http") == to_string(facts.http); }));
  auto found = http_address_of({"127.0.0.1", facts.node.port});
  REQUIRE(found);
  CHECK(*found == facts.http);
  auto nobody = http_address_of({"127.0.0.1", facts.http.port});
  CHECK(!nobody);
}

TEST_CASE("a node is drained from afar") {
  two_nodes nodes;
  nodes.manager.send(202, "POST", "/v1/nodes/far/drain");
  CHECK(nodes.worker.child().wait(patience) == exit_status{});
  CHECK(eventually([&] { return nodes.part("far") == "none"; }));
}
