#include "runtime/http_client.hpp"

#include "test/runtime/script_server.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>

using namespace muster;

namespace {

const std::string hello
  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kind: greeting\r\n\r\nhello";

script_server::script always(scripted_reply reply) {
  return [reply](const std::string&) { return reply; };
}

http_client client_of(const script_server& server,
                      http_client_options options = {}) {
  return http_client{"127.0.0.1", server.port(), options};
}

} // namespace

TEST_CASE("a client sends a request and reads its reply") {
  script_server server{always({{hello}})};
  auto client = client_of(server);
  auto reply = client.send("POST", "/greet?to=you", {{"X-From", "me"}}, "body");
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(reply->ok());
  CHECK(reply->body == "hello");
  CHECK(reply->header("x-kind") == "greeting");
  CHECK(!reply->header("x-other"));
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests().front()
        == "POST /greet?to=you HTTP/1.1\r\nHost: 127.0.0.1:"
             + std::to_string(server.port())
             + "\r\nX-From: me\r\nContent-Length: 4\r\n\r\nbody");
}

TEST_CASE("a client keeps its connection between requests") {
  script_server server{always({{hello}})};
  auto client = client_of(server);
  for (int i = 0; i < 5; ++i)
    REQUIRE(client.get("/"));
  CHECK(server.connections() == 1);
  client.close();
  REQUIRE(client.get("/"));
  CHECK(server.connections() == 2);
}

TEST_CASE("a client reads a reply that comes in pieces") {
  scripted_reply reply;
  for (auto c : hello)
    reply.parts.emplace_back(1, c);
  script_server server{always(reply)};
  auto result = client_of(server).get("/");
  REQUIRE(result);
  CHECK(result->body == "hello");
}

TEST_CASE("a client reads a chunked reply") {
  script_server server{always({{"HTTP/1.1 200 OK\r\nTransfer-Encoding: ",
                                "chunked\r\n\r\n4\r\nWiki\r\n6;x=y\r\npe",
                                "dia!\r\n0\r\nTrailer: 1\r\n", "\r\n"}})};
  auto client = client_of(server);
  for (int i = 0; i < 2; ++i) {
    auto reply = client.get("/");
    REQUIRE(reply);
    CHECK(reply->body == "Wikipedia!");
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("a client reads a reply that ends with the connection") {
  script_server server{
    always({{"HTTP/1.0 200 OK\r\n\r\nall ", "there is"}, true})};
  auto client = client_of(server);
  for (int i = 0; i < 2; ++i) {
    auto reply = client.get("/");
    REQUIRE(reply);
    CHECK(reply->body == "all there is");
  }
}

TEST_CASE("a client does not wait for a body where there is none") {
  script_server server{[](const std::string& request) -> scripted_reply {
    if (request.starts_with("HEAD"))
      return {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}};
    return {{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"}};
  }};
  auto client = client_of(server);
  auto head = client.send("HEAD", "/");
  REQUIRE(head);
  CHECK(head->body.empty());
  auto get = client.get("/");
  REQUIRE(get);
  CHECK(get->status == 204);
}

TEST_CASE("a client connects anew when the server has closed") {
  script_server server{always({{hello}, true})};
  auto client = client_of(server);
  // Whether the client sees the end before or after it has sent is a matter of
  // luck; GET is repeated in both cases.
  for (int i = 0; i < 20; ++i)
    REQUIRE(client.get("/"));
}

TEST_CASE("a client does not repeat a POST that may have taken effect") {
  std::atomic<int> count = 0;
  script_server server{[&count](const std::string&) -> scripted_reply {
    if (count++ == 0)
      return {{hello}};
    return {{}, true};
  }};
  auto client = client_of(server);
  REQUIRE(client.post("/"));
  auto second = client.post("/", "x");
  REQUIRE(!second);
  CHECK(second.error().code == errc::io_error);
  CHECK(is_uncertain(second.error().code));
  CHECK(server.requests().size() == 2);
}

TEST_CASE("a client repeats a GET once and on a kept connection only") {
  std::atomic<int> count = 0;
  script_server server{[&count](const std::string&) -> scripted_reply {
    if (count++ == 0)
      return {{hello}};
    return {{}, true};
  }};
  auto client = client_of(server);
  REQUIRE(client.get("/"));
  CHECK(!client.get("/"));
  CHECK(server.requests().size() == 3);
  CHECK(!client.get("/"));
  CHECK(server.requests().size() == 4);
}

TEST_CASE("a client gives up on a server that does not answer") {
  script_server server{always({})};
  http_client_options options;
  options.read_limit = millis{20};
  auto reply = client_of(server, options).get("/");
  REQUIRE(!reply);
  CHECK(reply.error().code == errc::timed_out);
}

TEST_CASE("a client says so when nobody listens") {
  std::uint16_t port = 0;
  {
    script_server server{always({{hello}})};
    port = server.port();
  }
  http_client client{"127.0.0.1", port};
  auto reply = client.get("/");
  REQUIRE(!reply);
  CHECK(reply.error().code == errc::unavailable);
  http_client nowhere{"no-such-host.invalid", 80};
  CHECK(nowhere.get("/").error().code == errc::unavailable);
}

TEST_CASE("a client refuses replies over its limit") {
  http_client_options options;
  options.max_reply = 100;
  for (auto head :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
        "HTTP/1.1 200 OK\r\n\r\n"}) {
    script_server server{always({{head + std::string(1'000, 'x')}, true})};
    auto reply = client_of(server, options).get("/");
    REQUIRE(!reply);
    CHECK(reply.error().code == errc::result_too_large);
  }
}

TEST_CASE("a client refuses what is not HTTP") {
  for (auto text : {"SSH-2.0-something\r\n", "HTTP/1.1 abc\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"}) {
    script_server server{always({{text}})};
    auto reply = client_of(server).get("/");
    REQUIRE(!reply);
    CHECK(reply.error().code == errc::malformed);
  }
}

TEST_CASE("a client reads what a server says that refuses a large request") {
  scripted_reply refusal;
  refusal.parts = {"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n"
                   "Connection: close\r\n\r\nno!"};
  refusal.ignore_body = true;
  script_server server{[refusal](const std::string&) { return refusal; }};
  auto client = client_of(server);
  auto reply = client.post("/", std::string(std::size_t{32} << 20, 'x'));
  REQUIRE(reply);
  CHECK(reply->status == 413);
  CHECK(reply->body == "no!");
}

TEST_CASE("a client sends a request that is larger than a socket's buffer") {
  script_server server{always({{hello}})};
  auto client = client_of(server);
  std::string body(std::size_t{1} << 20, 'x');
  REQUIRE(client.post("/", body));
  CHECK(server.requests().front().ends_with(body));
}
