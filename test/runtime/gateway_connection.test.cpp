#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;
using namespace std::string_literals;

namespace {

std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}

std::string post(const std::string& target, const std::string& body,
                 const std::string& headers = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

const std::string jobs = "/v1/queues/q/jobs";

std::string id_of(const std::optional<http_reply>& reply) {
  REQUIRE(reply);
  REQUIRE(reply->status == 201);
  return nlohmann::json::parse(reply->body).at("id");
}

int status_of(const std::optional<http_reply>& reply) {
  REQUIRE(reply);
  return reply->status;
}

} // namespace

TEST_CASE("a connection serves many requests") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  for (int i = 0; i < 100; ++i) {
    REQUIRE(client.send(post(jobs, "x")));
    CHECK(id_of(client.reply()) == std::to_string(i + 1));
  }
  CHECK(gate.metric("muster_http_connections_total") == 1);
}

TEST_CASE("requests may be sent before the answers to earlier ones") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  std::string requests;
  constexpr int count = 200;
  for (int i = 0; i < count; ++i)
    requests += post(jobs, "payload " + std::to_string(i))
                + get("/v1/jobs/" + std::to_string(i + 1)) + get("/nowhere");
  REQUIRE(client.send(requests));
  for (int i = 0; i < count; ++i) {
    CHECK(id_of(client.reply()) == std::to_string(i + 1));
    CHECK(status_of(client.reply()) == 200);
    CHECK(status_of(client.reply()) == 404);
  }
}

TEST_CASE("requests may come byte by byte") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.trickle(post(jobs + "?priority=%37", "pay\r\n\r\nload")
                         + get("/v1/jobs/1")));
  CHECK(id_of(client.reply()) == "1");
  auto reply = client.reply();
  CHECK(status_of(reply) == 200);
  CHECK(nlohmann::json::parse(reply->body).at("priority") == 7);
}

TEST_CASE("bodies may come in chunks") {
  gateway_fixture gate;
  const auto head = "POST " + jobs
                    + " HTTP/1.1\r\nHost: x\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> bodies{
    "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "00\r\nTrailer: 1\r\n\r\n",
    "a;q=\"a\\\"b\"\r\n0123456789\r\n000\r\n\r\n",
  };
  for (bool in_pieces : {false, true}) {
    raw_connection client{gate.port()};
    for (auto& body : bodies) {
      auto request = head + body;
      REQUIRE((in_pieces ? client.trickle(request) : client.send(request)));
      id_of(client.reply());
    }
  }
  const std::vector<std::string> payloads{"aGVsbG8sIHdvcmxk", "", "",
                                          "MDEyMzQ1Njc4OQ=="};
  for (int round = 0; round < 2; ++round)
    for (auto& payload : payloads)
      CHECK(gate.lease("q").at("payload_base64") == payload);
}

TEST_CASE("broken chunks are refused") {
  gateway_fixture gate;
  for (auto body : {"x\r\n", "-1\r\n", "5\r\nhelloxx5\r\n", "5 \r\nhello\r\n",
                    "ffffffffffffffffff\r\n"}) {
    INFO(body);
    raw_connection client{gate.port()};
    REQUIRE(client.send("POST " + jobs
                        + " HTTP/1.1\r\nHost: x\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n"
                        + body));
    auto status = status_of(client.reply());
    CHECK((status == 400 || status == 413));
    CHECK(client.ended());
  }
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/q");
}

TEST_CASE("HEAD is GET without the body") {
  gateway_fixture gate;
  gate.enqueue("q");
  raw_connection client{gate.port()};
  for (auto target :
       {"/v1/jobs/1", "/healthz", "/v1/queues/q", "/v1/jobs/99"}) {
    REQUIRE(client.send(get(target)));
    auto with = client.reply();
    REQUIRE(client.send("HEAD "s + target + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    auto without = client.reply(true);
    REQUIRE(with);
    REQUIRE(without);
    CHECK(without->status == with->status);
    CHECK(without->header("Content-Type") == with->header("Content-Type"));
    if (target != "/v1/queues/q"s)
      CHECK(without->header("Content-Length")
            == with->header("Content-Length"));
  }
  REQUIRE(client.send("HEAD /v1/queues/q/leases HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(status_of(client.reply(true)) == 405);
}

TEST_CASE("a wrong method is told the right ones") {
  gateway_fixture gate;
  for (auto& [method, target, allowed] :
       {std::tuple{"PUT", "/v1/jobs/1", "GET, HEAD, DELETE"},
        {"GET", "/v1/queues/q/leases", "POST"},
        {"OPTIONS", "/healthz", "GET, HEAD"},
        {"get", "/healthz", "GET, HEAD"},
        {"GET", "/enqueue", "PUT, POST"}}) {
    INFO(method << ' ' << target);
    auto reply = gate.send(method, target);
    CHECK(reply.status == 405);
    CHECK(reply.header("Allow") == allowed);
  }
  // The connection went on all the time.
  CHECK(gate.metric("muster_http_connections_total") == 1);
}

TEST_CASE("what is not HTTP is refused") {
  gateway_fixture gate;
  for (auto text :
       {"hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n",
        "GET  /healthz HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"}) {
    INFO(text);
    raw_connection client{gate.port()};
    REQUIRE(client.send(text));
    CHECK(status_of(client.reply()) == 400);
    CHECK(client.ended());
  }
  CHECK(gate.json(200, "GET", "/healthz").at("status") == "alive");
}

TEST_CASE("a request whose length is said twice is refused") {
  gateway_fixture gate;
  for (auto headers : {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                       "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                       "Content-Length: 1\r\nContent-Length: 2\r\n"}) {
    raw_connection client{gate.port()};
    REQUIRE(client.send("POST " + jobs + " HTTP/1.1\r\nHost: x\r\n" + headers
                        + "\r\n0\r\n\r\n"));
    CHECK(status_of(client.reply()) == 400);
    CHECK(client.ended());
  }
}

TEST_CASE("a request of HTTP/1.1 needs a Host, one of HTTP/1.0 does not") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send("GET /healthz HTTP/1.1\r\n\r\n" + get("/healthz")));
  CHECK(status_of(client.reply()) == 400);
  CHECK(status_of(client.reply()) == 200);
  for (auto headers : {"", "Connection: keep-alive\r\n"}) {
    raw_connection old{gate.port()};
    REQUIRE(old.send("GET /healthz HTTP/1.0\r\n"s + headers + "\r\n"));
    CHECK(status_of(old.reply()) == 200);
    CHECK(old.ended());
  }
}

TEST_CASE("a connection is closed when the client asks for it") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send(get("/healthz", "Connection: close\r\n")));
  auto reply = client.reply();
  CHECK(status_of(reply) == 200);
  CHECK(reply->header("Connection") == "close");
  CHECK(client.ended());
}

TEST_CASE("a target may name the host") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send(get("http://example.org/healthz")
                      + get("http://example.org/v1/jobs/1?wait=0")
                      + get("http://example.org")));
  CHECK(status_of(client.reply()) == 200);
  CHECK(status_of(client.reply()) == 404);
  CHECK(status_of(client.reply()) == 404);
}

TEST_CASE("a client that asks first is told to send its body") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send("POST " + jobs
                      + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                        "Expect: 100-Continue\r\n\r\n"));
  CHECK(status_of(client.reply()) == 100);
  REQUIRE(client.send("hello"));
  CHECK(id_of(client.reply()) == "1");
  // One that does not wait gets no invitation.
  REQUIRE(client.send(post(jobs, "hello", "Expect: 100-continue\r\n")));
  CHECK(id_of(client.reply()) == "2");
}

TEST_CASE("a client that asks first is spared a body that is not wanted") {
  auto options = gateway_fixture::local();
  options.max_payload = 1'000;
  gateway_fixture gate{options};
  auto ask = [&gate](const std::string& target, const std::string& length,
                     const std::string& expectation) {
    raw_connection client{gate.port()};
    REQUIRE(client.send("POST " + target + " HTTP/1.1\r\nHost: x\r\n"
                        + "Content-Length: " + length
                        + "\r\nExpect: " + expectation + "\r\n\r\n"));
    auto status = status_of(client.reply());
    CHECK(client.ended());
    return status;
  };
  CHECK(ask(jobs, "1001", "100-continue") == 413);
  CHECK(ask("/nowhere", "10", "100-continue") == 404);
  CHECK(ask("/healthz", "10", "100-continue") == 405);
  CHECK(ask(jobs, "10", "the-unexpected") == 417);
}

TEST_CASE("a body where none is asked for is ignored if it is small") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.json(200, "GET", "/v1/jobs/1", "{}");
  gate.json(200, "DELETE", "/v1/jobs/1", "{}");
  gate.problem(413, "", "GET", "/v1/jobs/1", std::string(100'000, 'x'));
}

TEST_CASE("a client may end its side after its request") {
  gateway_fixture gate;
  raw_connection client{gate.port()};
  REQUIRE(client.send(post(jobs, "x")));
  client.end_sending();
  CHECK(id_of(client.reply()) == "1");
  CHECK(client.ended());
}

TEST_CASE("a client that goes in the middle of a request changes nothing") {
  gateway_fixture gate;
  const auto request = post(jobs, "payload");
  for (std::size_t size = 0; size < request.size(); size += 7) {
    raw_connection client{gate.port()};
    REQUIRE(client.send(request.substr(0, size)));
    if (size % 2 == 0)
      client.abort();
  }
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/q");
  gate.await_metric("muster_http_connections", 1);
}

TEST_CASE("connections are counted") {
  gateway_fixture gate;
  gate.json(200, "GET", "/healthz");
  {
    raw_connection first{gate.port()};
    raw_connection second{gate.port()};
    gate.await_metric("muster_http_connections", 3);
  }
  gate.await_metric("muster_http_connections", 1);
  CHECK(gate.metric("muster_http_connections_total") == 3);
  CHECK(gate.metric("muster_http_received_bytes_total") > 0);
  CHECK(gate.metric("muster_http_sent_bytes_total") > 0);
}

TEST_CASE("several threads serve alike") {
  auto options = gateway_fixture::local();
  options.threads = 3;
  gateway_fixture gate{options};
  std::vector<raw_connection> clients;
  for (int i = 0; i < 9; ++i)
    clients.emplace_back(gate.port());
  for (int round = 0; round < 20; ++round) {
    for (auto& client : clients)
      REQUIRE(client.send(post(jobs, "x") + get("/v1/jobs/1?wait=1ms")));
    for (auto& client : clients) {
      id_of(client.reply());
      CHECK(status_of(client.reply()) == 200);
    }
  }
}
