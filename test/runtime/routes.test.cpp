#include "runtime/routes.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace muster;

TEST_CASE("a path finds its route and what stands at the placeholders") {
  auto match = match_route("GET", "/v1/jobs/17");
  REQUIRE(match.found);
  CHECK(match.found->path == "/v1/jobs/{id}");
  CHECK(match.arguments == std::vector<std::string>{"17"});
  match = match_route("POST", "/v1/queues/a%2Db/jobs/batch");
  REQUIRE(match.found);
  CHECK(match.found->path == "/v1/queues/{queue}/jobs/batch");
  CHECK(match.arguments == std::vector<std::string>{"a-b"});
  match = match_route("GET", "/healthz");
  REQUIRE(match.found);
  CHECK(match.arguments.empty());
}

TEST_CASE("a path of no route is not found") {
  for (auto path : {"", "/", "//", "*", "/v1", "/v1/", "/v1/jobs", "/v1/jobs/",
                    "/v1/jobs/17/", "/v1/jobs//result", "/v2/jobs/17",
                    "/healthz/", "/v1/queues//jobs", "/a/b/c/d/e/f/g/h/i/j",
                    "/v1/jobs/%zz", "healthz", "/HEALTHZ"}) {
    INFO(path);
    auto match = match_route("GET", path);
    CHECK(!match.found);
    CHECK(match.allowed.empty());
  }
}

TEST_CASE("a route's other methods are named") {
  auto allowed
    = [](std::string_view path) { return match_route("FETCH", path).allowed; };
  CHECK(allowed("/v1/jobs/17") == "GET, HEAD, DELETE");
  CHECK(allowed("/v1/queues/q/jobs") == "POST, GET, HEAD, DELETE");
  CHECK(allowed("/v1/queues/q") == "GET, HEAD, PATCH");
  CHECK(allowed("/enqueue") == "PUT, POST");
  CHECK(allowed("/metrics") == "GET, HEAD");
}

TEST_CASE("every route finds itself") {
  for (auto& each : all_routes()) {
    std::string path{each.path};
    for (auto open = path.find('{'); open != std::string::npos;
         open = path.find('{'))
      path.replace(open, path.find('}') - open + 1, "x");
    auto match = match_route(each.method, path);
    REQUIRE(match.found);
    CHECK(match.found->path == each.path);
    CHECK(match.found->method == each.method);
  }
}
