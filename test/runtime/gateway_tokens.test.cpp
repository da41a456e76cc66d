#include "runtime/routes.hpp"
#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <string>

using namespace muster;

namespace {

/// A token for each scope, whose secret begins with the scope's name.
std::string secret_of(scope which) {
  return std::string{to_string(which)} + "-secret-of-the-tests";
}

http_headers with(scope which) {
  return {{"Authorization", "Bearer " + secret_of(which)}};
}

gateway_options guarded() {
  auto options = gateway_fixture::local();
  for (auto which : {scope::read, scope::enqueue, scope::work, scope::admin})
    REQUIRE(options.tokens.add(to_string(which), secret_of(which),
                               {std::string{to_string(which)}}));
  return options;
}

std::string path_of(const route& what) {
  std::string path{what.path};
  for (auto name : {"{queue}", "{id}", "{token}"})
    if (auto pos = path.find(name); pos != std::string::npos)
      path.replace(pos, std::string_view{name}.size(), "1");
  return path;
}

} // namespace

TEST_CASE("each route asks for its scope, and for nothing if it is open") {
  gateway_fixture gate{guarded()};
  for (auto& each : all_routes()) {
    auto path = path_of(each);
    INFO(each.method << ' ' << path);
    auto without = gate.send(each.method, path);
    if (each.needs == scope::open) {
      CHECK(without.status == 200);
      continue;
    }
    CHECK(without.status == 401);
    CHECK(without.header("WWW-Authenticate") == "Bearer realm=\"muster\"");
    for (auto which :
         {scope::read, scope::enqueue, scope::work, scope::admin}) {
      auto reply = gate.send(each.method, path, {}, with(which));
      INFO(to_string(which) << ": " << reply.body);
      CHECK((reply.status != 401 && reply.status != 403)
            == (which == each.needs));
    }
  }
}

TEST_CASE("who looks whether a node lives needs no token, who measures does") {
  for (auto& each : all_routes()) {
    auto open = each.path == "/healthz" || each.path == "/readyz";
    INFO(each.path);
    CHECK((each.needs == scope::open) == open);
  }
  CHECK(match_route("GET", "/metrics").found->needs == scope::read);
}

TEST_CASE("a token that lacks a scope is told which") {
  gateway_fixture gate{guarded()};
  auto detail
    = gate.problem(403, "", "PATCH", "/v1/queues/q", "{}", with(scope::read));
  CHECK(detail == "the token lacks the scope admin");
  auto reply = gate.send("PATCH", "/v1/queues/q", "{}", with(scope::enqueue));
  CHECK(reply.header("WWW-Authenticate")
        == "Bearer realm=\"muster\", error=\"insufficient_scope\", "
           "scope=\"admin\"");
}

TEST_CASE("a wrong token is refused and not repeated") {
  gateway_fixture gate{guarded()};
  auto reply = gate.send("GET", "/v1/queues", {},
                         {{"Authorization", "Bearer guessed-by-somebody"}});
  CHECK(reply.status == 401);
  CHECK(reply.header("WWW-Authenticate")
        == "Bearer realm=\"muster\", error=\"invalid_token\"");
  CHECK(reply.body.find("guessed") == std::string::npos);
}

TEST_CASE("a request with two Authorization headers is refused") {
  gateway_fixture gate{guarded()};
  auto twice = with(scope::read);
  twice.push_back(twice.front());
  CHECK(gate.send("GET", "/v1/queues", {}, twice).status == 401);
}

TEST_CASE("HEAD needs what GET needs") {
  gateway_fixture gate{guarded()};
  CHECK(gate.send("HEAD", "/v1/queues").status == 401);
  CHECK(gate.send("HEAD", "/v1/queues", {}, with(scope::read)).status == 200);
}

TEST_CASE("nothing of a body is taken from a client without a token") {
  gateway_fixture gate{guarded()};
  raw_connection client{gate.port()};
  REQUIRE(client.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
                      "Content-Length: 10000000\r\n"
                      "Expect: 100-continue\r\n\r\n"));
  auto reply = client.reply();
  REQUIRE(reply);
  CHECK(reply->status == 401);
  CHECK(reply->header("Connection") == "close");
}

TEST_CASE("a connection goes on after a request that was denied") {
  gateway_fixture gate{guarded()};
  raw_connection client{gate.port()};
  auto authorized = "GET /v1/queues HTTP/1.1\r\nHost: x\r\nAuthorization: "
                    "Bearer "
                    + secret_of(scope::read) + "\r\n\r\n";
  REQUIRE(client.send("GET /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n" + authorized
                      + "GET /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (auto status : {401, 200, 401}) {
    auto reply = client.reply();
    REQUIRE(reply);
    CHECK(reply->status == status);
  }
}

TEST_CASE("where there are no tokens a client may send one all the same") {
  gateway_fixture gate;
  CHECK(gate.send("GET", "/v1/queues", {}, with(scope::work)).status == 200);
}
