#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace muster;
using namespace std::string_literals;

namespace {

using ids = std::vector<std::string>;

/// What a list shows, as of its last commit, when it has so many rows.
ids await_ids(gateway_fixture& gate, const std::string& target,
              std::string_view member, std::size_t rows) {
  auto list = gate.await("GET", target, [&](auto& body) {
    return body.contains(member) && body.at(member).size() == rows;
  });
  ids result;
  for (auto& row : list.at(member))
    result.push_back(row.at("id"));
  return result;
}

/// All rows of a list that does not change, by pages of two.
ids by_pages(gateway_fixture& gate, const std::string& target,
             std::string_view member) {
  ids result;
  std::string after;
  while (true) {
    auto page = gate.json(200, "GET", target + "limit=2" + after);
    CHECK(page.at(member).size() <= 2);
    for (auto& row : page.at(member))
      result.push_back(row.at("id"));
    if (page.at("next").is_null())
      return result;
    after = "&after=" + page.at("next").get<std::string>();
  }
}

std::string token_of(gateway_fixture& gate, std::string_view queue) {
  return gate.lease(queue, "worker=w1").at("token");
}

} // namespace

// -- attempts -----------------------------------------------------------------

TEST_CASE("a job shows its attempts and how each ended") {
  gateway_fixture gate;
  gate.json(200, "PATCH", "/v1/queues/q",
            R"({"backoff":{"min":"0","max":"0"}})");
  auto id = gate.enqueue("q", "12345");
  CHECK(gate.job(id).at("attempts").empty());
  CHECK(gate.job(id).at("payload_bytes") == 5);
  gate.json(200, "POST", "/v1/leases/" + token_of(gate, "q") + "/fail",
            R"({"error":"out of paper"})");
  gate.json(200, "POST", "/v1/leases/" + token_of(gate, "q") + "/release");
  auto token = token_of(gate, "q");
  CHECK(gate.job(id).at("attempts").at(2).at("outcome") == "running");
  CHECK(gate.job(id).at("attempts").at(2).at("ended_at").is_null());
  gate.json(200, "POST", "/v1/leases/" + token + "/complete", "done");
  auto job = gate.job(id);
  auto& attempts = job.at("attempts");
  REQUIRE(attempts.size() == 3);
  CHECK(attempts.at(0).at("outcome") == "failed");
  CHECK(attempts.at(0).at("error") == "out of paper");
  CHECK(attempts.at(1).at("outcome") == "released");
  CHECK_FALSE(attempts.at(1).contains("error"));
  CHECK(attempts.at(2).at("outcome") == "succeeded");
  CHECK(attempts.at(2).at("ended_at") == job.at("finished_at"));
  for (auto& attempt : attempts) {
    CHECK(attempt.at("worker") == "w1");
    CHECK(attempt.at("started_at") <= attempt.at("ended_at"));
  }
  CHECK(job.at("attempts_dropped") == 0);
}

TEST_CASE("of many attempts the latest are shown") {
  gateway_fixture gate;
  auto id = gate.enqueue("q");
  for (int i = 0; i < 20; ++i)
    gate.json(200, "POST", "/v1/leases/" + token_of(gate, "q") + "/release");
  auto job = gate.job(id);
  CHECK(job.at("attempts").size() == 16);
  CHECK(job.at("attempts").back().at("attempt") == 20);
  CHECK(job.at("attempts_dropped") == 4);
}

// -- payload ------------------------------------------------------------------

TEST_CASE("a payload is shown whole or in part, with its size") {
  gateway_fixture gate;
  auto payload = "\x00\xFF text"s;
  auto path = "/v1/jobs/" + gate.enqueue("q", payload) + "/payload";
  auto whole = gate.send("GET", path);
  CHECK(whole.status == 200);
  CHECK(whole.body == payload);
  CHECK(whole.header("Muster-Payload-Bytes") == "7");
  auto part = gate.send("GET", path + "?limit=2");
  CHECK(part.body == payload.substr(0, 2));
  CHECK(part.header("Muster-Payload-Bytes") == "7");
  auto large = "/v1/jobs/" + gate.enqueue("q", std::string(3'000'000, 'x'));
  CHECK(gate.send("GET", large + "/payload").body.size() == 1'048'576);
  auto empty = "/v1/jobs/" + gate.enqueue("q");
  CHECK(gate.send("GET", empty + "/payload").header("Muster-Payload-Bytes")
        == "0");
  gate.problem(404, "job_not_found", "GET", "/v1/jobs/99/payload");
  gate.problem(400, "invalid_argument", "GET", path + "?limit=0");
  gate.problem(400, "invalid_argument", "GET", path + "?limit=1048577");
}

// -- jobs of a queue ----------------------------------------------------------

TEST_CASE("a queue's jobs are listed state by state, each once") {
  gateway_fixture gate;
  auto leased_late = gate.enqueue("q");
  auto leased_soon = gate.enqueue("q");
  gate.lease("q", "ttl=2h");
  gate.lease("q", "ttl=1h");
  auto succeeded = gate.enqueue("q");
  gate.finish("q");
  auto dead = gate.enqueue("q");
  gate.bury("q");
  auto cancelled = gate.enqueue("q");
  gate.json(200, "DELETE", "/v1/jobs/" + cancelled);
  auto scheduled = gate.enqueue("q", "", "delay=1h");
  auto low = gate.enqueue("q", "", "priority=1");
  auto high = gate.enqueue("q", "", "priority=200");
  auto next = gate.enqueue("q", "", "priority=200");
  // Of another queue, and first in every order.
  gate.enqueue("other", "", "priority=255");
  gate.lease("other", "ttl=1m");
  ids all{leased_soon, leased_late, high, next,     low,
          scheduled,   cancelled,   dead, succeeded};
  CHECK(await_ids(gate, "/v1/queues/q/jobs", "jobs", 9) == all);
  CHECK(by_pages(gate, "/v1/queues/q/jobs?", "jobs") == all);
  auto in_state = [&](const std::string& state) {
    return by_pages(gate, "/v1/queues/q/jobs?state=" + state + "&", "jobs");
  };
  CHECK(in_state("leased") == ids{leased_soon, leased_late});
  CHECK(in_state("ready") == ids{high, next, low});
  CHECK(in_state("scheduled") == ids{scheduled});
  CHECK(in_state("succeeded") == ids{succeeded});
  CHECK(in_state("dead") == ids{dead});
  CHECK(in_state("cancelled") == ids{cancelled});
}

TEST_CASE("a list goes on where it was though its last row has gone") {
  gateway_fixture gate;
  ids made;
  for (int i = 0; i < 5; ++i)
    made.push_back(gate.enqueue("q"));
  await_ids(gate, "/v1/queues/q/jobs?state=ready", "jobs", 5);
  auto first = gate.json(200, "GET", "/v1/queues/q/jobs?state=ready&limit=2");
  gate.json(200, "DELETE", "/v1/jobs/" + made[0]);
  gate.json(200, "DELETE", "/v1/jobs/" + made[1]);
  await_ids(gate, "/v1/queues/q/jobs?state=ready", "jobs", 3);
  auto rest = "/v1/queues/q/jobs?state=ready&after="
              + first.at("next").get<std::string>();
  CHECK(await_ids(gate, rest, "jobs", 3) == ids{made[2], made[3], made[4]});
}

TEST_CASE("a page is bounded in bytes, and the next one goes on") {
  gateway_fixture gate;
  constexpr std::size_t jobs = 300;
  std::string body = R"({"error":")" + std::string(4'000, 'e') + R"("})";
  ids made;
  for (std::size_t i = 0; i < jobs; ++i) {
    made.insert(made.begin(), gate.enqueue("q", "", "max_attempts=1"));
    gate.json(200, "POST", "/v1/leases/" + token_of(gate, "q") + "/fail", body);
  }
  gate.await("GET", "/v1/queues/q",
             [](auto& queue) { return queue.at("depth").at("dead") == jobs; });
  // Until that is committed, too.
  gate.await("GET", "/v1/queues/q/jobs?state=dead&limit=1", [&](auto& page) {
    return !page.at("jobs").empty()
           && page.at("jobs").at(0).at("id") == made.front();
  });
  ids found;
  std::string after;
  std::size_t pages = 0;
  do {
    auto reply
      = gate.send("GET", "/v1/queues/q/jobs?state=dead&limit=1000" + after);
    CHECK(reply.body.size() < 1'100'000);
    auto page = nlohmann::json::parse(reply.body);
    for (auto& job : page.at("jobs"))
      found.push_back(job.at("id"));
    after = page.at("next").is_null()
              ? ""
              : "&after=" + page.at("next").get<std::string>();
    ++pages;
  } while (!after.empty());
  CHECK(pages == 2);
  CHECK(found == made);
}

TEST_CASE("lists refuse what they do not know") {
  gateway_fixture gate;
  gate.enqueue("q");
  gate.problem(404, "queue_not_found", "GET", "/v1/queues/none/jobs");
  auto path = "/v1/queues/q/jobs"s;
  for (auto query : {"state=lost", "state=", "limit=0", "limit=1001", "after=",
                     "after=1", "after=1-2", "after=1-2-", "after=1-2-3-4",
                     "after=9-1-1", "after=a-b-c", "after=-1-2-3",
                     "after=4-1-0", "state=dead&after=3-1-0", "top=1"})
    gate.problem(400, "invalid_argument", "GET", path + '?' + query);
  for (auto query : {"limit=0", "after=1-0-0", "after=x", "state=leased"})
    gate.problem(400, "invalid_argument", "GET", "/v1/leases?"s + query);
  // Whatever numbers a cursor has, it is a place in the list.
  for (auto query :
       {"after=1-18446744073709551615-18446744073709551615",
        "after=2-18446744073709551615-18446744073709551615",
        "after=0-0-18446744073709551615", "after=3-18446744073709551615-0"})
    gate.json(200, "GET", path + '?' + query);
}

// -- leases -------------------------------------------------------------------

TEST_CASE("leases are listed by deadline, of a queue or a worker or all") {
  gateway_fixture gate;
  for (auto queue : {"a", "b", "a"})
    gate.enqueue(queue);
  gate.lease("a", "ttl=3h&worker=w1");
  gate.lease("b", "ttl=2h&worker=w1");
  gate.lease("a", "ttl=1h&worker=w2");
  CHECK(await_ids(gate, "/v1/leases", "leases", 3) == ids{"3", "2", "1"});
  CHECK(by_pages(gate, "/v1/leases?", "leases") == ids{"3", "2", "1"});
  CHECK(by_pages(gate, "/v1/leases?queue=a&", "leases") == ids{"3", "1"});
  CHECK(by_pages(gate, "/v1/leases?worker=w1&", "leases") == ids{"2", "1"});
  CHECK(by_pages(gate, "/v1/leases?queue=a&worker=w1&", "leases") == ids{"1"});
  CHECK(by_pages(gate, "/v1/leases?queue=none&", "leases").empty());
  auto list = gate.json(200, "GET", "/v1/leases?queue=b");
  auto& lease = list.at("leases").at(0);
  CHECK(lease.at("token") == "2-1");
  CHECK(lease.at("queue") == "b");
  CHECK(lease.at("worker") == "w1");
  CHECK(lease.at("attempt") == 1);
  CHECK(lease.at("started_at") < lease.at("deadline"));
  gate.json(200, "POST", "/v1/leases/2-1/complete", "x");
  await_ids(gate, "/v1/leases", "leases", 2);
}
