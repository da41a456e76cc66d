#include "runtime/http_metrics.hpp"
#include "runtime/problem.hpp"
#include "runtime/rate_sampler.hpp"
#include "runtime/wait_list.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace muster;
using namespace std::chrono_literals;

// -- problems -----------------------------------------------------------------

TEST_CASE("a problem says what is wrong for programs and for people") {
  auto answer = problem(error{errc::queue_full});
  CHECK(answer.status == 429);
  CHECK(answer.content_type == "application/problem+json");
  auto body = nlohmann::json::parse(answer.body);
  CHECK(body
        == nlohmann::json{{"type", "about:blank"},
                          {"title", "Too Many Requests"},
                          {"status", 429},
                          {"code", "queue_full"},
                          {"detail", describe(errc::queue_full)}});
}

TEST_CASE("a problem of HTTP itself has no code") {
  auto body = nlohmann::json::parse(problem(404, "no such \"path\"").body);
  CHECK(!body.contains("code"));
  CHECK(body.at("detail") == "no such \"path\"");
}

TEST_CASE("a problem quotes a bounded part of what was sent") {
  auto answer = problem(400, std::string(1'000'000, '\xFF'));
  CHECK(answer.body.size() < 10'000);
  CHECK(nlohmann::json::accept(answer.body));
}

TEST_CASE(
  "every error has a status, and those that pass say when to try again") {
  for (int i = 1; i <= static_cast<int>(last_errc); ++i) {
    auto code = static_cast<errc>(i);
    INFO(to_string(code));
    auto answer = problem(error{code});
    CHECK(answer.status >= 400);
    CHECK(reason_of(answer.status) != "Unknown");
    auto passes = answer.status == 429 || answer.status == 503;
    CHECK(passes == is_retryable(code));
    CHECK(answer.headers.size() == (passes ? 1 : 0));
  }
}

// -- waits --------------------------------------------------------------------

TEST_CASE("waits end when their time is over, each once") {
  wait_list waits{10};
  auto start = wait_list::clock::time_point{} + 1h;
  std::string ended;
  auto end = [&ended](char c) { return [&ended, c] { ended += c; }; };
  (void)waits.add(start + 3s, end('c'));
  (void)waits.add(start + 1s, end('a'));
  (void)waits.add(start + 1s, end('b'));
  auto removed = waits.add(start + 1s, end('x'));
  waits.remove(removed);
  waits.remove(removed);
  CHECK(waits.expire(start) == start + 1s);
  CHECK(ended.empty());
  CHECK(waits.expire(start + 1s) == start + 3s);
  CHECK(ended == "ab");
  CHECK(waits.expire(start + 1h) == wait_list::clock::time_point::max());
  CHECK(ended == "abc");
  CHECK(waits.size() == 0);
}

TEST_CASE("waits have a limit and can all be ended") {
  wait_list waits{2};
  auto until = wait_list::clock::time_point{} + 1h;
  int ended = 0;
  auto end = [&ended] { ++ended; };
  CHECK(waits.add(until, end) != wait_list::wait_id::none);
  CHECK(waits.add(until, end) != wait_list::wait_id::none);
  CHECK(waits.add(until, end) == wait_list::wait_id::none);
  waits.end_all();
  CHECK(ended == 2);
  CHECK(waits.add(until, end) != wait_list::wait_id::none);
}

// -- rates --------------------------------------------------------------------

TEST_CASE("rates are what totals grew by over the last seconds") {
  rate_sampler sampler;
  auto start = rate_sampler::clock::time_point{} + 1h;
  queue_info queue;
  queue.name = "q";
  CHECK(sampler.rates(queue, start).enqueued == 0);
  for (int second = 0; second < 100; ++second) {
    sampler.sample({queue}, start + std::chrono::seconds{second});
    queue.enqueued_total += 50;
    queue.succeeded_total += 30;
    queue.dead_total += 2;
    queue.cancelled_total += 1;
    queue.failed_total += 4;
  }
  auto rates = sampler.rates(queue, start + 100s);
  CHECK(rates.enqueued == 50);
  CHECK(rates.finished == 33);
  CHECK(rates.failed == 4);
  // It stops; some seconds later nothing of it is left.
  for (int second = 100; second < 100 + 10; ++second)
    sampler.sample({queue}, start + std::chrono::seconds{second});
  CHECK(sampler.rates(queue, start + 110s).enqueued == 0);
}

TEST_CASE("rates of a queue that was just made are no accident") {
  rate_sampler sampler;
  auto start = rate_sampler::clock::time_point{} + 1h;
  queue_info queue;
  queue.name = "q";
  queue.enqueued_total = 1'000;
  sampler.sample({queue}, start);
  CHECK(sampler.rates(queue, start).enqueued == 0);
}

TEST_CASE("rates are kept for a bounded number of queues") {
  rate_sampler sampler;
  auto start = rate_sampler::clock::time_point{} + 1h;
  std::vector<queue_info> queues(rate_sampler::max_queues + 1);
  for (std::size_t i = 0; i < queues.size(); ++i)
    queues[i].name = std::to_string(i);
  sampler.sample(queues, start);
  for (auto& queue : queues)
    queue.enqueued_total = 10;
  CHECK(sampler.rates(queues.front(), start + 1s).enqueued == 10);
  CHECK(sampler.rates(queues.back(), start + 1s).enqueued == 0);
}

// -- metrics ------------------------------------------------------------------

TEST_CASE("requests are counted by route, method and status") {
  http_metrics metrics;
  metrics.record("/v1/jobs/{id}", "GET", 200, 100);
  metrics.record("/v1/jobs/{id}", "GET", 200, 3'000'000);
  metrics.record("/v1/jobs/{id}", "GET", 404, 10);
  metrics.record("/v1/jobs/{id}", "DELETE", 200, 10);
  auto text = metrics.render();
  auto has = [&text](const std::string& line) {
    return text.find('\n' + line + '\n') != std::string::npos;
  };
  const std::string labels = R"(route="/v1/jobs/{id}",method="GET")";
  CHECK(has("muster_http_requests_total{" + labels + R"(,status="200"} 2)"));
  CHECK(has("muster_http_requests_total{" + labels + R"(,status="404"} 1)"));
  auto buckets = "muster_http_request_duration_seconds_bucket{" + labels;
  CHECK(has(buckets + R"(,le="1.6e-05"} 1)"));
  CHECK(has(buckets + R"(,le="0.000256"} 2)"));
  CHECK(has(buckets + R"(,le="4.194304"} 3)"));
  CHECK(has(buckets + R"(,le="+Inf"} 3)"));
  CHECK(has("muster_http_request_duration_seconds_count{" + labels + "} 3"));
  CHECK(has("muster_http_connections 0"));
}
