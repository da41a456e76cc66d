#include "runtime/http_text.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <msgpack.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace muster;
using namespace std::string_literals;

namespace {

std::vector<std::string> ids_of(const nlohmann::json& list) {
  std::vector<std::string> result;
  for (auto& job : list.at("jobs"))
    result.push_back(job.at("id"));
  return result;
}

/// Lists are as of a moment ago: waits until this job is in them.
void await_listed(gateway_fixture& gate, const std::string& id) {
  gate.await("GET", "/v1/completed", [&id](auto& list) {
    auto ids = ids_of(list);
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  });
}

std::string finished(gateway_fixture& gate, const std::string& queue = "q",
                     const std::string& result = "") {
  auto id = gate.enqueue(queue);
  gate.finish(queue, result);
  return id;
}

} // namespace

TEST_CASE("finished jobs are listed newest first") {
  gateway_fixture gate;
  CHECK(gate.json(200, "GET", "/v1/completed").at("jobs").empty());
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i)
    ids.insert(ids.begin(), finished(gate));
  await_listed(gate, ids.front());
  CHECK(ids_of(gate.json(200, "GET", "/v1/completed")) == ids);
  ids.resize(2);
  CHECK(ids_of(gate.json(200, "GET", "/v1/completed?top=2")) == ids);
}

TEST_CASE("dead and cancelled jobs are finished, too") {
  gateway_fixture gate;
  auto dead = gate.enqueue("q");
  gate.bury("q");
  auto cancelled = gate.enqueue("q");
  gate.json(200, "DELETE", "/v1/jobs/" + cancelled);
  await_listed(gate, cancelled);
  CHECK(ids_of(gate.json(200, "GET", "/v1/completed"))
        == std::vector{cancelled, dead});
}

TEST_CASE("finished jobs are listed by queue") {
  gateway_fixture gate;
  auto first = finished(gate, "a");
  auto second = finished(gate, "b");
  await_listed(gate, second);
  CHECK(ids_of(gate.json(200, "GET", "/v1/completed?queue=a"))
        == std::vector{first});
  CHECK(gate.json(200, "GET", "/v1/completed?queue=c").at("jobs").empty());
}

TEST_CASE("with a cursor each finished job is seen once, in order") {
  gateway_fixture gate;
  std::vector<std::string> ids{finished(gate)};
  await_listed(gate, ids.back());
  auto page = gate.json(200, "GET", "/v1/completed?top=1");
  auto seen = ids_of(page);
  for (int i = 0; i < 7; ++i)
    ids.push_back(finished(gate, i % 2 == 0 ? "q" : "other"));
  await_true([&] {
    auto next = page.at("next").get<std::string>();
    page = gate.json(200, "GET", "/v1/completed?top=3&after=" + next);
    auto more = ids_of(page);
    CHECK(more.size() <= 3);
    seen.insert(seen.end(), more.begin(), more.end());
    return seen.size() >= ids.size();
  });
  CHECK(seen == ids);
  // Nothing new: the cursor stays.
  auto next = page.at("next");
  page
    = gate.json(200, "GET", "/v1/completed?after=" + next.get<std::string>());
  CHECK(page.at("jobs").empty());
  CHECK(page.at("next") == next);
}

TEST_CASE("a cursor from an empty list sees all that comes") {
  gateway_fixture gate;
  auto next = gate.json(200, "GET", "/v1/completed?queue=q")
                .at("next")
                .get<std::string>();
  auto id = finished(gate);
  await_listed(gate, id);
  CHECK(ids_of(gate.json(200, "GET", "/v1/completed?queue=q&after=" + next))
        == std::vector{id});
}

TEST_CASE("lists of finished jobs are asked for properly") {
  gateway_fixture gate;
  for (auto query : {"top=0", "top=10001", "top=all", "after=", "after=-1",
                     "after=x", "since=1", "top=1&top=2"})
    gate.problem(400, "invalid_argument", "GET", "/v1/completed?"s + query);
}

// -- the workload API ---------------------------------------------------------

TEST_CASE("a workload becomes a job of the sha512 queue") {
  gateway_fixture gate;
  for (auto method : {"PUT", "POST"}) {
    auto id = gate.json(200, method, "/enqueue?iterations=1000", "\x00 buffer"s)
                .at("work_id")
                .get<std::string>();
    auto lease = gate.lease("sha512");
    CHECK(lease.at("id") == id);
    CHECK(lease.at("handler") == "sha512");
    auto payload
      = *base64_decode(lease.at("payload_base64").get<std::string>());
    auto handle = msgpack::unpack(payload.data(), payload.size());
    auto fields = handle.get().as<std::map<std::string, msgpack::object>>();
    CHECK(fields.size() == 2);
    CHECK(fields.at("iterations").as<std::uint64_t>() == 1'000);
    CHECK(fields.at("buffer").as<std::string>() == "\x00 buffer"s);
  }
}

TEST_CASE("a workload is hashed once unless said otherwise") {
  gateway_fixture gate;
  gate.json(200, "PUT", "/enqueue", "x");
  auto payload = *base64_decode(
    gate.lease("sha512").at("payload_base64").get<std::string>());
  auto handle = msgpack::unpack(payload.data(), payload.size());
  auto fields = handle.get().as<std::map<std::string, msgpack::object>>();
  CHECK(fields.at("iterations").as<std::uint64_t>() == 1);
}

TEST_CASE("a large workload has the time that it needs") {
  gateway_fixture gate;
  auto id = gate.json(200, "PUT", "/enqueue?iterations=100000000", "x")
              .at("work_id")
              .get<std::string>();
  CHECK(gate.job(id).at("timeout") == "1060s");
}

TEST_CASE("workloads are asked for properly") {
  gateway_fixture gate;
  for (auto query : {"iterations=0", "iterations=", "iterations=-1",
                     "iterations=1e3", "iterations=100000000001", "n=1"})
    gate.problem(400, "invalid_argument", "PUT", "/enqueue?"s + query, "x");
  for (auto query : {"top=0", "top=x", "count=1"})
    gate.problem(400, "invalid_argument", "POST", "/pullCompleted?"s + query);
}

TEST_CASE("finished workloads are pulled newest first and stay") {
  gateway_fixture gate;
  auto pull = [&gate](const std::string& query) {
    return gate.json(200, "POST", "/pullCompleted" + query);
  };
  CHECK(pull("") == nlohmann::json::array());
  auto first = finished(gate, "sha512", "\xAB\x01");
  auto second = finished(gate, "sha512", "\xCD\x02");
  gate.enqueue("sha512");
  gate.bury("sha512");
  auto last = finished(gate, "another", "x");
  await_listed(gate, last);
  const nlohmann::json newest{{"work_id", second}, {"value", "cd02"}};
  const nlohmann::json oldest{{"work_id", first}, {"value", "ab01"}};
  CHECK(pull("") == nlohmann::json::array({newest}));
  for (int i = 0; i < 2; ++i)
    CHECK(pull("?top=10") == nlohmann::json::array({newest, oldest}));
}
