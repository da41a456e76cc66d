#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;
using namespace std::string_literals;

namespace {

nlohmann::json set(gateway_fixture& gate, const std::string& body) {
  return gate.json(200, "PATCH", "/v1/queues/q", body).at("settings");
}

nlohmann::json depth(gateway_fixture& gate) {
  return gate.json(200, "GET", "/v1/queues/q").at("depth");
}

} // namespace

TEST_CASE("a queue shows what is in it") {
  gateway_fixture gate;
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/q");
  for (int i = 0; i < 4; ++i)
    gate.enqueue("q");
  gate.enqueue("q", "", "delay=1h");
  gate.finish("q");
  gate.bury("q");
  gate.lease("q");
  auto queue = gate.json(200, "GET", "/v1/queues/q");
  CHECK(queue.at("name") == "q");
  CHECK(queue.at("depth")
        == nlohmann::json{{"scheduled", 1},
                          {"ready", 1},
                          {"leased", 1},
                          {"succeeded", 1},
                          {"dead", 1},
                          {"cancelled", 0}});
  CHECK(queue.at("totals").at("enqueued") == 5);
  CHECK(queue.at("totals").at("leased") == 3);
  CHECK(queue.at("oldest_wait").is_string());
  gate.lease("q");
  CHECK(gate.json(200, "GET", "/v1/queues/q").at("oldest_wait").is_null());
}

TEST_CASE("queues are listed by name, page by page") {
  gateway_fixture gate;
  for (auto name : {"b", "c", "a"})
    gate.enqueue(name);
  auto names = [&gate](const std::string& query) {
    std::string result;
    auto list = gate.json(200, "GET", "/v1/queues" + query);
    for (auto& queue : list.at("queues"))
      result += queue.at("name").get<std::string>();
    return result;
  };
  // Lists are as of a moment ago.
  await_true([&] { return names("").size() == 3; });
  CHECK(names("") == "abc");
  CHECK(names("?limit=2") == "ab");
  CHECK(names("?after=a&limit=1") == "b");
  CHECK(names("?after=c") == "");
  gate.problem(400, "invalid_argument", "GET", "/v1/queues?limit=0");
  gate.problem(400, "invalid_argument", "GET", "/v1/queues?top=1");
  gate.problem(400, "invalid_argument", "GET", "/v1/queues/a?x=1");
}

TEST_CASE("rates show what happened in the last seconds") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.await("GET", "/v1/queues/q", [&gate](auto& queue) {
    gate.enqueue("q");
    gate.finish("q");
    return queue.at("rates").at("enqueued") > 0.0
           && queue.at("rates").at("finished") > 0.0;
  });
}

// -- settings -----------------------------------------------------------------

TEST_CASE("a queue's settings are changed one by one") {
  gateway_fixture gate;
  auto settings = set(gate, "{}");
  CHECK(settings
        == nlohmann::json{
          {"paused", false},
          {"max_depth", 0},
          {"max_running", 0},
          {"rate", 0},
          {"retention", "24h"},
          {"backoff",
           {{"min", "1s"}, {"max", "10m"}, {"factor", 2}, {"jitter", 0.2}}},
          {"dead_letter", nullptr}});
  auto change = [&](const std::string& body) {
    auto before = settings;
    before.merge_patch(nlohmann::json::parse(body));
    if (!before.contains("dead_letter"))
      before["dead_letter"] = nullptr;
    settings = set(gate, body);
    CHECK(settings == before);
    CHECK(gate.json(200, "GET", "/v1/queues/q").at("settings") == settings);
  };
  change(R"({"paused":true})");
  change(R"({"max_depth":18446744073709551615})");
  change(R"({"max_running":7})");
  change(R"({"rate":12.5})");
  change(R"({"retention":"90s"})");
  change(R"({"backoff":{"min":"5ms"}})");
  change(R"({"backoff":{"max":"250ms","factor":1}})");
  change(R"({"backoff":{"jitter":0}})");
  change(R"({"dead_letter":"graves"})");
  change(R"({"dead_letter":null})");
  change(R"({"paused":false,"max_depth":0,"rate":0})");
}

TEST_CASE(
  "parts of the back-off that are changed in turn do not undo each other") {
  gateway_fixture gate;
  for (int i = 1; i < 50; ++i) {
    auto min = std::to_string(i) + "ms";
    auto max = std::to_string(1'000 + i) + "ms";
    set(gate, R"({"backoff":{"min":")" + min + "\"}}");
    auto backoff
      = set(gate, R"({"backoff":{"max":")" + max + "\"}}").at("backoff");
    CHECK(backoff.at("min") == min);
    CHECK(backoff.at("max") == max);
  }
}

TEST_CASE("wrong settings are refused with the reason and change nothing") {
  gateway_fixture gate;
  auto before = set(gate, R"({"max_depth":5})");
  auto refused = [&gate](const std::string& body) {
    return gate.problem(400, "invalid_argument", "PATCH", "/v1/queues/q", body);
  };
  CHECK(refused("") == "the body must be JSON");
  CHECK(refused("{") == "the body must be JSON");
  CHECK(refused("[]") == "the body must be a JSON object");
  CHECK(refused(R"({"pause":true})") == "unknown setting 'pause'");
  CHECK(refused(R"({"paused":1})") == "paused must be true or false");
  CHECK(refused(R"({"max_depth":-1})") == "max_depth must be a whole number");
  CHECK(refused(R"({"max_depth":1.5})") == "max_depth must be a whole number");
  CHECK(refused(R"({"max_depth":null})") == "max_depth must be a whole number");
  CHECK(refused(R"({"max_running":"1"})")
        == "max_running must be a whole number");
  CHECK(refused(R"({"rate":"fast"})") == "rate must be a number");
  CHECK(refused(R"({"rate":-1})").starts_with("rate must be"));
  CHECK(refused(R"({"rate":1e999})") == "the body must be JSON");
  CHECK(refused(R"({"retention":60})")
        == "retention must be a duration such as 10s");
  CHECK(refused(R"({"retention":"60"})").starts_with("retention: "));
  CHECK(refused(R"({"backoff":"1s"})") == "backoff must be an object");
  CHECK(refused(R"({"backoff":{"base":"1s"}})")
        == "unknown member 'backoff.base'");
  CHECK(refused(R"({"backoff":{"min":1}})")
        == "backoff.min must be a duration such as 10s");
  CHECK(refused(R"({"backoff":{"min":"2h"}})")
        == "backoff.min must not exceed backoff.max");
  CHECK(refused(R"({"backoff":{"factor":0}})").starts_with("backoff.factor"));
  CHECK(refused(R"({"backoff":{"jitter":2}})").starts_with("backoff.jitter"));
  CHECK(refused(R"({"dead_letter":"q"})")
        == "dead_letter must be another queue");
  CHECK(refused(R"({"dead_letter":"a b"})").starts_with("dead_letter must be"));
  CHECK(refused(R"({"dead_letter":1})").starts_with("dead_letter must be"));
  CHECK(refused(R"({"paused":true,"max_depth":"x"})")
          .starts_with("max_depth must be"));
  gate.problem(400, "invalid_argument", "PATCH", "/v1/queues/q?paused=1", "{}");
  gate.problem(400, "invalid_argument", "PATCH", "/v1/queues/a%20b", "{}");
  gate.problem(413, "", "PATCH", "/v1/queues/q", std::string(65'537, ' '));
  CHECK(set(gate, "{}") == before);
}

// -- purge --------------------------------------------------------------------

TEST_CASE("a purge removes all jobs of one state and says how many") {
  gateway_fixture gate;
  for (int i = 0; i < 3; ++i)
    gate.enqueue("q");
  gate.enqueue("q", "", "delay=1h");
  gate.bury("q");
  gate.finish("q");
  auto purge = [&gate](const std::string& state) {
    return gate.json(200, "DELETE", "/v1/queues/q/jobs?state=" + state)
      .at("removed");
  };
  CHECK(purge("dead") == 1);
  CHECK(purge("dead") == 0);
  CHECK(depth(gate).at("ready") == 1);
  CHECK(purge("ready") == 1);
  CHECK(purge("scheduled") == 1);
  CHECK(purge("succeeded") == 1);
  CHECK(purge("cancelled") == 0);
  for (auto& count : depth(gate))
    CHECK(count == 0);
  gate.problem(404, "job_not_found", "GET", "/v1/jobs/1");
}

TEST_CASE("a purge of many jobs goes on until all are gone") {
  gateway_fixture gate;
  std::string lines;
  for (int i = 0; i < 3'500; ++i)
    lines += "{\"payload\":\"x\"}\n";
  gate.json(201, "POST", "/v1/queues/q/jobs/batch", lines,
            {{"Content-Type", "application/x-ndjson"}});
  CHECK(gate.json(200, "DELETE", "/v1/queues/q/jobs?state=ready")
        == nlohmann::json{{"removed", 3'500}});
  CHECK(depth(gate).at("ready") == 0);
}

TEST_CASE("a purge is asked for by state") {
  gateway_fixture gate;
  gate.enqueue("q");
  for (auto query : {"", "?state=", "?state=leased", "?state=all",
                     "?state=dead&state=ready"})
    gate.problem(400, "invalid_argument", "DELETE",
                 "/v1/queues/q/jobs"s + query);
  gate.problem(400, "invalid_argument", "DELETE",
               "/v1/queues/q/jobs?state=dead&max=1");
  gate.problem(400, "invalid_argument", "DELETE",
               "/v1/queues/a%20b/jobs?state=dead");
  gate.problem(404, "queue_not_found", "DELETE",
               "/v1/queues/nowhere/jobs?state=dead");
  CHECK(depth(gate).at("ready") == 1);
}
