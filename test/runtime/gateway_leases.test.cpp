#include "runtime/http_client.hpp"
#include "runtime/http_text.hpp"
#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;
using namespace std::string_literals;

namespace {

/// Begins to wait for leases of the queue `q` and returns when the gateway
/// does, too.
raw_connection wait_for_leases(gateway_fixture& gate,
                               const std::string& query = "wait=5m") {
  auto before = gate.metric("muster_http_received_bytes_total");
  auto request
    = "POST /v1/queues/q/leases?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n";
  raw_connection client{gate.port()};
  REQUIRE(client.send(request));
  gate.await_metric("muster_http_received_bytes_total",
                    before + request.size());
  return client;
}

nlohmann::json leases_of(const std::optional<http_reply>& reply) {
  REQUIRE(reply);
  REQUIRE(reply->status == 200);
  return nlohmann::json::parse(reply->body).at("leases");
}

std::string path_of(const nlohmann::json& lease, const std::string& verb) {
  return "/v1/leases/" + lease.at("token").get<std::string>() + '/' + verb;
}

} // namespace

// -- taking -------------------------------------------------------------------

TEST_CASE("a lease says all that its worker needs") {
  gateway_fixture gate;
  auto id
    = gate.enqueue("q", "\x00payload"s, "handler=echo&priority=3&timeout=5s");
  auto lease = gate.lease("q", "worker=w&ttl=1h");
  CHECK(lease.at("id") == id);
  CHECK(lease.at("attempt") == 1);
  CHECK(lease.at("queue") == "q");
  CHECK(lease.at("handler") == "echo");
  CHECK(lease.at("priority") == 3);
  CHECK(lease.at("timeout") == "5s");
  CHECK(base64_decode(lease.at("payload_base64").get<std::string>())
        == "\x00payload"s);
  CHECK(gate.job(id).at("lease_deadline") == lease.at("deadline"));
}

TEST_CASE("one answer has some 32 MiB of payloads at most") {
  gateway_fixture gate;
  const std::string payload(std::size_t{16} << 20, 'x');
  for (int i = 0; i < 3; ++i)
    gate.enqueue("q", payload);
  http_client client{"127.0.0.1", gate.port()};
  auto reply = client.post("/v1/queues/q/leases?max=3");
  REQUIRE(reply);
  CHECK(nlohmann::json::parse(reply->body).at("leases").size() == 2);
}

TEST_CASE("leases are at most as many as asked for") {
  gateway_fixture gate;
  for (int i = 0; i < 5; ++i)
    gate.enqueue("q");
  auto take = [&gate](const std::string& query) {
    return gate.json(200, "POST", "/v1/queues/q/leases?" + query)
      .at("leases")
      .size();
  };
  CHECK(take("") == 1);
  CHECK(take("max=3&wait=5m") == 3);
  CHECK(take("max=1000&wait=5m") == 1);
  CHECK(take("max=1000") == 0);
}

TEST_CASE("a queue that is not there has no leases") {
  gateway_fixture gate;
  CHECK(gate.json(200, "POST", "/v1/queues/q/leases").at("leases").empty());
  CHECK(gate.json(200, "POST", "/v1/queues/q/leases?wait=10ms")
          .at("leases")
          .empty());
}

TEST_CASE("whoever waits gets the next job") {
  gateway_fixture gate;
  auto client = wait_for_leases(gate);
  auto id = gate.enqueue("q", "x");
  auto leases = leases_of(client.reply());
  REQUIRE(leases.size() == 1);
  CHECK(leases.at(0).at("id") == id);
  CHECK(gate.job(id).at("worker") == "http");
}

TEST_CASE("each of those who wait gets a job of his own") {
  gateway_fixture gate;
  auto first = wait_for_leases(gate);
  auto second = wait_for_leases(gate);
  gate.enqueue("q");
  gate.enqueue("q");
  CHECK(leases_of(first.reply()).at(0).at("id")
        != leases_of(second.reply()).at(0).at("id"));
}

TEST_CASE("wishes for leases are checked") {
  gateway_fixture gate;
  auto refused = [&gate](const std::string& query) {
    return gate.problem(400, "invalid_argument", "POST",
                        "/v1/queues/q/leases?" + query);
  };
  CHECK(refused("max=0") == "max must be a whole number from 1 to 1000");
  CHECK(refused("max=1001") == "max must be a whole number from 1 to 1000");
  CHECK(refused("wait=forever").starts_with("wait: "));
  CHECK(refused("ttl=0").starts_with("ttl must be"));
  CHECK(refused("ttl=0&wait=1s").starts_with("ttl must be"));
  CHECK(refused("count=1") == "unknown query parameter 'count'");
  CHECK(refused("worker=" + std::string(256, 'w')).starts_with("worker must"));
  gate.problem(400, "invalid_argument", "POST", "/v1/queues/a%20b/leases");
  gate.problem(400, "invalid_argument", "POST",
               "/v1/queues/a%20b/leases?wait=1s");
}

TEST_CASE("a paused queue gives no leases until it goes on") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.json(200, "PATCH", "/v1/queues/q", R"({"paused":true})");
  CHECK(gate.json(200, "POST", "/v1/queues/q/leases").at("leases").empty());
  auto client = wait_for_leases(gate);
  gate.json(200, "PATCH", "/v1/queues/q", R"({"paused":false})");
  CHECK(leases_of(client.reply()).size() == 1);
}

// -- clients that go ----------------------------------------------------------

TEST_CASE("a client that goes while it waits takes no job with it") {
  gateway_fixture gate;
  for (bool politely : {true, false}) {
    auto client = wait_for_leases(gate);
    if (politely)
      client.close();
    else
      client.abort();
    // Enqueued at once: the gateway has not looked after its client yet.
    auto id = gate.enqueue("q");
    gate.await("GET", "/v1/jobs/" + id,
               [](auto& job) { return job.at("state") == "ready"; });
    gate.finish("q");
  }
  gate.await_metric("muster_http_connections", 1);
}

TEST_CASE("a job goes to the next who waits if the first has gone") {
  gateway_fixture gate;
  auto first = wait_for_leases(gate);
  auto second = wait_for_leases(gate);
  first.close();
  auto id = gate.enqueue("q");
  CHECK(leases_of(second.reply()).at(0).at("id") == id);
}

TEST_CASE("the wait of a client that has gone ends") {
  gateway_fixture gate;
  auto client = wait_for_leases(gate, "wait=5m");
  client.close();
  gate.await_metric("muster_http_connections", 1);
}

// -- settling -----------------------------------------------------------------

TEST_CASE("a lease is completed, once or again") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto lease = gate.lease("q");
  for (int i = 0; i < 2; ++i)
    CHECK(gate.json(200, "POST", path_of(lease, "complete"), "result").empty());
  CHECK(gate.job(id).at("state") == "succeeded");
  CHECK(gate.send("GET", "/v1/jobs/" + id + "/result").body == "result");
}

TEST_CASE("a lease that failed is tried again, or its job is dead") {
  gateway_fixture gate;
  gate.json(200, "PATCH", "/v1/queues/q",
            R"({"backoff":{"min":"1ms","max":"1ms"}})");
  auto id = gate.enqueue("q");
  gate.json(200, "POST", path_of(gate.lease("q"), "fail"),
            R"({"error":"out of paper"})");
  auto job = gate.job(id);
  CHECK(job.at("failures") == 1);
  CHECK(job.at("error") == "out of paper");
  gate.await("GET", "/v1/jobs/" + id,
             [](auto& now) { return now.at("state") == "ready"; });
  auto lease = gate.lease("q");
  CHECK(lease.at("attempt") == 2);
  gate.json(200, "POST", path_of(lease, "fail"),
            R"({"error":"no more","retry":false})");
  CHECK(gate.job(id).at("state") == "dead");
}

TEST_CASE("a failure needs no reason") {
  gateway_fixture gate;
  auto id = gate.enqueue("q", "", "max_attempts=1");
  gate.json(200, "POST", path_of(gate.lease("q"), "fail"));
  CHECK(gate.job(id).at("state") == "dead");
  CHECK(gate.job(id).at("error") == "the worker gave no reason");
}

TEST_CASE("failures are checked") {
  gateway_fixture gate;
  gate.enqueue("q");
  auto path = path_of(gate.lease("q"), "fail");
  auto refused = [&](const std::string& body) {
    return gate.problem(400, "invalid_argument", "POST", path, body);
  };
  CHECK(refused("x") == "the body must be a JSON object");
  CHECK(refused("[]") == "the body must be a JSON object");
  CHECK(refused("{\"error\":\"\xFF\"}") == "the body must be a JSON object");
  CHECK(refused(R"({"error":1})") == "error must be a string");
  CHECK(refused(R"({"retry":"no"})") == "retry must be true or false");
  CHECK(refused(R"({"reason":"x"})") == "unknown member 'reason'");
  gate.problem(400, "invalid_argument", "POST", path + "?retry=1");
  gate.problem(413, "", "POST", path, std::string(65'537, ' '));
  CHECK(gate.job("1").at("state") == "leased");
}

TEST_CASE("a lease is extended and hears of progress and cancellation") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto lease = gate.lease("q", "ttl=1m");
  auto path = path_of(lease, "extend");
  auto answer = gate.json(200, "POST", path,
                          R"({"ttl":"1h","progress":"page 3 of \"7\""})");
  CHECK(answer.at("cancelled") == false);
  auto job = gate.job(id);
  CHECK(job.at("progress") == "page 3 of \"7\"");
  CHECK(job.at("lease_deadline") == answer.at("deadline"));
  CHECK(answer.at("deadline") > lease.at("deadline"));
  gate.json(200, "POST", path);
  CHECK(gate.job(id).at("progress") == "page 3 of \"7\"");
  for (auto& [given, shown] : {std::pair{"50", "50"},
                               {"0.5", "0.5"},
                               {"true", "true"},
                               {"null", "null"}}) {
    gate.json(200, "POST", path, R"({"progress":)"s + given + "}");
    CHECK(gate.job(id).at("progress") == shown);
  }
  gate.json(200, "DELETE", "/v1/jobs/" + id);
  CHECK(gate.json(200, "POST", path)
        == nlohmann::json{{"cancelled", true}, {"deadline", nullptr}});
}

TEST_CASE("extensions are checked") {
  gateway_fixture gate;
  gate.enqueue("q");
  auto path = path_of(gate.lease("q"), "extend");
  auto refused = [&](const std::string& body) {
    return gate.problem(400, "invalid_argument", "POST", path, body);
  };
  CHECK(refused(R"({"ttl":60})") == "ttl must be a duration such as 30s");
  CHECK(refused(R"({"ttl":"60"})").starts_with("ttl: "));
  CHECK(refused(R"({"ttl":"0"})").starts_with("ttl must be"));
  CHECK(refused(R"({"until":"x"})") == "unknown member 'until'");
  CHECK(refused(R"({"progress":[1]})") == "progress must be a string");
  CHECK(refused("1") == "the body must be a JSON object");
}

TEST_CASE("JSON that is nested deeply does no harm") {
  gateway_fixture gate;
  gate.enqueue("q");
  auto lease = gate.lease("q");
  const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
  for (auto verb : {"extend", "fail"})
    gate.problem(400, "invalid_argument", "POST", path_of(lease, verb),
                 R"({"progress":)" + deep + "}");
  gate.problem(400, "invalid_argument", "PATCH", "/v1/queues/q",
               R"({"dead_letter":)" + deep + "}");
}

TEST_CASE("a lease is handed back and costs no attempt") {
  gateway_fixture gate;
  auto id = gate.enqueue("q", "", "max_attempts=1");
  auto lease = gate.lease("q");
  gate.json(200, "POST", path_of(lease, "release"));
  auto job = gate.job(id);
  CHECK(job.at("state") == "ready");
  CHECK(job.at("failures") == 0);
  CHECK(gate.lease("q").at("attempt") == 2);
}

TEST_CASE("a stale lease changes nothing") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto stale = gate.lease("q");
  gate.json(200, "POST", path_of(stale, "release"));
  gate.lease("q");
  for (auto verb : {"complete", "fail", "extend", "release"}) {
    gate.problem(409, "stale_lease", "POST", path_of(stale, verb));
    for (auto token : {"1", "1-", "-1", "1-0", "0-1", "a-b", "99-1", "1-1-1",
                       "1-01", "1-99999999999"})
      gate.problem(409, "stale_lease", "POST",
                   "/v1/leases/"s + token + '/' + verb);
  }
  auto job = gate.job(id);
  CHECK(job.at("state") == "leased");
  CHECK(job.at("attempt") == 2);
}

TEST_CASE("a lease whose job was cancelled is told so") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto lease = gate.lease("q");
  gate.json(200, "DELETE", "/v1/jobs/" + id);
  for (auto verb : {"complete", "fail", "release"})
    gate.problem(409, "cancelled", "POST", path_of(lease, verb));
  CHECK(gate.json(200, "POST", path_of(lease, "extend")).at("cancelled")
        == true);
}

TEST_CASE("a result has a limit") {
  auto options = gateway_fixture::local();
  options.max_result = 1'000;
  gateway_fixture gate{options};
  auto id = gate.enqueue("q");
  auto lease = gate.lease("q");
  gate.problem(413, "", "POST", path_of(lease, "complete"),
               std::string(1'001, 'x'));
  gate.json(200, "POST", path_of(lease, "complete"), std::string(1'000, 'x'));
}

TEST_CASE("a lease that is not extended expires") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto lease = gate.lease("q", "ttl=20ms");
  gate.await("GET", "/v1/jobs/" + id,
             [](auto& job) { return job.at("state") == "ready"; });
  gate.problem(409, "stale_lease", "POST", path_of(lease, "extend"));
  // Its result counts until somebody else has the job.
  gate.lease("q");
  gate.problem(409, "stale_lease", "POST", path_of(lease, "complete"), "late");
}
