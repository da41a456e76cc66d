#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

// What somebody might try who wishes no good.

using namespace muster;

namespace {

const std::string jobs = "/v1/queues/q/jobs";

int status_of(const std::optional<http_reply>& reply) {
  return reply ? reply->status : 0;
}

} // namespace

TEST_CASE("a transfer encoding that is not understood is refused") {
  gateway_fixture gate;
  for (std::string value :
       {"gzip", "gzip, chunked", "identity", "chunked, chunked", "xchunked",
        "chunked, gzip", "\"chunked\""}) {
    INFO(value);
    raw_connection client{gate.port()};
    REQUIRE(client.send("POST " + jobs
                        + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + value
                        + "\r\n\r\n1\r\nx\r\n0\r\n\r\n"));
    auto status = status_of(client.reply());
    CHECK((status == 501 || status == 400));
    CHECK(client.ended());
  }
  auto depth = gate.send("GET", "/v1/queues/q");
  CHECK(depth.status == 404);
  raw_connection client{gate.port()};
  REQUIRE(client.send("POST " + jobs
                      + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked"
                        "\r\n\r\n1\r\nx\r\n0\r\n\r\n"));
  CHECK(status_of(client.reply()) == 201);
}

TEST_CASE("a web page of another origin cannot use a node without tokens") {
  gateway_fixture gate;
  auto host = "127.0.0.1:" + std::to_string(gate.port());
  for (auto& origin : std::vector<std::string>{
         "http://example.com", "null", "http://127.0.0.1:1",
         "http://" + host + "0",
         "http://example.com:" + std::to_string(gate.port()), ""}) {
    INFO(origin);
    CHECK(gate.send("POST", jobs, "x", {{"Origin", origin}}).status == 403);
    CHECK(gate.send("GET", "/v1/queues", {}, {{"Origin", origin}}).status
          == 403);
  }
  CHECK(gate.send("POST", jobs, "x", {{"Origin", "http://" + host}}).status
        == 201);
}

TEST_CASE("with tokens it is the token that counts, wherever a page is from") {
  auto options = gateway_fixture::local();
  REQUIRE(options.tokens.add("ui", "secret-of-the-browser", {"read"}));
  gateway_fixture gate{options};
  CHECK(gate
          .send("GET", "/v1/queues", {},
                {{"Origin", "https://ui.example"},
                 {"Authorization", "Bearer secret-of-the-browser"}})
          .status
        == 200);
}

TEST_CASE("what a client sends cannot become a header of the answer") {
  gateway_fixture gate;
  for (std::string name : {"a%0d%0aSet-Cookie:%20x", "a%0aX:%20y", "a%00b"}) {
    auto reply = gate.send("POST", "/v1/queues/" + name + "/jobs", "x");
    CHECK(reply.status == 400);
    CHECK(!reply.header("Set-Cookie"));
    CHECK(!reply.header("X"));
    gate.send("GET", "/v1/queues/" + name);
  }
  auto reply = gate.send("GET", "/v1/jobs/1%0d%0aSet-Cookie:%20x");
  CHECK(reply.status == 404);
  CHECK(!reply.header("Set-Cookie"));
}

TEST_CASE("a path cannot leave its route") {
  gateway_fixture gate;
  for (std::string path :
       {"/v1/queues/../jobs", "/v1/queues/%2e%2e/jobs", "/v1/queues/a%2fb/jobs",
        "/v1/queues/..%2f..%2fetc%2fpasswd/jobs"}) {
    INFO(path);
    auto status = gate.send("POST", path, "x").status;
    // Dots are good in a queue's name, which is never a file's.
    CHECK((status == 400 || status == 404 || status == 405 || status == 201));
  }
  CHECK(gate.send("GET", "/v1/jobs/..%2f..%2fhealthz").status == 404);
  CHECK(gate.send("GET", "//healthz").status == 404);
  CHECK(gate.send("GET", "/healthz/../v1/queues").status == 404);
}

TEST_CASE("numbers beyond all bounds are refused") {
  gateway_fixture gate;
  std::string huge(400, '9');
  for (auto& query : std::vector<std::string>{
         "priority=" + huge, "max_attempts=" + huge, "delay=" + huge + "h",
         "timeout=" + huge, "ttl=18446744073709551615d", "delay=1e9h",
         "delay=-1s", "priority=-1", "priority=256", "max_attempts=0"}) {
    INFO(query.substr(0, 40));
    CHECK(gate.send("POST", jobs + "?" + query, "x").status == 400);
  }
  CHECK(gate.send("GET", "/v1/jobs/" + huge).status == 404);
  CHECK(gate.send("GET", "/v1/queues?limit=" + huge).status == 400);
  CHECK(gate.send("GET", "/v1/completed?after=" + huge).status == 400);
  CHECK(gate.send("POST", "/v1/queues/q/leases?max=" + huge).status == 400);
  CHECK(
    gate.send("POST", "/v1/leases/" + huge + "-" + huge + "/complete").status
    == 409);
  CHECK(gate
          .send("PATCH", "/v1/queues/q", R"({"rate":1e400})",
                {{"Content-Type", "application/json"}})
          .status
        == 400);
}

TEST_CASE("nested bodies do not use up the stack") {
  gateway_fixture gate;
  for (auto open : {"[", "{\"a\":"}) {
    std::string deep;
    while (deep.size() < 60'000)
      deep += open;
    CHECK(gate.send("PATCH", "/v1/queues/q", deep).status == 400);
    CHECK(gate
            .send("POST", jobs + "/batch", deep,
                  {{"Content-Type", "application/x-ndjson"}})
            .status
          == 400);
  }
  CHECK(gate
          .send("POST", jobs + "/batch", std::string(1'000'000, '\x91'),
                {{"Content-Type", "application/msgpack"}})
          .status
        == 400);
  // An array of four thousand million, which is not there.
  CHECK(gate
          .send("POST", jobs + "/batch", "\xdd\xff\xff\xff\xff",
                {{"Content-Type", "application/msgpack"}})
          .status
        == 400);
}

TEST_CASE("a body is taken as it is, whatever encoding it claims") {
  gateway_fixture gate;
  gate.json(201, "POST", jobs, "\x1f\x8b not gzip",
            {{"Content-Encoding", "gzip"}});
  CHECK(gate.lease("q").at("payload_base64") == "H4sgbm90IGd6aXA=");
}
