#include "runtime/inspection_json.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("workers are listed with what they do") {
  gateway_fixture gate;
  CHECK(gate.json(200, "GET", "/v1/workers").at("workers").empty());
  worker_info worker;
  worker.name = "press \"3\"";
  worker.incarnation = "f00";
  worker.queues = {"a", "b"};
  worker.concurrency = 4;
  worker.running = 2;
  worker.held = 3;
  worker.credit = 1;
  worker.finished = 10;
  worker.failed = 5;
  worker.since = timestamp{1'700'000'000'000ms};
  worker.last_heartbeat = timestamp{1'700'000'001'000ms};
  gate.workers.push_back(worker);
  worker.queues.clear();
  worker.draining = true;
  gate.workers.push_back(worker);
  auto workers = gate.json(200, "GET", "/v1/workers").at("workers");
  REQUIRE(workers.size() == 2);
  auto& first = workers.at(0);
  CHECK(first.at("name") == "press \"3\"");
  CHECK(first.at("queues") == nlohmann::json{"a", "b"});
  CHECK(first.at("state") == "running");
  CHECK(first.at("running") == 2);
  CHECK(first.at("since") == "2023-11-14T22:13:20.000Z");
  CHECK(workers.at(1).at("queues").empty());
  CHECK(workers.at(1).at("state") == "draining");
  gate.problem(400, "invalid_argument", "GET", "/v1/workers?name=x");
}

TEST_CASE("nodes are listed with what is known of them") {
  gateway_fixture gate;
  CHECK(gate.json(200, "GET", "/v1/nodes").at("nodes").empty());
  node_info self;
  self.node = {"m", {true, false}, {{"127.0.0.1", 8421}}};
  self.incarnation = "f00";
  self.state = "self";
  self.load = 0.25;
  self.http = "127.0.0.1:8420";
  gate.nodes.push_back(self);
  node_info other;
  other.node = {"w", {false, true}, {{"::1", 1}, {"host", 2}}};
  other.state = "connected";
  other.last_heard = timestamp{1'700'000'001'000ms};
  other.restarts = 3;
  gate.nodes.push_back(other);
  worker_info worker;
  worker.name = "w";
  worker.running = 2;
  worker.held = 5;
  gate.workers.push_back(worker);
  node_info rumoured;
  rumoured.node = {"x", {false, true}, {}};
  rumoured.state = "known";
  gate.nodes.push_back(rumoured);
  auto nodes = gate.json(200, "GET", "/v1/nodes").at("nodes");
  REQUIRE(nodes.size() == 3);
  for (auto unknown : {"since", "started", "last_heartbeat", "heartbeat_age"})
    CHECK(nodes[2].at(unknown).is_null());
  CHECK(nodes[0].at("state") == "self");
  CHECK(nodes[0].at("roles") == nlohmann::json{"manager"});
  CHECK(nodes[0].at("heartbeat_age") == "0ms");
  CHECK(nodes[0].at("load") == 0.25);
  CHECK(nodes[0].at("held") == 0);
  CHECK(nodes[0].at("http") == "127.0.0.1:8420");
  CHECK(nodes[1].at("http").is_null());
  CHECK(nodes[1].at("addresses") == nlohmann::json{"[::1]:1", "host:2"});
  CHECK(nodes[1].at("roles") == nlohmann::json{"worker"});
  CHECK(nodes[1].at("last_heartbeat") == "2023-11-14T22:13:21.000Z");
  CHECK(nodes[1].at("running") == 2);
  CHECK(nodes[1].at("held") == 5);
  CHECK(nodes[1].at("restarts") == 3);
  gate.problem(400, "invalid_argument", "GET", "/v1/nodes?name=w");
}

TEST_CASE("supervisors are shown as trees") {
  gateway_fixture gate;
  CHECK(gate.json(200, "GET", "/v1/supervisors").at("supervisors").empty());
  supervisor_info top{"node", "node", "rest_for_one", 10, 60s, {}};
  child_info child;
  child.id = "journal";
  child.type = "worker";
  child.state = "waiting";
  child.restarts = 3;
  child.last_error = "the \"disk\" is gone";
  child.since = timestamp{1'700'000'000'000ms};
  top.children.push_back(child);
  child = {"links", "supervisor", "running", 0, "", child.since};
  top.children.push_back(child);
  supervisor_info below{"node/links", "links", "simple_one_for_one", 0, 5s, {}};
  child.id = "link-1";
  child.type = "worker";
  below.children.push_back(child);
  gate.supervisors = {top, below};
  gate.inspected->respond = [&gate](const inspection_call& what) {
    std::string json;
    render(json, gate.supervisors, what.node);
    inspection_answer answer;
    answer.text = what.node == "press" ? json : "[]";
    return answer;
  };
  auto all = gate.json(200, "GET", "/v1/supervisors").at("supervisors");
  REQUIRE(all.size() == 1);
  CHECK(all.at(0).at("path") == "node");
  CHECK(all.at(0).at("node") == "press");
  CHECK(all.at(0).at("strategy") == "rest_for_one");
  CHECK(all.at(0).at("max_restarts") == 10);
  auto& journal = all.at(0).at("children").at(0);
  CHECK(journal.at("state") == "waiting");
  CHECK(journal.at("restarts") == 3);
  CHECK(journal.at("last_error") == "the \"disk\" is gone");
  CHECK(journal.at("since") == "2023-11-14T22:13:20.000Z");
  CHECK(!journal.contains("supervisor"));
  auto& links = all.at(0).at("children").at(1);
  CHECK(links.at("last_error").is_null());
  CHECK(links.at("supervisor").at("children").at(0).at("id") == "link-1");
  gate.problem(400, "invalid_argument", "GET", "/v1/supervisors?id=x");
}

TEST_CASE("a process that answers is alive") {
  gateway_fixture gate;
  gate.serving = false;
  CHECK(gate.json(200, "GET", "/healthz").at("status") == "alive");
}

TEST_CASE("a node is ready while it serves") {
  gateway_fixture gate;
  CHECK(gate.json(200, "GET", "/readyz").at("status") == "serving");
  gate.serving = false;
  gate.problem(503, "unavailable", "GET", "/readyz");
  gate.serving = true;
  CHECK(gate.json(200, "GET", "/readyz").at("status") == "serving");
}

TEST_CASE("without a journal everything is answered that needs none") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.storage->detach()->close();
  for (auto path : {"/v1/jobs/1", "/v1/jobs/1?wait=5m", "/v1/jobs/1/result",
                    "/v1/queues", "/v1/queues/q", "/v1/completed"})
    gate.problem(503, "unavailable", "GET", path);
  for (auto path : {"/v1/queues/q/jobs", "/v1/queues/q/leases",
                    "/v1/leases/1-1/complete", "/v1/leases/1-1/fail",
                    "/v1/leases/1-1/extend", "/v1/leases/1-1/release",
                    "/v1/jobs/1/retry", "/enqueue", "/pullCompleted"})
    gate.problem(503, "unavailable", "POST", path);
  gate.problem(503, "unavailable", "PATCH", "/v1/queues/q", "{}");
  gate.problem(503, "unavailable", "DELETE", "/v1/jobs/1");
  gate.problem(503, "unavailable", "DELETE", "/v1/queues/q/jobs?state=dead");
  gate.json(200, "GET", "/healthz");
  gate.json(200, "GET", "/v1/workers");
  CHECK(gate.send("GET", "/metrics").status == 200);
}

TEST_CASE("a worker's node says that it keeps no queues") {
  gateway_fixture gate;
  gate.storage->detach()->close();
  auto& self = gate.nodes.emplace_back();
  self.node = {"w", {false, true}, {}};
  self.state = "self";
  for (auto path : {"/v1/jobs/1", "/v1/queues", "/v1/completed"})
    CHECK(gate.problem(503, "not_leader", "GET", path)
            .starts_with("This node is a worker"));
  CHECK(gate.problem(503, "not_leader", "POST", "/v1/queues/q/jobs", "x")
          .starts_with("This node is a worker"));
  gate.json(200, "GET", "/v1/workers");
  gate.json(200, "GET", "/readyz");
  self.node.roles.manager = true;
  CHECK(gate.problem(503, "unavailable", "GET", "/v1/queues")
          .starts_with("The manager is not serving"));
}

TEST_CASE("a journal that comes back is served again") {
  gateway_fixture gate;
  auto id = gate.enqueue("q", "kept");
  gate.storage->detach()->close();
  gate.problem(503, "unavailable", "GET", "/v1/jobs/" + id);
  journal_options options;
  options.directory = gate.dir.path();
  options.map_size = std::size_t{1} << 30;
  options.segment_size = std::size_t{1} << 20;
  auto opened = journal::open(options);
  REQUIRE(opened);
  gate.storage->attach(std::move(*opened));
  CHECK(gate.job(id).at("state") == "ready");
  gate.finish("q");
}

TEST_CASE("metrics are the node's and the gateway's own") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.send("GET", "/v1/jobs/99");
  gate.send("FETCH", "/v1/jobs/99");
  gate.send("GET", "/nowhere");
  auto reply = gate.send("GET", "/metrics");
  CHECK(reply.status == 200);
  CHECK(reply.header("Content-Type")
        == "text/plain; version=0.0.4; charset=utf-8");
  auto has = [&reply](const std::string& line) {
    return reply.body.find('\n' + line + '\n') != std::string::npos;
  };
  CHECK(reply.body.starts_with("muster_node_figure 1\n"));
  const std::string total = "muster_http_requests_total";
  CHECK(has(total
            + R"({route="/v1/queues/{queue}/jobs",method="POST",)"
              R"(status="201"} 1)"));
  CHECK(has(total + R"({route="/v1/jobs/{id}",method="GET",status="404"} 1)"));
  CHECK(has(total + R"({route="none",method="other",status="405"} 1)"));
  CHECK(has(total + R"({route="none",method="GET",status="404"} 1)"));
  CHECK(has("muster_http_connections 1"));
}

TEST_CASE("what a client invents makes no metric of its own") {
  gateway_fixture gate;
  for (int i = 0; i < 100; ++i) {
    gate.send("M" + std::to_string(i), "/v1/jobs/1");
    gate.send("GET", "/nowhere/" + std::to_string(i));
  }
  auto text = gate.server->metrics().render();
  CHECK(text.find("M1") == std::string::npos);
  CHECK(text.find("/nowhere") == std::string::npos);
}

TEST_CASE("a bug in one request is answered and the server goes on") {
  gateway_options options = gateway_fixture::local();
  gateway_backend backend;
  backend.journal = std::make_shared<journal_port>();
  backend.workers
    = []() -> std::vector<worker_info> { throw std::runtime_error{"a bug"}; };
  backend.serving = [] { return true; };
  backend.metrics = [] { return std::string{}; };
  auto server = gateway::start(options, std::move(backend));
  REQUIRE(server);
  http_client client{"127.0.0.1", (*server)->port()};
  for (int i = 0; i < 2; ++i) {
    auto reply = client.get("/v1/workers");
    REQUIRE(reply);
    CHECK(reply->status == 500);
    CHECK(reply->header("Content-Type") == "application/problem+json");
  }
  CHECK(client.get("/healthz")->status == 200);
}
