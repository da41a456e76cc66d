#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <arpa/inet.h>
#include <string>
#include <sys/socket.h>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

const std::string start = "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n";

gateway_options small() {
  auto options = gateway_fixture::local();
  options.max_header = 1'024;
  options.max_payload = 1'000;
  options.max_result = 1'000;
  options.max_batch_body = 2'000;
  return options;
}

/// The status that a request is refused with, and then the connection ends.
int refusal(raw_connection& client) {
  auto reply = client.reply();
  REQUIRE(reply);
  CHECK(reply->header("Content-Type") == "application/problem+json");
  CHECK(reply->header("Connection") == "close");
  CHECK(client.ended());
  return reply->status;
}

/// Sends pieces until the server has had enough.
void send_without_end(raw_connection& client, const std::string& piece) {
  for (int i = 0; i < 100'000 && client.send(piece); ++i)
    continue;
}

} // namespace

// -- memory -------------------------------------------------------------------

TEST_CASE(
  "all bodies together have a limit, and what fits again is taken again") {
  auto options = small();
  options.max_bodies = 2'500;
  gateway_fixture gate{options};
  auto head = [](std::size_t size) {
    return start + "Content-Length: " + std::to_string(size) + "\r\n\r\n";
  };
  raw_connection first{gate.port()};
  raw_connection second{gate.port()};
  raw_connection third{gate.port()};
  REQUIRE(first.send(head(1'000) + std::string(990, 'x')));
  REQUIRE(second.send(head(1'000) + std::string(990, 'x')));
  // Theirs may not have been read yet: each of the three may be the one.
  std::string whole = head(1'000) + std::string(1'000, 'x');
  int refused = 0;
  for (int tries = 0; refused == 0 && tries < 1'000; ++tries) {
    raw_connection other{gate.port()};
    REQUIRE(other.send(whole));
    auto reply = other.reply();
    REQUIRE(reply);
    CHECK((reply->status == 201 || reply->status == 503));
    refused += reply->status == 503;
  }
  CHECK(refused == 1);
  REQUIRE(first.send(std::string(10, 'x')));
  REQUIRE(second.send(std::string(10, 'x')));
  CHECK(first.reply()->status == 201);
  CHECK(second.reply()->status == 201);
  REQUIRE(third.send(whole));
  CHECK(third.reply()->status == 201);
}

// -- sizes --------------------------------------------------------------------

TEST_CASE("a header has a limit, however it comes") {
  gateway_fixture gate{small()};
  const auto field = "X-Filler: " + std::string(100, 'x') + "\r\n";
  SECTION("as one packet") {
    raw_connection client{gate.port()};
    std::string request = start;
    while (request.size() <= 1'024)
      request += field;
    REQUIRE(client.send(request + "\r\n"));
    CHECK(refusal(client) == 431);
  }
  SECTION("as one long line") {
    raw_connection client{gate.port()};
    REQUIRE(client.send("GET /" + std::string(2'000, 'x')));
    CHECK(refusal(client) == 431);
  }
  SECTION("as fields that come one by one") {
    raw_connection client{gate.port()};
    client.send(start);
    auto received = gate.metric("muster_http_received_bytes_total");
    for (int i = 0; i < 12; ++i) {
      client.send(field);
      await_true([&] {
        auto now = gate.metric("muster_http_received_bytes_total");
        return now > std::exchange(received, now)
               || gate.metric("muster_http_requests_total{route=\"none\","
                              "method=\"none\",status=\"431\"}")
                    == 1;
      });
    }
    CHECK(refusal(client) == 431);
  }
  SECTION("and just below it all is well") {
    raw_connection client{gate.port()};
    auto request = "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "s;
    request += std::string(1'024 - request.size() - 4, 'x') + "\r\n\r\n";
    REQUIRE(client.send(request));
    auto reply = client.reply();
    REQUIRE(reply);
    CHECK(reply->status == 200);
  }
}

TEST_CASE("a body has a limit, however it comes") {
  gateway_fixture gate{small()};
  const std::string chunked = start + "Transfer-Encoding: chunked\r\n\r\n";
  SECTION("with its length") {
    raw_connection client{gate.port()};
    REQUIRE(client.send(start + "Content-Length: 1001\r\n\r\n"));
    CHECK(refusal(client) == 413);
  }
  SECTION("with a length beyond all routes' limits") {
    raw_connection client{gate.port()};
    REQUIRE(
      client.send(start + "Content-Length: 18446744073709551615\r\n\r\n"));
    CHECK(refusal(client) == 413);
  }
  SECTION("as one chunk") {
    raw_connection client{gate.port()};
    REQUIRE(client.send(chunked + "3e9\r\n"));
    CHECK(refusal(client) == 413);
  }
  SECTION("as many chunks") {
    raw_connection client{gate.port()};
    REQUIRE(client.send(chunked));
    for (int i = 0; i < 101; ++i)
      REQUIRE(client.send("a\r\n0123456789\r\n"));
    CHECK(refusal(client) == 413);
  }
  SECTION("as a chunk header without end") {
    raw_connection client{gate.port()};
    REQUIRE(client.send(chunked + "a;x="));
    send_without_end(client, std::string(1'000, 'x'));
  }
  SECTION("as a trailer without end") {
    raw_connection client{gate.port()};
    REQUIRE(client.send(chunked + "0\r\n"));
    send_without_end(client, "X: " + std::string(1'000, 'x') + "\r\n");
  }
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/q");
  gate.await_metric("muster_http_connections", 1);
}

TEST_CASE("a refused body is read so that the client sees the refusal") {
  gateway_fixture gate{small()};
  for (int i = 0; i < 5; ++i) {
    auto reply = gate.send("POST", "/v1/queues/q/jobs",
                           std::string(std::size_t{8} << 20, 'x'));
    CHECK(reply.status == 413);
  }
}

TEST_CASE("connections have a limit") {
  auto options = gateway_fixture::local();
  options.max_connections = 2;
  gateway_fixture gate{options};
  gate.json(200, "GET", "/healthz");
  raw_connection second{gate.port()};
  gate.await_metric("muster_http_connections", 2);
  {
    raw_connection third{gate.port()};
    auto reply = third.reply();
    REQUIRE(reply);
    CHECK(reply->status == 503);
    CHECK(reply->header("Retry-After") == "1");
    CHECK(nlohmann::json::parse(reply->body).at("status") == 503);
    CHECK(third.ended());
  }
  second.close();
  gate.await_metric("muster_http_connections", 1);
  raw_connection fourth{gate.port()};
  REQUIRE(fourth.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(fourth.reply()->status == 200);
}

// -- time ---------------------------------------------------------------------

TEST_CASE("a request that does not arrive in time is refused") {
  auto options = gateway_fixture::local();
  options.request_timeout = 1s;
  gateway_fixture gate{options};
  for (auto text : {"G"s, start, start + "Content-Length: 10\r\n\r\nhal",
                    start + "Transfer-Encoding: chunked\r\n\r\n5\r\nhal"}) {
    INFO(text);
    raw_connection client{gate.port()};
    REQUIRE(client.send(text));
    CHECK(refusal(client) == 408);
  }
}

TEST_CASE("a connection without a request is closed after a while") {
  auto options = gateway_fixture::local();
  options.idle_timeout = 1s;
  gateway_fixture gate{options};
  raw_connection fresh{gate.port()};
  raw_connection used{gate.port()};
  REQUIRE(used.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(used.reply()->status == 200);
  CHECK(fresh.ended());
  CHECK(used.ended());
}

TEST_CASE("a client that does not take its answer is given up") {
  auto options = gateway_fixture::local();
  options.request_timeout = 1s;
  gateway_fixture gate{options};
  gate.enqueue("q");
  gate.finish("q", std::string(std::size_t{14} << 20, 'x'));
  raw_connection client{gate.port()};
  // The socket's buffers take some of it. A result of 14 MiB may take a quarter
  // of an hour; small answers have the plain limit.
  std::string requests;
  for (int i = 0; i < 100'000; ++i)
    requests += "GET /v1/jobs/1 HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(requests);
  gate.await_metric("muster_http_connections", 1);
}

TEST_CASE("waits are cut to the longest that is allowed") {
  auto options = gateway_fixture::local();
  options.max_wait = 1s;
  gateway_fixture gate{options};
  gate.enqueue("q");
  CHECK(gate.json(200, "GET", "/v1/jobs/1?wait=10d").at("state") == "ready");
  CHECK(gate.json(200, "POST", "/v1/queues/none/leases?wait=10d")
          .at("leases")
          .empty());
}

// -- options and ports --------------------------------------------------------

TEST_CASE("options are checked") {
  auto refused = [](auto change) {
    gateway_options options;
    change(options);
    auto valid = validate(options);
    REQUIRE(!valid);
    CHECK(valid.error().code == errc::invalid_argument);
    CHECK(!gateway::start(options, {}));
    return valid.error().message;
  };
  CHECK(validate(gateway_options{}));
  CHECK(refused([](auto& o) { o.threads = 0; }).starts_with("http-threads"));
  CHECK(refused([](auto& o) { o.threads = 65; }).starts_with("http-threads"));
  CHECK(refused([](auto& o) {
          o.max_connections = 0;
        }).starts_with("max-connections"));
  CHECK(refused([](auto& o) { o.max_header = 10; }).starts_with("max-header"));
  CHECK(refused([](auto& o) { o.max_payload = 0; }).starts_with("max-payload"));
  CHECK(refused([](auto& o) { o.max_result = 0; }).starts_with("max-result"));
  CHECK(refused([](auto& o) {
          o.max_batch_body = 0;
        }).starts_with("max-batch-body"));
  CHECK(refused([](auto& o) { o.idle_timeout = 0s; }).starts_with("HTTP time"));
}

TEST_CASE("an occupied port gives way to the next free one") {
  gateway_fixture first;
  auto options = gateway_fixture::local();
  options.port = first.port();
  SECTION("unless it must be this one") {
    options.strict_port = true;
    gateway_backend backend;
    backend.journal = std::make_shared<journal_port>();
    auto second = gateway::start(options, backend);
    REQUIRE(!second);
    CHECK(second.error().code == errc::io_error);
    CHECK(second.error().message.find(std::to_string(first.port()))
          != std::string::npos);
  }
  SECTION("which is the next one up") {
    gateway_fixture second{options};
    CHECK(second.port() > first.port());
    second.json(200, "GET", "/healthz");
    first.json(200, "GET", "/healthz");
  }
}

TEST_CASE("a port is free again at once") {
  auto options = gateway_fixture::local();
  {
    gateway_fixture first;
    options.port = first.port();
    // A connection that the server ends leaves traces in the system.
    raw_connection client{first.port()};
    client.send(
      "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(client.reply());
    CHECK(client.ended());
  }
  options.strict_port = true;
  gateway_fixture second{options};
  second.json(200, "GET", "/healthz");
}

TEST_CASE("an address must be one of this machine") {
  gateway_backend backend;
  backend.journal = std::make_shared<journal_port>();
  auto options = gateway_fixture::local();
  options.address = "localhost";
  auto server = gateway::start(options, backend);
  REQUIRE(!server);
  CHECK(server.error().code == errc::invalid_argument);
  options.address = "203.0.113.1";
  server = gateway::start(options, backend);
  REQUIRE(!server);
  CHECK(server.error().code == errc::io_error);
}
