#include "runtime/http_text.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <msgpack.hpp>

#include <chrono>
#include <future>
#include <set>
#include <thread>

using namespace muster;
using namespace std::chrono_literals;

namespace {

const http_headers ndjson{{"Content-Type", "application/x-ndjson"}};
const http_headers as_msgpack{{"Content-Type", "application/msgpack"}};

/// Polls until a condition holds, or a limit has passed.
template <class Predicate>
bool eventually(Predicate done) {
  auto until = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until)
      return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace

// -- jobs ---------------------------------------------------------------------

TEST_CASE("an enqueued job is answered with its id and place") {
  gateway_fixture g;
  auto reply = g.send("POST", "/v1/queues/mail/jobs", "payload");
  CHECK(reply.status == 201);
  auto body = nlohmann::json::parse(reply.body);
  CHECK(body.at("queue") == "mail");
  CHECK(body.at("state") == "ready");
  auto place = reply.header("Location");
  REQUIRE(place);
  auto job = g.json(200, "GET", *place);
  CHECK(job.at("id") == body.at("id"));
  CHECK(job.at("handler") == "mail");
  CHECK(job.at("priority") == 100);
  CHECK(job.at("max_attempts") == 5);
  CHECK(job.at("attempt") == 0);
}

TEST_CASE("a job's options come from the query") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x",
                      "handler=h&priority=7&delay=1h&max_attempts=2&timeout=5s"
                      "&ttl=2h");
  auto job = g.json(200, "GET", "/v1/jobs/" + id);
  CHECK(job.at("handler") == "h");
  CHECK(job.at("priority") == 7);
  CHECK(job.at("state") == "scheduled");
  CHECK(job.at("max_attempts") == 2);
  CHECK(job.at("timeout") == "5s");
  CHECK(job.at("due_at").is_string());
  CHECK(job.at("expires_at").is_string());
}

TEST_CASE("bad options are refused with the name of the option") {
  gateway_fixture g;
  for (auto [query, word] :
       {std::pair{"priority=256", "priority"}, {"priority=-1", "priority"},
        {"delay=soon", "delay"}, {"max_attempts=0", "max_attempts"},
        {"timeout=0", "timeout"}, {"colour=red", "colour"},
        {"ttl=1h&ttl=2h", "ttl"}, {"handler=a%20b", "handler"},
        {"handler=%zz", "percent"}}) {
    auto problem = g.json(400, "POST",
                          "/v1/queues/q/jobs?" + std::string{query}, "x");
    INFO(problem.dump());
    CHECK(problem.at("detail").get<std::string>().find(word)
          != std::string::npos);
  }
  g.json(400, "POST", "/v1/queues/no%20spaces/jobs", "x");
}

TEST_CASE("the same idempotency key is answered with the first job") {
  gateway_fixture g;
  http_headers key{{"Idempotency-Key", "abc"}};
  auto first = g.json(201, "POST", "/v1/queues/q/jobs", "x", key);
  auto again = g.json(200, "POST", "/v1/queues/q/jobs", "x", key);
  CHECK(first.at("id") == again.at("id"));
  auto other = g.json(201, "POST", "/v1/queues/r/jobs", "x", key);
  CHECK(other.at("id") != first.at("id"));
  g.json(400, "POST", "/v1/queues/q/jobs", "x",
         {{"Idempotency-Key", std::string(300, 'k')}});
}

TEST_CASE("a batch of lines is taken whole or not at all") {
  gateway_fixture g;
  auto ids = g.json(201, "POST", "/v1/queues/q/jobs/batch",
                    R"({"payload":"a\nb","priority":9}
{"payload_base64":"AAEC","handler":"h","delay":"1h"}

{"payload":""})",
                    ndjson)
               .at("ids");
  REQUIRE(ids.size() == 3);
  CHECK(g.json(200, "GET", "/v1/jobs/" + ids[1].get<std::string>())
          .at("state")
        == "scheduled");
  auto leases
    = g.json(200, "POST", "/v1/queues/q/leases?max=5").at("leases");
  REQUIRE(leases.size() == 2);
  CHECK(base64_decode(leases[0].at("payload_base64").get<std::string>())
        == "a\nb");
  for (auto [body, word] :
       {std::pair{"{\"payload\":\"a\"}\n{\"payload\":", "line 2"},
        {"{\"payload\":\"a\"} {\"payload\":\"b\"}", "line 1"},
        {"{\"colour\":\"red\",\"payload\":\"\"}", "colour"},
        {"{}", "payload"},
        {"{\"payload\":\"a\",\"payload_base64\":\"AA==\"}", "once"},
        {"{\"payload_base64\":\"A\"}", "base64"},
        {"{\"payload\":\"a\",\"priority\":999}", "priority"},
        {"[1]", "object"},
        {"", "jobs"}}) {
    auto problem = g.json(400, "POST", "/v1/queues/q/jobs/batch", body, ndjson);
    INFO(problem.dump());
    CHECK(problem.at("detail").get<std::string>().find(word)
          != std::string::npos);
  }
  g.json(415, "POST", "/v1/queues/q/jobs/batch", "x",
         {{"Content-Type", "text/plain"}});
  CHECK(g.json(200, "GET", "/v1/queues/q").at("totals").at("enqueued") == 3);
}

TEST_CASE("a batch may be msgpack") {
  gateway_fixture g;
  msgpack::sbuffer out;
  msgpack::packer<msgpack::sbuffer> to{out};
  to.pack_array(2);
  for (int i = 0; i < 2; ++i) {
    to.pack_map(2);
    to.pack("payload").pack_bin(3).pack_bin_body("\0\1\2", 3);
    to.pack("priority").pack(i);
  }
  std::string body{out.data(), out.size()};
  CHECK(g.json(201, "POST", "/v1/queues/q/jobs/batch", body, as_msgpack)
          .at("ids")
          .size()
        == 2);
  g.json(400, "POST", "/v1/queues/q/jobs/batch", body + "x", as_msgpack);
  g.json(400, "POST", "/v1/queues/q/jobs/batch", body.substr(0, 9), as_msgpack);
}

TEST_CASE("unknown jobs and paths are not found, and methods are told") {
  gateway_fixture g;
  CHECK(g.json(404, "GET", "/v1/jobs/999").at("code") == "job_not_found");
  g.json(404, "GET", "/v1/jobs/abc/result");
  g.json(404, "DELETE", "/v1/jobs/999");
  g.json(404, "GET", "/v1/queues/nobody");
  g.json(404, "GET", "/nothing");
  g.json(404, "GET", "/v1/jobs/");
  auto reply = g.send("PUT", "/v1/jobs/1");
  CHECK(reply.status == 405);
  auto allow = reply.header("Allow").value_or("");
  CHECK(allow.find("GET") != std::string::npos);
  CHECK(allow.find("DELETE") != std::string::npos);
}

TEST_CASE("a job can be cancelled, a dead one retried, and neither twice over") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x");
  CHECK(g.json(200, "DELETE", "/v1/jobs/" + id).at("state") == "cancelled");
  CHECK(g.json(200, "DELETE", "/v1/jobs/" + id).at("state") == "cancelled");
  g.json(410, "GET", "/v1/jobs/" + id + "/result");
  g.json(409, "POST", "/v1/jobs/" + id + "/retry");
  id = g.enqueue("q", "x");
  auto token = g.lease("q");
  g.json(200, "POST", "/v1/leases/" + token + "/fail",
         R"({"error":"broken","retry":false})");
  CHECK(g.state_of(id) == "dead");
  auto gone = g.json(410, "GET", "/v1/jobs/" + id + "/result");
  CHECK(gone.at("detail").get<std::string>().find("broken")
        != std::string::npos);
  g.json(409, "DELETE", "/v1/jobs/" + id);
  CHECK(g.json(200, "POST", "/v1/jobs/" + id + "/retry").at("state")
        == "ready");
}

// -- leases -------------------------------------------------------------------

TEST_CASE("an outside worker leases, extends and completes") {
  gateway_fixture g;
  auto id = g.enqueue("q", std::string_view{"a\0b", 3});
  auto leases
    = g.json(200, "POST", "/v1/queues/q/leases?max=3&ttl=30s&worker=me")
        .at("leases");
  REQUIRE(leases.size() == 1);
  auto& lease = leases[0];
  CHECK(lease.at("id") == id);
  CHECK(lease.at("attempt") == 1);
  CHECK(lease.at("handler") == "q");
  CHECK(base64_decode(lease.at("payload_base64").get<std::string>())
        == std::string_view{"a\0b", 3});
  auto path = "/v1/leases/" + lease.at("token").get<std::string>();
  auto extended = g.json(200, "POST", path + "/extend",
                         R"({"ttl":"1m","progress":"half"})");
  CHECK(extended.at("cancelled") == false);
  CHECK(extended.at("deadline").get<std::string>()
        > lease.at("deadline").get<std::string>());
  auto job = g.json(200, "GET", "/v1/jobs/" + id);
  CHECK(job.at("progress") == "half");
  CHECK(job.at("worker") == "me");
  g.json(202, "GET", "/v1/jobs/" + id + "/result");
  g.json(200, "POST", path + "/complete", "result");
  g.json(200, "POST", path + "/complete", "another");
  auto result = g.send("GET", "/v1/jobs/" + id + "/result");
  CHECK(result.status == 200);
  CHECK(result.header("Content-Type") == "application/octet-stream");
  CHECK(result.body == "result");
  g.json(409, "POST", path + "/release");
}

TEST_CASE("a stale token is refused") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x");
  auto token = g.lease("q");
  g.json(200, "POST", "/v1/leases/" + token + "/release");
  auto second = g.lease("q");
  CHECK(second != token);
  for (auto what : {"complete", "fail", "extend", "release"})
    CHECK(g.json(409, "POST", "/v1/leases/" + token + "/" + what).at("code")
          == "stale_lease");
  g.json(409, "POST", "/v1/leases/nonsense/complete");
  g.json(200, "POST", "/v1/leases/" + second + "/complete", "ok");
  CHECK(g.state_of(id) == "succeeded");
}

TEST_CASE("the worker of a cancelled job is told when it extends") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x");
  auto token = g.lease("q");
  g.json(200, "DELETE", "/v1/jobs/" + id);
  CHECK(g.json(200, "POST", "/v1/leases/" + token + "/extend").at("cancelled")
        == true);
  CHECK(g.json(409, "POST", "/v1/leases/" + token + "/complete", "r").at("code")
        == "cancelled");
}

TEST_CASE("a long poll is answered when a job comes, and at its end") {
  gateway_fixture g;
  auto waiting = std::async(std::launch::async, [&g] {
    auto client = g.client();
    return client.send("POST", "/v1/queues/q/leases?wait=20s");
  });
  REQUIRE(eventually([&g] { return g.server->metrics().connections > 0; }));
  auto id = g.enqueue("q", "x");
  auto reply = waiting.get();
  REQUIRE(reply);
  CHECK(nlohmann::json::parse(reply->body).at("leases").at(0).at("id") == id);
  CHECK(g.json(200, "POST", "/v1/queues/q/leases?wait=50ms")
          .at("leases")
          .empty());
}

TEST_CASE("a job goes back at once when the client that waited for it has "
          "gone") {
  gateway_fixture g;
  {
    raw_connection gone{g.server->port()};
    gone.write("POST /v1/queues/q/leases?wait=20s&worker=gone HTTP/1.1\r\n"
               "Host: x\r\n\r\n");
    // Its demand is there when a request behind it has been answered.
    g.json(200, "GET", "/healthz");
  }
  auto id = g.enqueue("q", "x");
  CHECK(eventually([&] {
    auto leases
      = g.json(200, "POST", "/v1/queues/q/leases?worker=here").at("leases");
    return leases.size() == 1 && leases[0].at("id") == id;
  }));
}

TEST_CASE("waiting for a job answers when it is final, and at the wait's end") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x");
  CHECK(g.json(200, "GET", "/v1/jobs/" + id + "?wait=50ms").at("state")
        == "ready");
  auto waiting = std::async(std::launch::async, [&g, id] {
    auto client = g.client();
    return client.get("/v1/jobs/" + id + "/result?wait=20s");
  });
  auto token = g.lease("q");
  g.json(200, "POST", "/v1/leases/" + token + "/complete", "done");
  auto reply = waiting.get();
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(reply->body == "done");
  g.json(404, "GET", "/v1/jobs/999?wait=20s");
}

TEST_CASE("bad bodies of lease calls are refused with a sentence") {
  gateway_fixture g;
  g.enqueue("q", "x");
  auto path = "/v1/leases/" + g.lease("q");
  for (auto body : {"[]", "{", R"({"error":1})", R"({"retry":"no"})",
                    R"({"colour":1})"})
    g.json(400, "POST", path + "/fail", body);
  for (auto body : {R"({"ttl":5})", R"({"ttl":"soon"})", R"({"x":1})"})
    g.json(400, "POST", path + "/extend", body);
  g.json(400, "POST", "/v1/queues/q/leases?max=0");
  g.json(400, "POST", "/v1/queues/q/leases?ttl=0");
  g.json(200, "POST", path + "/fail");
}

// -- queues -------------------------------------------------------------------

TEST_CASE("queues are listed and configured") {
  gateway_fixture g;
  auto set = g.json(200, "PATCH", "/v1/queues/q",
                    R"({"paused":true,"max_depth":2,"max_running":3,"rate":1.5,
                        "retention":"2h","dead_letter":"graves",
                        "backoff":{"min":"5s","factor":3}})")
               .at("settings");
  CHECK(set.at("paused") == true);
  CHECK(set.at("rate") == 1.5);
  CHECK(set.at("retention") == "2h");
  CHECK(set.at("backoff").at("min") == "5s");
  CHECK(set.at("backoff").at("jitter") == 0.2);
  CHECK(set.at("dead_letter") == "graves");
  CHECK(g.json(200, "PATCH", "/v1/queues/q", R"({"dead_letter":null})")
          .at("settings")
          .at("dead_letter")
          .is_null());
  g.enqueue("q", "1");
  g.enqueue("q", "2");
  auto full = g.send("POST", "/v1/queues/q/jobs", "3");
  CHECK(full.status == 429);
  CHECK(full.header("Retry-After"));
  CHECK(g.json(200, "POST", "/v1/queues/q/leases").at("leases").empty());
  auto queue = g.json(200, "GET", "/v1/queues/q");
  CHECK(queue.at("depth").at("ready") == 2);
  CHECK(queue.at("oldest_wait").is_string());
  CHECK(eventually([&] {
    return g.json(200, "GET", "/v1/queues").at("queues").size() == 1;
  }));
  for (auto body :
       {R"({"colour":1})", R"({"paused":1})", R"({"rate":-1})", "[]", "{",
        R"({"backoff":{"min":"2h","max":"1h"}})", R"({"max_depth":-1})",
        R"({"dead_letter":"q"})", R"({"retention":"long"})"})
    g.json(400, "PATCH", "/v1/queues/q", body);
}

TEST_CASE("a purge removes one state, however many") {
  gateway_fixture g;
  std::string lines;
  for (int i = 0; i < 2'500; ++i)
    lines += "{\"payload\":\"x\"}\n";
  g.json(201, "POST", "/v1/queues/q/jobs/batch", lines, ndjson);
  auto kept = g.lease("q");
  CHECK(g.json(200, "DELETE", "/v1/queues/q/jobs?state=ready").at("removed")
        == 2'499);
  g.json(200, "POST", "/v1/leases/" + kept + "/complete", "r");
  g.json(400, "DELETE", "/v1/queues/q/jobs");
  g.json(400, "DELETE", "/v1/queues/q/jobs?state=leased");
  g.json(404, "DELETE", "/v1/queues/nobody/jobs?state=dead");
}

TEST_CASE("finished jobs are listed newest first, and by cursor none twice") {
  gateway_fixture g;
  std::vector<std::string> ids;
  auto finish = [&](std::string_view queue) {
    ids.push_back(g.enqueue(queue, "x"));
    g.json(200, "POST", "/v1/leases/" + g.lease(queue) + "/complete", "r");
  };
  for (int i = 0; i < 3; ++i)
    finish("q");
  finish("r");
  auto list = [&](const std::string& query) {
    return g.json(200, "GET", "/v1/completed?" + query);
  };
  REQUIRE(eventually([&] { return list("top=9").at("jobs").size() == 4; }));
  auto newest = list("top=2");
  CHECK(newest.at("jobs")[0].at("id") == ids[3]);
  CHECK(newest.at("jobs")[1].at("id") == ids[2]);
  CHECK(list("queue=r").at("jobs").size() == 1);
  std::vector<std::string> seen;
  std::string cursor = "0";
  for (int i = 0; i < 3; ++i) {
    auto page = list("top=2&after=" + cursor);
    for (auto& job : page.at("jobs"))
      seen.push_back(job.at("id"));
    cursor = page.at("next");
  }
  CHECK(seen == ids);
  cursor = newest.at("next");
  finish("q");
  REQUIRE(eventually([&] { return list("top=9").at("jobs").size() == 5; }));
  auto later = list("after=" + cursor);
  REQUIRE(later.at("jobs").size() == 1);
  CHECK(later.at("jobs")[0].at("id") == ids.back());
  g.json(400, "GET", "/v1/completed?after=yesterday");
}

// -- the workload API ---------------------------------------------------------

TEST_CASE("workloads are queued as sha512 jobs and pulled as hex") {
  gateway_fixture g;
  auto id = g.json(200, "PUT", "/enqueue?iterations=3", "abc")
              .at("work_id")
              .get<std::string>();
  g.json(200, "POST", "/enqueue?iterations=1", "abc");
  g.json(400, "PUT", "/enqueue?iterations=0", "abc");
  auto job = g.json(200, "GET", "/v1/jobs/" + id);
  CHECK(job.at("handler") == "sha512");
  auto token = g.lease("sha512");
  g.json(200, "POST", "/v1/leases/" + token + "/complete", "\x01\xff");
  nlohmann::json pulled;
  REQUIRE(eventually([&] {
    pulled = g.json(200, "POST", "/pullCompleted?top=5");
    return !pulled.empty();
  }));
  CHECK(pulled
        == nlohmann::json::array({{{"work_id", id}, {"value", "01ff"}}}));
}

// -- the node -----------------------------------------------------------------

TEST_CASE("health, readiness, workers and metrics are told") {
  gateway_fixture g;
  g.json(200, "GET", "/healthz");
  g.json(200, "GET", "/readyz");
  g.serving = false;
  g.json(503, "GET", "/readyz");
  auto workers = g.json(200, "GET", "/v1/workers").at("workers");
  REQUIRE(workers.size() == 1);
  CHECK(workers[0].at("queues") == nlohmann::json::array({"a", "b"}));
  auto metrics = g.send("GET", "/metrics");
  CHECK(metrics.header("Content-Type")->starts_with("text/plain"));
  CHECK(metrics.body.find("muster_test 1\n") != std::string::npos);
  CHECK(metrics.body.find("muster_http_requests_total{route=\"/healthz\","
                          "method=\"GET\",status=\"200\"} 1")
        != std::string::npos);
}

TEST_CASE("a draining gateway refuses work and lets work be finished") {
  gateway_fixture g;
  auto id = g.enqueue("q", "x");
  auto token = g.lease("q");
  auto waiting = std::async(std::launch::async, [&g] {
    auto client = g.client();
    return client.send("POST", "/v1/queues/none/leases?wait=20s");
  });
  REQUIRE(eventually([&g] { return g.server->metrics().connections >= 2; }));
  // Settled over a connection that is open already and in use.
  raw_connection open{g.server->port()};
  open.write("POST /v1/leases/" + token
             + "/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
  g.json(200, "GET", "/healthz");
  g.server->drain();
  open.write("done");
  auto answer = open.read_all();
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.find("Connection: close") != std::string::npos);
  auto reply = waiting.get();
  REQUIRE(reply);
  CHECK(nlohmann::json::parse(reply->body).at("leases").empty());
}

// -- HTTP itself --------------------------------------------------------------

TEST_CASE("requests in one packet are answered in order") {
  gateway_fixture g;
  raw_connection c{g.server->port()};
  std::string request = "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: 1\r\n\r\nx";
  c.write(request + request + "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
          + request);
  auto answers = c.read_until("HTTP/1.1 ", 4);
  answers += c.read_until("\"ready\"}", answers.ends_with("\"ready\"}") ? 0 : 1);
  auto first = answers.find("\"id\":\"1\"");
  auto second = answers.find("\"id\":\"2\"");
  auto third = answers.find("404 Not Found");
  auto fourth = answers.find("\"id\":\"3\"");
  REQUIRE(fourth != std::string::npos);
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < fourth);
}

TEST_CASE("a request may come byte by byte") {
  gateway_fixture g;
  raw_connection c{g.server->port()};
  std::string request = "POST /v1/queues/q/jobs?priority=3 HTTP/1.1\r\n"
                        "Host: x\r\nContent-Length: 3\r\n\r\nabc";
  for (auto byte : request)
    c.write({&byte, 1});
  CHECK(c.read_until("\"ready\"}").starts_with("HTTP/1.1 201 "));
}

TEST_CASE("a body may be chunked") {
  gateway_fixture g;
  raw_connection c{g.server->port()};
  c.write("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(c.read_until("\"ready\"}").starts_with("HTTP/1.1 201 "));
  auto leases = g.json(200, "POST", "/v1/queues/q/leases").at("leases");
  CHECK(base64_decode(leases.at(0).at("payload_base64").get<std::string>())
        == "abcde");
}

TEST_CASE("a client that asks before it sends a body is told to go on") {
  gateway_fixture g;
  raw_connection c{g.server->port()};
  c.write("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
          "Expect: 100-continue\r\n\r\n");
  CHECK(c.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  c.write("abc");
  CHECK(c.read_until("\"ready\"}").starts_with("HTTP/1.1 201 "));
}

TEST_CASE("HEAD is answered as GET is, without the body") {
  gateway_fixture g;
  raw_connection c{g.server->port()};
  c.write("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto answer = c.read_all();
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.find("Content-Length: 18") != std::string::npos);
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("what is too large is refused, and the server goes on") {
  gateway_options options;
  options.max_payload = 1'000;
  gateway_fixture g{options};
  SECTION("a payload by its announced length") {
    raw_connection c{g.server->port()};
    c.write("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 1001\r\n\r\n");
    CHECK(c.read_all().starts_with("HTTP/1.1 413 "));
  }
  SECTION("a payload in chunks") {
    raw_connection c{g.server->port()};
    c.write("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"
            + std::string(2'000, 'x') + "\r\n0\r\n\r\n");
    c.shut_down_writing();
    CHECK(c.read_all().starts_with("HTTP/1.1 413 "));
  }
  SECTION("a payload in a batch") {
    g.json(413, "POST", "/v1/queues/q/jobs/batch",
           R"({"payload":")" + std::string(1'001, 'x') + "\"}", ndjson);
  }
  SECTION("a header") {
    raw_connection c{g.server->port()};
    c.write("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(40'000, 'x')
            + "\r\n\r\n");
    c.shut_down_writing();
    CHECK(c.read_all().starts_with("HTTP/1.1 431 "));
  }
  g.json(200, "GET", "/healthz");
}

TEST_CASE("what is not HTTP is refused, and the server goes on") {
  gateway_fixture g;
  for (auto text : {"\x16\x03\x01 hello\r\n\r\n", "GET\r\n\r\n",
                    "GET / HTTP/9.9\r\n\r\n",
                    "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: many\r\n\r\n",
                    "GET /healthz HTTP/1.1\r\n\r\n"}) {
    raw_connection c{g.server->port()};
    c.write(text);
    c.shut_down_writing();
    CHECK(c.read_all().starts_with("HTTP/1.1 400 "));
  }
  g.json(200, "GET", "/healthz");
}

TEST_CASE("a request that does not arrive is given up") {
  gateway_options options;
  options.request_timeout = 1s;
  gateway_fixture g{options};
  raw_connection c{g.server->port()};
  c.write("POST /v1/queues/q/jobs HTTP/1.1\r\nHo");
  CHECK(c.read_all().starts_with("HTTP/1.1 408 "));
}

TEST_CASE("a connection without requests is closed after its time") {
  gateway_options options;
  options.idle_timeout = 1s;
  gateway_fixture g{options};
  raw_connection c{g.server->port()};
  CHECK(c.read_all().empty());
}

TEST_CASE("connections beyond the limit are turned away") {
  gateway_options options;
  options.max_connections = 2;
  gateway_fixture g{options};
  g.json(200, "GET", "/healthz");
  raw_connection second{g.server->port()};
  REQUIRE(eventually([&g] { return g.server->metrics().connections == 2; }));
  raw_connection third{g.server->port()};
  CHECK(third.read_all().starts_with("HTTP/1.1 503 "));
}

TEST_CASE("several threads serve as one does") {
  gateway_options options;
  options.threads = 3;
  gateway_fixture g{options};
  std::vector<std::future<std::set<std::string>>> clients;
  for (int i = 0; i < 6; ++i)
    clients.push_back(std::async(std::launch::async, [&g] {
      auto client = g.client();
      std::set<std::string> ids;
      for (int k = 0; k < 50; ++k)
        if (auto reply = client.post("/v1/queues/q/jobs", "x");
            reply && reply->status == 201)
          ids.insert(nlohmann::json::parse(reply->body).at("id"));
      return ids;
    }));
  std::set<std::string> all;
  for (auto& each : clients)
    all.merge(each.get());
  CHECK(all.size() == 300);
}

TEST_CASE("without a journal everything is unavailable for the moment") {
  gateway_fixture g;
  auto target = g.port->detach();
  CHECK(g.json(503, "POST", "/v1/queues/q/jobs", "x").at("code")
        == "unavailable");
  g.json(503, "GET", "/v1/jobs/1");
  g.json(503, "GET", "/v1/queues");
  g.port->attach(target);
  g.enqueue("q", "x");
}

TEST_CASE("an occupied port gives way to the next, unless it must not") {
  gateway_fixture g;
  gateway_options options;
  options.port = g.server->port();
  gateway_backend backend;
  backend.journal = g.port;
  auto next = gateway::start(options, backend);
  REQUIRE(next);
  CHECK((*next)->port() != g.server->port());
  options.strict_port = true;
  auto refused = gateway::start(options, backend);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::io_error);
  options.address = "not an address";
  CHECK_FALSE(gateway::start(options, backend));
}
