#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"

#include <catch2/catch_test_macros.hpp>

#include <future>
#include <set>

using namespace muster;
using namespace std::string_literals;

namespace {

/// Sends a request whose answer is looked at later.
raw_connection ask(const gateway_fixture& gate, const std::string& method,
                   const std::string& target) {
  raw_connection client{gate.port()};
  REQUIRE(client.send(method + ' ' + target + " HTTP/1.1\r\nHost: x\r\n\r\n"));
  return client;
}

std::string state_of(const std::optional<http_reply>& reply) {
  REQUIRE(reply);
  REQUIRE(reply->status == 200);
  return nlohmann::json::parse(reply->body).at("state");
}

} // namespace

TEST_CASE("a job is shown through its life") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  CHECK(gate.job(id).at("state") == "ready");
  auto token = gate.lease("q", "worker=w1").at("token").get<std::string>();
  auto job = gate.job(id);
  CHECK(job.at("state") == "leased");
  CHECK(job.at("worker") == "w1");
  CHECK(job.at("attempt") == 1);
  CHECK(job.at("started_at").is_string());
  CHECK(job.at("lease_deadline").is_string());
  gate.json(200, "POST", "/v1/leases/" + token + "/complete", "result");
  job = gate.job(id);
  CHECK(job.at("state") == "succeeded");
  CHECK(job.at("finished_at").is_string());
  CHECK(job.at("lease_deadline").is_null());
}

TEST_CASE("a job that is not there is not found") {
  gateway_fixture gate;
  for (auto id : {"1", "0", "007", "-1", "abc", "18446744073709551616", "1%2F2",
                  "%31%00"}) {
    auto path = "/v1/jobs/"s + id;
    gate.problem(404, "job_not_found", "GET", path);
    gate.problem(404, "job_not_found", "GET", path + "?wait=1h");
    gate.problem(404, "job_not_found", "GET", path + "/result");
    gate.problem(404, "job_not_found", "DELETE", path);
    gate.problem(404, "job_not_found", "POST", path + "/retry");
  }
}

TEST_CASE("job requests refuse what they do not know") {
  gateway_fixture gate;
  auto path = "/v1/jobs/" + gate.enqueue("q");
  gate.problem(400, "invalid_argument", "GET", path + "?wiat=1s");
  gate.problem(400, "invalid_argument", "GET", path + "?wait=1");
  gate.problem(400, "invalid_argument", "GET", path + "?wait=1s&wait=1s");
  gate.problem(400, "invalid_argument", "GET", path + "/result?x");
  gate.problem(400, "invalid_argument", "DELETE", path + "?force=1");
  gate.problem(400, "invalid_argument", "POST", path + "/retry?now");
  CHECK(gate.job("1").at("state") == "ready");
}

// -- waiting ------------------------------------------------------------------

TEST_CASE("waiting for a job ends when it is final") {
  gateway_fixture gate;
  auto path = "/v1/jobs/" + gate.enqueue("q");
  auto job = ask(gate, "GET", path + "?wait=5m");
  auto result = ask(gate, "GET", path + "/result?wait=5m");
  gate.finish("q", "the result");
  CHECK(state_of(job.reply()) == "succeeded");
  auto reply = result.reply();
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(reply->body == "the result");
}

TEST_CASE("waiting for a job ends when it is cancelled or dead") {
  gateway_fixture gate;
  auto first = ask(gate, "GET", "/v1/jobs/" + gate.enqueue("q") + "?wait=5m");
  gate.json(200, "DELETE", "/v1/jobs/1");
  CHECK(state_of(first.reply()) == "cancelled");
  auto second = ask(gate, "GET", "/v1/jobs/" + gate.enqueue("q") + "?wait=5m");
  gate.bury("q");
  CHECK(state_of(second.reply()) == "dead");
}

TEST_CASE("waiting for a job ends with the wait") {
  gateway_fixture gate;
  auto path = "/v1/jobs/" + gate.enqueue("q");
  CHECK(gate.json(200, "GET", path + "?wait=10ms").at("state") == "ready");
  CHECK(gate.json(202, "GET", path + "/result?wait=10ms").at("state")
        == "ready");
  CHECK(gate.json(200, "GET", path + "?wait=0").at("state") == "ready");
}

TEST_CASE("waiting for a job that is final takes no time") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  gate.finish("q");
  CHECK(gate.json(200, "GET", "/v1/jobs/" + id + "?wait=5m").at("state")
        == "succeeded");
}

TEST_CASE("waits beyond their number are answered at once") {
  auto options = gateway_fixture::local();
  options.max_waiting = 1;
  gateway_fixture gate{options};
  auto path = "/v1/jobs/" + gate.enqueue("q") + "?wait=5m";
  auto first = ask(gate, "GET", path);
  // Whichever of the two comes first waits; the other does not.
  auto second = ask(gate, "GET", path);
  gate.await("GET", "/v1/queues/q",
             [](auto& queue) { return queue.at("depth").at("ready") == 1; });
  await_true([&] {
    return gate.metric("muster_http_requests_total{route=\"/v1/jobs/{id}\","
                       "method=\"GET\",status=\"200\"}")
           == 1;
  });
  gate.finish("q");
  std::set<std::string> states{state_of(first.reply()),
                               state_of(second.reply())};
  CHECK(states == std::set<std::string>{"ready", "succeeded"});
}

// -- results ------------------------------------------------------------------

TEST_CASE("a result is the bytes that were recorded") {
  gateway_fixture gate;
  for (auto& result :
       {"text"s, ""s, "\x00\xFF\r\n"s, std::string(3'000'000, 'x')}) {
    auto id = gate.enqueue("q");
    gate.finish("q", result);
    auto reply = gate.send("GET", "/v1/jobs/" + id + "/result");
    CHECK(reply.status == 200);
    CHECK(reply.body == result);
    if (!result.empty())
      CHECK(reply.header("Content-Type") == "application/octet-stream");
  }
}

TEST_CASE("a result that is not there yet is said to come") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  CHECK(gate.json(202, "GET", "/v1/jobs/" + id + "/result")
        == nlohmann::json{{"id", id}, {"state", "ready"}});
  gate.lease("q");
  CHECK(gate.json(202, "GET", "/v1/jobs/" + id + "/result").at("state")
        == "leased");
}

TEST_CASE("a result that will never be there is gone with a reason") {
  gateway_fixture gate;
  auto dead = gate.enqueue("q");
  gate.bury("q", "out of \"paper\"");
  CHECK(gate.problem(410, "", "GET", "/v1/jobs/" + dead + "/result")
        == "the job is dead: out of \"paper\"");
  auto cancelled = gate.enqueue("q");
  gate.json(200, "DELETE", "/v1/jobs/" + cancelled);
  CHECK(gate.problem(410, "", "GET", "/v1/jobs/" + cancelled + "/result")
          .starts_with("the job is cancelled: "));
}

// -- cancel and retry ---------------------------------------------------------

TEST_CASE("a job is cancelled in every state that is not final") {
  gateway_fixture gate;
  auto scheduled = gate.enqueue("q", "", "delay=1h");
  auto ready = gate.enqueue("ready");
  auto leased = gate.enqueue("leased");
  gate.lease("leased");
  for (auto& id : {scheduled, ready, leased}) {
    CHECK(gate.json(200, "DELETE", "/v1/jobs/" + id)
          == nlohmann::json{{"id", id}, {"state", "cancelled"}});
    CHECK(gate.job(id).at("state") == "cancelled");
    // Sent again because the answer was lost, say.
    gate.json(200, "DELETE", "/v1/jobs/" + id);
  }
}

TEST_CASE("a job that is final is not cancelled") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  gate.finish("q");
  CHECK(gate.problem(409, "wrong_state", "DELETE", "/v1/jobs/" + id)
        == "a job that is succeeded cannot be cancelled");
}

TEST_CASE("a dead job is put back") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  auto path = "/v1/jobs/" + id + "/retry";
  CHECK(gate.problem(409, "wrong_state", "POST", path)
        == "a job that is ready cannot be retried");
  gate.bury("q");
  CHECK(gate.json(200, "POST", path)
        == nlohmann::json{{"id", id}, {"state", "ready"}});
  gate.finish("q");
  CHECK(gate.job(id).at("state") == "succeeded");
  gate.problem(409, "wrong_state", "POST", path);
}
