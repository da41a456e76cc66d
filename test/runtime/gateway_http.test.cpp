#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <future>
#include <set>
#include <string>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

const std::string put_x = "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
                          "Content-Length: 1\r\n\r\nx";

} // namespace

TEST_CASE("requests in one packet are answered in order") {
  gateway_fixture g;
  raw_connection c{g.port()};
  REQUIRE(
    c.send(put_x + put_x + "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + put_x));
  for (auto [status, id] :
       {std::pair{201, "\"1\""}, {201, "\"2\""}, {404, ""}, {201, "\"3\""}}) {
    auto reply = c.reply();
    REQUIRE(reply);
    CHECK(reply->status == status);
    CHECK(reply->body.find(id) != std::string::npos);
  }
}

TEST_CASE("a request may come byte by byte") {
  gateway_fixture g;
  raw_connection c{g.port()};
  REQUIRE(c.trickle(put_x));
  auto reply = c.reply();
  REQUIRE(reply);
  CHECK(reply->status == 201);
}

TEST_CASE("a body may be chunked") {
  gateway_fixture g;
  raw_connection c{g.port()};
  REQUIRE(c.send(
    "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  auto reply = c.reply();
  REQUIRE(reply);
  CHECK(reply->status == 201);
  CHECK(g.lease("q").at("payload_base64") == "YWJjZGU=");
}

TEST_CASE("what is too large is refused, and the server goes on") {
  auto options = gateway_fixture::local();
  options.max_payload = 1'000;
  gateway_fixture g{options};
  raw_connection c{g.port()};
  auto status = 413;
  SECTION("a payload by its announced length") {
    c.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
           "Content-Length: 1001\r\n\r\n");
  }
  SECTION("a payload in chunks") {
    c.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
           "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"
           + std::string(2'000, 'x') + "\r\n0\r\n\r\n");
    c.end_sending();
  }
  SECTION("a header") {
    c.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(40'000, 'x')
           + "\r\n\r\n");
    c.end_sending();
    status = 431;
  }
  auto reply = c.reply();
  REQUIRE(reply);
  CHECK(reply->status == status);
  g.json(200, "GET", "/healthz");
}

TEST_CASE("what is not HTTP is refused, and the server goes on") {
  gateway_fixture g;
  for (auto text : {"\x16\x03\x01 hello\r\n\r\n", "GET\r\n\r\n",
                    "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: many\r\n\r\n",
                    "GET /healthz HTTP/1.1\r\n\r\n"}) {
    raw_connection c{g.port()};
    c.send(text);
    c.end_sending();
    auto reply = c.reply();
    REQUIRE(reply);
    CHECK(reply->status == 400);
  }
  g.json(200, "GET", "/healthz");
}

TEST_CASE("a request that does not arrive is given up") {
  auto options = gateway_fixture::local();
  options.request_timeout = 1s;
  gateway_fixture g{options};
  raw_connection c{g.port()};
  REQUIRE(c.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHo"));
  auto reply = c.reply();
  REQUIRE(reply);
  CHECK(reply->status == 408);
}

TEST_CASE("a connection without requests is closed after its time") {
  auto options = gateway_fixture::local();
  options.idle_timeout = 1s;
  gateway_fixture g{options};
  raw_connection c{g.port()};
  CHECK(c.ended());
}

TEST_CASE("a draining gateway ends a connection with its next answer") {
  gateway_fixture g;
  auto token = [&g] {
    g.enqueue("q", "x");
    return g.lease("q").at("token").get<std::string>();
  }();
  raw_connection c{g.port()};
  REQUIRE(
    c.send("POST /v1/leases/" + token
           + "/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"));
  g.json(200, "GET", "/healthz");
  g.server->drain();
  REQUIRE(c.send("done"));
  auto reply = c.reply();
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(c.ended());
}

TEST_CASE("several threads serve as one does") {
  auto options = gateway_fixture::local();
  options.threads = 3;
  gateway_fixture g{options};
  std::vector<std::future<std::set<std::string>>> clients;
  for (int i = 0; i < 6; ++i)
    clients.push_back(std::async(std::launch::async, [&g] {
      http_client client{"127.0.0.1", g.port()};
      std::set<std::string> ids;
      for (int k = 0; k < 50; ++k)
        if (auto reply = client.post("/v1/queues/q/jobs", "x");
            reply && reply->status == 201)
          ids.insert(nlohmann::json::parse(reply->body).at("id"));
      return ids;
    }));
  std::set<std::string> all;
  for (auto& each : clients)
    all.merge(each.get());
  CHECK(all.size() == 300);
}

TEST_CASE("an occupied port gives way to the next, unless it must not") {
  gateway_fixture g;
  auto options = gateway_fixture::local();
  options.port = g.port();
  gateway_backend backend;
  backend.journal = g.storage;
  backend.workers = [] { return std::vector<worker_info>{}; };
  backend.nodes = [] { return std::vector<node_info>{}; };
  backend.serving = [] { return true; };
  backend.metrics = [] { return std::string{}; };
  auto next = gateway::start(options, backend);
  REQUIRE(next);
  CHECK((*next)->port() != g.port());
  options.strict_port = true;
  auto refused = gateway::start(options, backend);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::io_error);
  options.address = "not an address";
  CHECK_FALSE(gateway::start(options, backend));
}
