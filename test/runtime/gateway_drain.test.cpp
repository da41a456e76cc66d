#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

std::string request(const std::string& method, const std::string& target) {
  return method + ' ' + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

/// Sends a request and returns when the gateway has it.
raw_connection ask(gateway_fixture& gate, const std::string& method,
                   const std::string& target) {
  auto before = gate.metric("muster_http_received_bytes_total");
  auto bytes = request(method, target);
  raw_connection client{gate.port()};
  REQUIRE(client.send(bytes));
  gate.await_metric("muster_http_received_bytes_total", before + bytes.size());
  return client;
}

} // namespace

TEST_CASE("while draining no new work is taken and old work goes on") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.enqueue("q");
  auto lease = gate.lease("q");
  gate.server->drain();
  gate.problem(503, "shutting_down", "POST", "/v1/queues/q/jobs", "x");
  gate.problem(503, "shutting_down", "POST", "/v1/queues/q/jobs/batch",
               "{\"payload\":\"\"}",
               {{"Content-Type", "application/x-ndjson"}});
  gate.problem(503, "shutting_down", "PUT", "/enqueue", "x");
  gate.problem(503, "shutting_down", "POST", "/v1/queues/q/leases");
  gate.problem(503, "shutting_down", "POST", "/v1/queues/q/leases?wait=5m");
  gate.problem(503, "shutting_down", "GET", "/readyz");
  gate.json(200, "GET", "/healthz");
  CHECK(gate.job("1").at("state") == "leased");
  auto path = "/v1/leases/" + lease.at("token").get<std::string>();
  gate.json(200, "POST", path + "/extend");
  gate.json(200, "POST", path + "/complete", "result");
  CHECK(gate.job("1").at("state") == "succeeded");
}

TEST_CASE("draining answers those who wait") {
  gateway_fixture gate;
  gate.enqueue("q");
  auto job = ask(gate, "GET", "/v1/jobs/1?wait=5m");
  auto leases = ask(gate, "POST", "/v1/queues/empty/leases?wait=5m");
  gate.server->drain();
  auto reply = job.reply();
  REQUIRE(reply);
  CHECK(nlohmann::json::parse(reply->body).at("state") == "ready");
  CHECK(reply->header("Connection") == "close");
  reply = leases.reply();
  REQUIRE(reply);
  CHECK(nlohmann::json::parse(reply->body).at("leases").empty());
  CHECK(job.ended());
  CHECK(leases.ended());
  // Whoever asks to wait now does not.
  CHECK(gate.json(200, "GET", "/v1/jobs/1?wait=5m").at("state") == "ready");
}

TEST_CASE("while draining connections end with their next answer") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send(request("GET", "/healthz")));
  CHECK(!client.reply()->header("Connection"));
  gate.server->drain();
  REQUIRE(client.send(request("GET", "/healthz")));
  CHECK(client.reply()->header("Connection") == "close");
  CHECK(client.ended());
}

TEST_CASE("a stop ends all connections and frees the port") {
  gateway_fixture gate;
  gate.enqueue("q");
  raw_connection idle{gate.port()};
  auto waiting = ask(gate, "GET", "/v1/jobs/1?wait=5m");
  auto port = gate.port();
  gate.server->stop();
  CHECK(waiting.reply());
  CHECK(waiting.ended());
  CHECK(idle.ended());
  CHECK_THROWS(raw_connection{port});
  gate.server->stop();
}

TEST_CASE("a stop does not wait for a client that sends half a request") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send("GET /healthz HT"));
  gate.await_metric("muster_http_received_bytes_total", 15);
  gate.server->stop(10ms);
  CHECK(client.ended());
}

TEST_CASE("an answer that comes after the end is dropped") {
  // Nobody answers these waits before the server is gone.
  gateway_fixture gate;
  gate.enqueue("q");
  std::vector<raw_connection> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(ask(gate, "GET", "/v1/jobs/1?wait=5m"));
    clients.push_back(ask(gate, "POST", "/v1/queues/none/leases?wait=5m"));
  }
  gate.server->stop(0ms);
  gate.server.reset();
  for (auto& client : clients)
    client.close();
}
