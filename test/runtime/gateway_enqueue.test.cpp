#include "runtime/http_text.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <msgpack.hpp>

#include <set>

using namespace muster;
using namespace std::string_literals;

namespace {

const http_headers ndjson{{"Content-Type", "application/x-ndjson"}};
const http_headers packed{{"Content-Type", "application/msgpack"}};

std::string payload_of(const nlohmann::json& lease) {
  return *base64_decode(lease.at("payload_base64").get<std::string>());
}

} // namespace

TEST_CASE("a job is enqueued with its defaults") {
  gateway_fixture gate;
  auto reply = gate.send("POST", "/v1/queues/letters/jobs", "hello");
  REQUIRE(reply.status == 201);
  auto answer = nlohmann::json::parse(reply.body);
  auto id = answer.at("id").get<std::string>();
  CHECK(answer.at("queue") == "letters");
  CHECK(answer.at("state") == "ready");
  CHECK(reply.header("Location") == "/v1/jobs/" + id);
  CHECK(reply.header("Content-Type") == "application/json");
  CHECK(reply.header("Date"));
  auto job = gate.job(id);
  CHECK(job.at("handler") == "letters");
  CHECK(job.at("priority") == 100);
  CHECK(job.at("max_attempts") == 5);
  CHECK(job.at("timeout") == "1m");
  CHECK(job.at("attempt") == 0);
  CHECK(job.at("started_at").is_null());
  CHECK(payload_of(gate.lease("letters")) == "hello");
}

TEST_CASE("a job is enqueued with options") {
  gateway_fixture gate;
  auto id = gate.enqueue("letters", "x",
                         "handler=echo&priority=200&max_attempts=2&"
                         "timeout=5m&ttl=2h");
  auto job = gate.job(id);
  CHECK(job.at("handler") == "echo");
  CHECK(job.at("priority") == 200);
  CHECK(job.at("max_attempts") == 2);
  CHECK(job.at("timeout") == "5m");
  CHECK(job.at("expires_at").is_string());
  auto later = gate.json(201, "POST", "/v1/queues/letters/jobs?delay=1h", "x");
  CHECK(later.at("state") == "scheduled");
  CHECK(gate.job(later.at("id").get<std::string>()).at("due_at").is_string());
}

TEST_CASE("a payload may be any bytes, and none") {
  gateway_fixture gate;
  std::string all;
  for (int i = 0; i < 256; ++i)
    all.push_back(static_cast<char>(i));
  for (auto& payload : {all, ""s, std::string(1'000'000, 'x')}) {
    gate.enqueue("q", payload);
    CHECK(payload_of(gate.lease("q")) == payload);
  }
}

TEST_CASE("an idempotency key makes one job of several requests") {
  gateway_fixture gate;
  auto post = [&gate](const std::string& queue, const std::string& key) {
    return gate.send("POST", "/v1/queues/" + queue + "/jobs", "x",
                     {{"Idempotency-Key", key}});
  };
  auto first = post("q", "order-1");
  auto second = post("q", "order-1");
  CHECK(first.status == 201);
  CHECK(second.status == 200);
  CHECK(first.body == second.body);
  CHECK(second.header("Location") == first.header("Location"));
  CHECK(post("q", "order-2").status == 201);
  CHECK(post("other", "order-1").status == 201);
  CHECK(post("q", std::string(255, 'k')).status == 201);
  CHECK(gate.problem(400, "invalid_argument", "POST", "/v1/queues/q/jobs", "x",
                     {{"Idempotency-Key", std::string(256, 'k')}})
        == "idempotency_key must be at most 255 bytes");
}

TEST_CASE("a job with wrong options is refused with the reason") {
  gateway_fixture gate;
  auto refused = [&gate](const std::string& query) {
    return gate.problem(400, "invalid_argument", "POST",
                        "/v1/queues/q/jobs?" + query, "x");
  };
  CHECK(refused("prio=1") == "unknown query parameter 'prio'");
  CHECK(refused("delay=1s&delay=2s")
        == "the query parameter 'delay' is given twice");
  CHECK(refused("priority=256")
        == "priority must be a whole number from 0 to 255");
  CHECK(refused("max_attempts=0").starts_with("max_attempts must be"));
  CHECK(refused("timeout=10").starts_with("timeout: "));
  CHECK(refused("timeout=0").starts_with("timeout must be"));
  CHECK(refused("handler=a%20b").starts_with("handler must be"));
  CHECK(refused("handler=").starts_with("handler must be"));
  CHECK(refused("delay=%zz") == "the query has a broken percent escape");
  CHECK(gate.problem(400, "invalid_argument", "POST", "/v1/queues/a%20b/jobs")
          .starts_with("queue must be"));
  gate.problem(400, "invalid_argument", "POST",
               "/v1/queues/" + std::string(129, 'q') + "/jobs");
}

TEST_CASE("a full queue says so") {
  gateway_fixture gate;
  gate.json(200, "PATCH", "/v1/queues/q", R"({"max_depth":2})");
  gate.enqueue("q");
  gate.enqueue("q");
  gate.problem(429, "queue_full", "POST", "/v1/queues/q/jobs", "x");
  gate.problem(429, "queue_full", "POST", "/v1/queues/q/jobs/batch",
               "{\"payload\":\"\"}", ndjson);
  gate.finish("q");
  gate.enqueue("q");
}

TEST_CASE("a payload has a limit") {
  auto options = gateway_fixture::local();
  options.max_payload = 1'000;
  gateway_fixture gate{options};
  gate.enqueue("q", std::string(1'000, 'x'));
  CHECK(
    gate.problem(413, "", "POST", "/v1/queues/q/jobs", std::string(1'001, 'x'))
    == "the body may have 1000 bytes");
  gate.problem(413, "payload_too_large", "POST", "/v1/queues/q/jobs/batch",
               R"({"payload":")" + std::string(1'001, 'x') + "\"}", ndjson);
  gate.enqueue("q", "still here");
}

// -- batches ------------------------------------------------------------------

TEST_CASE("a batch of lines becomes jobs in its order") {
  gateway_fixture gate;
  auto ids = gate
               .json(201, "POST", "/v1/queues/q/jobs/batch",
                     "{\"payload\":\"a\"}\n{\"payload\":\"b\"}\n"
                     "{\"payload_base64\":\"Yw==\",\"priority\":200}\n",
                     ndjson)
               .at("ids");
  REQUIRE(ids.size() == 3);
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 3);
  auto leases
    = gate.json(200, "POST", "/v1/queues/q/leases?max=10").at("leases");
  REQUIRE(leases.size() == 3);
  CHECK(payload_of(leases[0]) == "c");
  CHECK(payload_of(leases[1]) == "a");
  CHECK(payload_of(leases[2]) == "b");
  CHECK(leases[0].at("id") == ids[2]);
  CHECK(leases[1].at("id") == ids[0]);
}

TEST_CASE("a batch in msgpack becomes jobs") {
  gateway_fixture gate;
  msgpack::sbuffer out;
  msgpack::packer<msgpack::sbuffer> to{out};
  to.pack_array(2);
  for (auto text : {"\x00\xFF"s, "b"s}) {
    to.pack_map(1);
    to.pack("payload"s);
    to.pack_bin(static_cast<std::uint32_t>(text.size()));
    to.pack_bin_body(text.data(), static_cast<std::uint32_t>(text.size()));
  }
  auto ids = gate
               .json(201, "POST", "/v1/queues/q/jobs/batch",
                     {out.data(), out.size()}, packed)
               .at("ids");
  REQUIRE(ids.size() == 2);
  CHECK(payload_of(gate.lease("q")) == "\x00\xFF"s);
}

TEST_CASE("a batch is all or none") {
  gateway_fixture gate;
  CHECK(gate.problem(400, "invalid_argument", "POST", "/v1/queues/q/jobs/batch",
                     "{\"payload\":\"a\"}\n{\"payload\":1}\n", ndjson)
        == "line 2: payload must be a string");
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/q");
}

TEST_CASE("a batch says what it is made of") {
  gateway_fixture gate;
  const http_headers text{{"Content-Type", "text/plain"}};
  gate.problem(415, "", "POST", "/v1/queues/q/jobs/batch", "x", text);
  gate.problem(415, "", "POST", "/v1/queues/q/jobs/batch", "x");
  const http_headers spelt{
    {"Content-Type", "Application/X-NDJSON ; charset=utf-8"}};
  gate.json(201, "POST", "/v1/queues/q/jobs/batch", "{\"payload\":\"\"}",
            spelt);
}

TEST_CASE("wrong batches are refused") {
  gateway_fixture gate;
  auto refused = [&gate](const std::string& body, const http_headers& type,
                         const std::string& query = "") {
    return gate.problem(400, "invalid_argument", "POST",
                        "/v1/queues/q/jobs/batch" + query, body, type);
  };
  CHECK(refused("", ndjson) == "jobs must not be empty");
  CHECK(refused("\x90", packed) == "jobs must not be empty");
  CHECK(refused("\xC1", packed) == "broken msgpack");
  CHECK(refused("{\"payload\":\"\"}", ndjson, "?priority=1")
        == "unknown query parameter 'priority'");
  std::string many;
  for (std::size_t i = 0; i <= limits::jobs_per_batch; ++i)
    many += "{\"payload\":\"\"}\n";
  CHECK(refused(many, ndjson)
        == "line 10001: a batch holds at most 10000 jobs");
}

TEST_CASE("a batch's body has a limit") {
  auto options = gateway_fixture::local();
  options.max_payload = 1'000;
  options.max_result = 1'000;
  options.max_batch_body = 2'000;
  gateway_fixture gate{options};
  gate.problem(413, "", "POST", "/v1/queues/q/jobs/batch",
               std::string(2'001, ' '), ndjson);
  auto body = "{\"payload\":\"" + std::string(900, 'x') + "\"}\n";
  gate.json(201, "POST", "/v1/queues/q/jobs/batch", body + body, ndjson);
}

TEST_CASE(
  "a store that is nearly full refuses new jobs and still finishes old") {
  journal_options storage;
  storage.map_size = std::size_t{64} << 20;
  storage.store_reserve = std::size_t{32} << 20;
  gateway_fixture gate{gateway_fixture::local(), storage};
  std::string payload(std::size_t{1} << 20, 'x');
  int count = 0;
  while (gate.send("POST", "/v1/queues/q/jobs", payload).status == 201)
    REQUIRE(++count < 100);
  gate.problem(503, "store_full", "POST", "/v1/queues/q/jobs", payload);
  gate.finish("q", "done");
  CHECK(gate.json(200, "DELETE", "/v1/queues/q/jobs?state=ready")
        == nlohmann::json{{"removed", count - 1}});
  await_true([&] {
    return gate.send("POST", "/v1/queues/q/jobs", payload).status == 201;
  });
}
