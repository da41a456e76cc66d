#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <memory>

// A manager and workers in processes of their own.

using namespace muster;

namespace {

std::string address_of(const node_process& node) {
  return fmt::format("127.0.0.1:{}", node.facts().node.port);
}

std::unique_ptr<node_process>
start_manager(const temp_dir& home, std::vector<std::string> settings = {}) {
  settings.emplace_back("--roles=manager");
  return std::make_unique<node_process>(home.path(), std::move(settings));
}

std::unique_ptr<node_process>
start_worker(const temp_dir& home, const std::string& name,
             const std::string& join, std::vector<std::string> settings = {}) {
  settings.emplace_back("--roles=worker");
  settings.emplace_back("--name=" + name);
  settings.emplace_back("--join=" + join);
  return std::make_unique<node_process>(home.path(), std::move(settings));
}

nlohmann::json get(node_process& node, std::string_view target) {
  return nlohmann::json::parse(node.send(200, "GET", target).body);
}

bool has_worker(node_process& manager, std::string_view name) {
  auto answer = get(manager, "/v1/workers");
  for (auto& worker : answer.at("workers"))
    if (worker.at("name") == name)
      return true;
  return false;
}

std::string state_of_node(node_process& at, std::string_view name) {
  auto answer = get(at, "/v1/nodes");
  for (auto& node : answer.at("nodes"))
    if (node.at("name") == name)
      return node.at("state");
  return "unknown";
}

nlohmann::json job(node_process& manager, const std::string& id) {
  return get(manager, "/v1/jobs/" + id);
}

} // namespace

TEST_CASE("jobs run on workers of other nodes") {
  temp_dir home;
  temp_dir first_home;
  temp_dir second_home;
  auto manager = start_manager(home);
  auto first = start_worker(first_home, "first", address_of(*manager));
  auto second = start_worker(second_home, "second", address_of(*manager));
  REQUIRE(eventually([&] {
    return has_worker(*manager, "first") && has_worker(*manager, "second");
  }));
  REQUIRE(eventually([&] { // A worker is ready once it has its manager.
    return first->client().get("/readyz")->status == 200;
  }));
  std::vector<std::string> ids;
  for (int i = 0; i < 200; ++i)
    ids.push_back(manager->enqueue("echo", fmt::format("payload {}", i)));
  for (int i = 0; i < 200; ++i) {
    auto reply = manager->send(
      200, "GET", fmt::format("/v1/jobs/{}/result?wait=60s", ids[i]));
    CHECK(reply.body == fmt::format("payload {}", i));
  }
  CHECK(state_of_node(*manager, "first") == "connected");
  CHECK(state_of_node(*first, manager->facts().name) == "connected");
  CHECK(state_of_node(*first, "first") == "self");
  CHECK(first->stop() == exit_status{});
  CHECK(second->stop() == exit_status{});
  CHECK(manager->stop() == exit_status{});
}

TEST_CASE("a worker may be started before its manager") {
  temp_dir home;
  temp_dir worker_home;
  std::string address;
  {
    // A port that was free a moment ago.
    auto manager = start_manager(home);
    address = address_of(*manager);
    manager->stop();
  }
  auto worker = start_worker(worker_home, "early", address);
  CHECK(worker->client().get("/readyz")->status == 503);
  auto port = address.substr(address.rfind(':') + 1);
  auto manager = start_manager(home, {"--node-port=" + port});
  if (address_of(*manager) != address)
    SKIP("somebody else took the port");
  CHECK(eventually([&] { return has_worker(*manager, "early"); }));
}

TEST_CASE("the jobs of a killed worker run elsewhere, with its death as the "
          "reason") {
  temp_dir home;
  temp_dir first_home;
  temp_dir second_home;
  auto manager = start_manager(home);
  auto first = start_worker(first_home, "first", address_of(*manager));
  REQUIRE(eventually([&] { return has_worker(*manager, "first"); }));
  auto id = manager->enqueue("sleep", "1s");
  REQUIRE(
    eventually([&] { return job(*manager, id).at("state") == "leased"; }));
  first->kill();
  auto second = start_worker(second_home, "second", address_of(*manager));
  REQUIRE(eventually([&] { return manager->state_of(id) == "succeeded"; }));
  auto info = job(*manager, id);
  CHECK(info.at("attempt") == 2);
  CHECK(info.at("failures") == 1);
  CHECK(info.at("worker") == "second");
  CHECK(state_of_node(*manager, "first") == "lost");
}

TEST_CASE("a job goes on while its manager is killed and comes back at another "
          "port, and runs once") {
  temp_dir home;
  temp_dir worker_home;
  auto manager = start_manager(home);
  auto worker = start_worker(worker_home, "steady", address_of(*manager));
  REQUIRE(eventually([&] { return has_worker(*manager, "steady"); }));
  auto id = manager->enqueue("sleep", "4s");
  REQUIRE(
    eventually([&] { return job(*manager, id).at("state") == "leased"; }));
  manager->kill();
  CHECK(
    eventually([&] { return worker->client().get("/readyz")->status == 503; }));
  manager = start_manager(home);
  REQUIRE(eventually([&] { return has_worker(*manager, "steady"); }));
  REQUIRE(eventually([&] { return manager->state_of(id) == "succeeded"; }));
  auto info = job(*manager, id);
  CHECK(info.at("attempt") == 1);
  CHECK(info.at("failures") == 0);
}

TEST_CASE(
  "what a worker finished while its manager was away is recorded, though "
  "the worker was killed meanwhile") {
  temp_dir home;
  temp_dir worker_home;
  auto manager = start_manager(home);
  auto worker = start_worker(worker_home, "done", address_of(*manager));
  REQUIRE(eventually([&] { return has_worker(*manager, "done"); }));
  auto id = manager->enqueue("sleep", "1s");
  REQUIRE(
    eventually([&] { return job(*manager, id).at("state") == "leased"; }));
  manager->kill();
  // It finishes and has nobody to tell.
  auto kept = [&] {
    auto metrics = worker->client().get("/metrics");
    return metrics
           && metrics->body.find("\nmuster_worker_outbox_outcomes 1\n")
                != std::string::npos;
  };
  REQUIRE(eventually(kept));
  worker->kill();
  manager = start_manager(home);
  worker = start_worker(worker_home, "done", address_of(*manager));
  REQUIRE(eventually([&] { return manager->state_of(id) == "succeeded"; }));
  auto info = job(*manager, id);
  CHECK(info.at("attempt") == 1);
  CHECK(info.at("failures") == 0);
  CHECK(eventually([&] {
    return worker->client()
             .get("/metrics")
             ->body.find("\nmuster_worker_outbox_outcomes 0\n")
           != std::string::npos;
  }));
}

TEST_CASE("a data directory is a worker's or a manager's, one at a time") {
  temp_dir home;
  temp_dir worker_home;
  auto manager = start_manager(home);
  auto worker = start_worker(worker_home, "first", address_of(*manager));
  auto refused
    = run_program(worker_home.path(),
                  {"node", "--roles=worker", "--join=" + address_of(*manager),
                   "--http-port=0", "--node-port=0"});
  CHECK(refused.status == exit_status{false, 1});
  CHECK(refused.errors.find("another process uses the data directory")
        != std::string::npos);
}

TEST_CASE("a silent worker is given up after the node's time-out, and comes "
          "back when it wakes") {
  temp_dir home;
  temp_dir worker_home;
  auto manager
    = start_manager(home, {"--node-heartbeat=100ms", "--node-timeout=1s"});
  auto worker = start_worker(worker_home, "sleepy", address_of(*manager),
                             {"--node-heartbeat=100ms", "--node-timeout=1s"});
  REQUIRE(eventually([&] { return has_worker(*manager, "sleepy"); }));
  ::kill(worker->child().pid(), SIGSTOP);
  CHECK(
    eventually([&] { return state_of_node(*manager, "sleepy") == "lost"; }));
  CHECK(eventually([&] { return !has_worker(*manager, "sleepy"); }));
  ::kill(worker->child().pid(), SIGCONT);
  CHECK(eventually([&] { return has_worker(*manager, "sleepy"); }));
  auto id = manager->enqueue("echo", "awake");
  CHECK(manager->send(200, "GET", "/v1/jobs/" + id + "/result?wait=60s").body
        == "awake");
}

TEST_CASE("a job goes on while its manager stands still, and runs once") {
  temp_dir home;
  temp_dir worker_home;
  std::vector<std::string> fast{"--node-heartbeat=100ms", "--node-timeout=1s"};
  auto manager = start_manager(home, fast);
  auto worker = start_worker(worker_home, "steady", address_of(*manager), fast);
  REQUIRE(eventually([&] { return has_worker(*manager, "steady"); }));
  auto id = manager->enqueue("sleep", "5s");
  REQUIRE(
    eventually([&] { return job(*manager, id).at("state") == "leased"; }));
  ::kill(manager->child().pid(), SIGSTOP);
  CHECK(eventually(
    [&] { return worker->log().find("is lost") != std::string::npos; }));
  // For longer than a tick of the manager's may be late.
  std::this_thread::sleep_for(std::chrono::seconds{2});
  ::kill(manager->child().pid(), SIGCONT);
  REQUIRE(eventually([&] { return manager->state_of(id) == "succeeded"; }));
  auto info = job(*manager, id);
  CHECK(info.at("attempt") == 1);
  CHECK(info.at("failures") == 0);
}

TEST_CASE("a lease outlasts a time in which its manager stood still") {
  temp_dir home;
  node_process manager{home.path(), {"--roles=manager"}};
  auto id = manager.enqueue("q", "x");
  manager.send(200, "POST", "/v1/queues/q/leases?ttl=2s&worker=me");
  auto before = job(manager, id).at("lease_deadline");
  ::kill(manager.child().pid(), SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds{4});
  ::kill(manager.child().pid(), SIGCONT);
  // Null where the lease has ended.
  CHECK(eventually([&] {
    auto now = job(manager, id).at("lease_deadline");
    return now.is_null() || now > before;
  }));
  CHECK(job(manager, id).at("attempts").at(0).at("outcome") == "running");
  manager.send(200, "POST", "/v1/leases/" + id + "-1/extend");
  manager.send(200, "POST", "/v1/leases/" + id + "-1/complete", "done");
}

TEST_CASE("a second node of the same name is refused with a sentence") {
  temp_dir home;
  temp_dir first_home;
  temp_dir second_home;
  auto manager = start_manager(home, {"--name=same"});
  auto worker = start_worker(second_home, "same", address_of(*manager));
  CHECK(eventually([&] {
    return worker->log().find("another node has the name same already")
           != std::string::npos;
  }));
  CHECK(eventually([&] {
    return manager->log().find("node same is refused") != std::string::npos;
  }));
  CHECK(!has_worker(*manager, "same"));
}

TEST_CASE("a worker that is drained hands back what it has not begun") {
  temp_dir home;
  temp_dir worker_home;
  auto manager = start_manager(home);
  auto worker = start_worker(worker_home, "leaving", address_of(*manager),
                             {"--concurrency=1", "--drain-timeout=10s"});
  REQUIRE(eventually([&] { return has_worker(*manager, "leaving"); }));
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(manager->enqueue("sleep", "500ms"));
  REQUIRE(
    eventually([&] { return manager->state_of(ids.front()) == "leased"; }));
  CHECK(worker->stop() == exit_status{});
  // Nothing is amiss, and nobody looks for it.
  CHECK(state_of_node(*manager, "leaving") == "unknown");
  CHECK(manager->state_of(ids.front()) == "succeeded");
  for (auto& id : ids) {
    auto info = job(*manager, id);
    CHECK(info.at("failures") == 0);
    CHECK((info.at("state") == "ready" || info.at("state") == "succeeded"));
  }
}

TEST_CASE("a worker that is started first leaves its manager the port") {
  temp_dir home;
  temp_dir field;
  auto manager = start_manager(home);
  auto at = address_of(*manager);
  auto own = fmt::format("--node-port={}", manager->facts().node.port);
  CHECK(manager->stop().ok());
  manager.reset();
  auto worker = start_worker(field, "early", at, {own});
  CHECK(address_of(*worker) != at);
  manager = start_manager(home, {own});
  if (address_of(*manager) != at)
    SKIP("somebody else took the port");
  CHECK(eventually([&] { return has_worker(*manager, "early"); }));
  CHECK(worker->stop().ok());
  CHECK(manager->stop().ok());
}
