#include "runtime/load_client.hpp"

#include "runtime/load_sources.hpp"
#include "test/runtime/script_server.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>

using namespace muster;

namespace {

std::string reply_with(int status, std::string body) {
  return "HTTP/1.1 " + std::to_string(status) + " Some\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Gives every job the next id.
struct id_giver {
  std::string one() {
    return R"({"id":")" + std::to_string(++last) + R"(","queue":"q"})";
  }

  std::string many(std::size_t count) {
    std::string result;
    for (std::size_t i = 0; i < count; ++i)
      result += (i == 0 ? "" : ",") + ("\"" + std::to_string(++last) + "\"");
    return R"({"ids":[)" + result + "]}";
  }

  int last = 0;
};

load_options to(const script_server& server, std::size_t connections) {
  load_options result;
  result.port = server.port();
  result.connections = connections;
  result.window = millis{20'000};
  return result;
}

} // namespace

TEST_CASE("a load client sends until its source has finished") {
  id_giver ids;
  script_server server{[&ids](const std::string&) -> scripted_reply {
    return {{reply_with(201, ids.one())}};
  }};
  enqueue_options what;
  what.queue = "q";
  what.count = 1'000;
  enqueue_source source{what, 4};
  auto report = run_load(to(server, 4), source);
  REQUIRE(report);
  CHECK(report->replies == 1'000);
  CHECK(report->unanswered == 0);
  CHECK(report->client_cpu_seconds > 0);
  CHECK(source.tally().acknowledged() == 1'000);
  CHECK(source.tally().repeated() == 0);
  CHECK(source.measured() == 1'000);
  CHECK(source.latencies().count() == 1'000);
  CHECK(server.connections() == 4);
  auto request = server.requests().front();
  CHECK(request.starts_with("POST /v1/queues/q/jobs HTTP/1.1\r\n"));
  CHECK(request.substr(request.find("\r\n\r\n")).size() == 4 + 256);
}

TEST_CASE("a load client ends with its window") {
  id_giver ids;
  script_server server{[&ids](const std::string&) -> scripted_reply {
    return {{reply_with(201, ids.one())}};
  }};
  enqueue_source source{{"q"}, 2};
  auto options = to(server, 2);
  options.warm_up = millis{10};
  options.window = millis{30};
  auto report = run_load(options, source);
  REQUIRE(report);
  CHECK(report->seconds > 0);
  CHECK(source.measured() <= source.tally().acknowledged());
  CHECK(server.requests().size() == source.tally().acknowledged());
}

TEST_CASE("a load client reads replies that come in pieces") {
  id_giver ids;
  script_server server{[&ids](const std::string&) -> scripted_reply {
    auto reply = reply_with(201, ids.one());
    return {{reply.substr(0, 7), reply.substr(7, 30), reply.substr(37)}};
  }};
  enqueue_options what;
  what.queue = "q";
  what.count = 10;
  enqueue_source source{what, 2};
  REQUIRE(run_load(to(server, 2), source));
  CHECK(source.tally().acknowledged() == 10);
}

TEST_CASE("a load client counts requests that get no answer and goes on") {
  id_giver ids;
  std::atomic<int> count = 0;
  script_server server{[&](const std::string&) -> scripted_reply {
    if (++count % 10 == 0)
      return {{}, true};
    return {{reply_with(201, ids.one())}};
  }};
  enqueue_options what;
  what.queue = "q";
  what.count = 100;
  enqueue_source source{what, 3};
  auto report = run_load(to(server, 3), source);
  REQUIRE(report);
  CHECK(report->unanswered >= 10);
  CHECK(source.tally().uncertain() == report->unanswered);
  CHECK(source.tally().acknowledged() + source.tally().uncertain() == 100);
}

TEST_CASE("a load client counts answers that are no success") {
  script_server server{[](const std::string&) -> scripted_reply {
    return {{reply_with(503, "busy")}};
  }};
  enqueue_options what;
  what.queue = "q";
  what.count = 10;
  enqueue_source source{what, 1};
  REQUIRE(run_load(to(server, 1), source));
  CHECK(source.tally().errors() == 10);
  CHECK(source.tally().first_error() == "503 busy");
  CHECK(source.measured() == 0);
}

TEST_CASE("a load client fails where nobody listens or HTTP is not spoken") {
  enqueue_source source{{"q"}, 1};
  load_options options;
  options.port = 1;
  CHECK(run_load(options, source).error().code == errc::unavailable);
  script_server server{
    [](const std::string&) -> scripted_reply { return {{"220 mail\r\n"}}; }};
  CHECK(run_load(to(server, 1), source).error().code == errc::malformed);
}

TEST_CASE("batches are written in both formats, each job with its own number") {
  for (auto format : {batch_format::ndjson, batch_format::msgpack}) {
    id_giver ids;
    script_server server{[&ids](const std::string&) -> scripted_reply {
      return {{reply_with(201, ids.many(3))}};
    }};
    enqueue_options what{"q", "echo", 40, 3, format, 6};
    enqueue_source source{what, 1};
    REQUIRE(run_load(to(server, 1), source));
    CHECK(source.tally().acknowledged() == 6);
    auto requests = server.requests();
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].find("000000000000000"
                           "2")
          != std::string::npos);
    CHECK(requests[1].find("000000000000000"
                           "5")
          != std::string::npos);
    auto body = requests[0].substr(requests[0].find("\r\n\r\n") + 4);
    if (format == batch_format::ndjson)
      CHECK(body.starts_with(R"({"handler":"echo","payload":")"));
    else
      CHECK(body.starts_with(std::string{"\xdc\0\x03\x82\xd9\x07handler", 13}));
  }
}

TEST_CASE("a round trip ends with the job's own payload") {
  std::string payload;
  int polls = 0;
  script_server server{[&](const std::string& request) -> scripted_reply {
    if (request.starts_with("POST")) {
      payload = request.substr(request.find("\r\n\r\n") + 4);
      return {{reply_with(201, R"({"id":"7"})")}};
    }
    if (++polls % 2 == 1)
      return {{reply_with(202, "{}")}};
    return {{reply_with(200, polls % 8 == 0 ? "another" : payload)}};
  }};
  round_trip_source source{{"q", "echo", 64, 0}, 1};
  auto options = to(server, 1);
  options.window = millis{50};
  REQUIRE(run_load(options, source));
  CHECK(source.results() > 0);
  CHECK(source.wrong() == source.results() / 4);
  CHECK(server.requests()[1].starts_with("GET /v1/jobs/7/result?wait="));
}

TEST_CASE("round trips can be paced") {
  script_server server{[](const std::string& request) -> scripted_reply {
    return {{request.starts_with("POST") ? reply_with(201, R"({"id":"7"})")
                                         : reply_with(200, "")}};
  }};
  round_trip_source source{{"q", "echo", 64, 100}, 4};
  auto options = to(server, 4);
  options.window = millis{100};
  REQUIRE(run_load(options, source));
  CHECK(source.tally().acknowledged() <= 12);
}

TEST_CASE("an outside worker completes every lease that it takes") {
  int left = 7;
  int token = 0;
  script_server server{[&](const std::string& request) -> scripted_reply {
    if (request.find("/complete ") != std::string::npos)
      return {{reply_with(200, "{}")}};
    std::string leases;
    for (int i = 0; i < 3 && left > 0; ++i, --left)
      leases += (leases.empty() ? "" : ",")
                + (R"({"token":"t)" + std::to_string(++token) + R"("})");
    return {{reply_with(200, R"({"leases":[)" + leases + "]}")}};
  }};
  outside_worker_source source{{"q", 3, 16, 7}, 2};
  REQUIRE(run_load(to(server, 2), source));
  CHECK(source.completed() == 7);
  CHECK(source.tally().errors() == 0);
  CHECK(source.latencies().count() == 7);
}
