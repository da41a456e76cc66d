#include "runtime/runtime.hpp"

#include "runtime/http_client.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct sum {
  int a = 0;
  int b = 0;
  MSGPACK_DEFINE_MAP(a, b)
};

struct total {
  int value = 0;
  MSGPACK_DEFINE_MAP(value)
};

runtime_options options_in(const temp_dir& dir) {
  runtime_options options;
  options.directory = dir.path() / "data";
  options.concurrency = 2;
  options.handlers["add"]
    = typed_handler<sum>([](const sum& x) { return total{x.a + x.b}; });
  return options;
}

runtime open(runtime_options options) {
  auto result = runtime::open(std::move(options));
  if (!result)
    FAIL(result.error().message);
  return std::move(*result);
}

} // namespace

TEST_CASE("a program enqueues typed jobs and waits for typed results") {
  temp_dir dir;
  auto jobs = open(options_in(dir));
  auto id = jobs.enqueue("add", sum{1, 2});
  REQUIRE(id);
  auto done = jobs.wait<total>(*id, 30s);
  REQUIRE(done);
  CHECK(done->value == 3);
  auto info = jobs.job(*id);
  REQUIRE(info);
  CHECK(info->state == job_state::succeeded);
  CHECK(info->queue == "add");
  auto many = jobs.enqueue_all("sums", std::vector<sum>{{1, 1}, {2, 2}},
                               {.handler = "add", .priority = 7});
  REQUIRE(many);
  REQUIRE(many->size() == 2);
  CHECK(jobs.wait<total>((*many)[1], 30s)->value == 4);
  CHECK(jobs.job((*many)[0])->priority == 7);
  CHECK(jobs.http_port() == 0);
  CHECK(!jobs.failed());
}

TEST_CASE("what goes wrong with a job is told to who waits for it") {
  temp_dir dir;
  auto options = options_in(dir);
  options.handlers["throws"] = typed_handler<sum>(
    [](const sum&) -> total { throw std::runtime_error{"no luck"}; });
  options.handlers["refuses"]
    = typed_handler<sum>([](const sum&) -> expected<total> {
        return fail_with(errc::invalid_argument, "never");
      });
  options.handlers["nothing"] = typed_handler<sum>([](const sum&) {});
  auto jobs = open(std::move(options));
  auto error_of = [&](std::string_view queue, const auto& payload) {
    auto id = jobs.enqueue(queue, payload, {.max_attempts = 1});
    REQUIRE(id);
    auto done = jobs.wait<total>(*id, 30s);
    REQUIRE(!done);
    return done.error();
  };
  CHECK(error_of("throws", sum{}) == error{errc::handler_failed, "no luck"});
  CHECK(error_of("refuses", sum{}) == error{errc::handler_failed, "never"});
  CHECK(error_of("add", total{1})
        == error{errc::handler_failed, "field 'a' is missing"});
  CHECK(error_of("unknown", sum{}).message.find("'unknown'")
        != std::string::npos);
  CHECK(error_of("nothing", sum{}).code == errc::malformed);
  CHECK(jobs.wait<total>(job_id{4'711}, 30s).error().code
        == errc::job_not_found);
  CHECK(jobs.job(job_id{4'711}).error().code == errc::job_not_found);
}

TEST_CASE("waiting ends with its time, and jobs can be cancelled and retried") {
  temp_dir dir;
  auto jobs = open(options_in(dir));
  auto id = jobs.enqueue("add", sum{1, 1}, {.delay = 1h});
  REQUIRE(id);
  CHECK(jobs.wait<total>(*id, 0ms).error().code == errc::timed_out);
  CHECK(jobs.wait<total>(*id, 30ms).error().code == errc::timed_out);
  CHECK(jobs.retry(*id).error().code == errc::wrong_state);
  CHECK(jobs.cancel(*id));
  CHECK(jobs.wait<total>(*id, 30s).error().code == errc::cancelled);
  CHECK(jobs.cancel(*id));
  auto other = jobs.enqueue("add", sum{1, 1}).value();
  REQUIRE(jobs.wait<total>(other, 30s));
  CHECK(jobs.cancel(other).error().code == errc::wrong_state);
  CHECK(jobs.cancel(job_id{4'711}).error().code == errc::job_not_found);
}

TEST_CASE("the same idempotency key is the same job") {
  temp_dir dir;
  auto jobs = open(options_in(dir));
  auto first = jobs.enqueue("add", sum{1, 2}, {.idempotency_key = "k"});
  auto again = jobs.enqueue("add", sum{3, 4}, {.idempotency_key = "k"});
  REQUIRE(first);
  CHECK(first == again);
  CHECK(jobs
          .enqueue_all("add", std::vector<sum>{{1, 1}, {2, 2}},
                       {.idempotency_key = "k"})
          .error()
          .code
        == errc::invalid_argument);
}

TEST_CASE("jobs outlive the runtime, and running ones are handed back") {
  temp_dir dir;
  job_id waiting{};
  job_id running{};
  {
    auto options = options_in(dir);
    auto begun = std::make_shared<std::atomic<bool>>(false);
    options.drain_timeout = 0ms;
    options.handlers["slow"] = typed_handler<sum>(
      [begun](const sum&, job_context& ctx) -> expected<total> {
        *begun = true;
        while (ctx.wait_for(1min))
          ;
        return ctx.stopped();
      });
    auto jobs = open(std::move(options));
    running = jobs.enqueue("slow", sum{2, 2}).value();
    waiting = jobs.enqueue("add", sum{1, 2}, {.delay = 1ms}).value();
    while (!*begun)
      std::this_thread::sleep_for(1ms);
    jobs.close();
    CHECK(jobs.enqueue("add", sum{}).error().code == errc::shutting_down);
    for (auto& why :
         {jobs.job(running).error(), jobs.wait_bytes(running, 30s).error()}) {
      CHECK(why.code == errc::shutting_down);
      CHECK(why.message == "the runtime is closed");
    }
  }
  auto options = options_in(dir);
  options.handlers["slow"] = options.handlers["add"];
  auto jobs = open(std::move(options));
  CHECK(jobs.wait<total>(running, 30s)->value == 4);
  CHECK(jobs.wait<total>(waiting, 30s)->value == 3);
}

TEST_CASE("a directory is used by one runtime at a time") {
  temp_dir dir;
  auto jobs = open(options_in(dir));
  auto second = runtime::open(options_in(dir));
  REQUIRE(!second);
  CHECK(second.error().code == errc::store_locked);
  // It is free again at once.
  jobs.close();
  auto third = runtime::open(options_in(dir));
  CHECK(third);
}

TEST_CASE("options that cannot be are refused with the reason") {
  temp_dir dir;
  auto problem = [&](auto change) {
    auto options = options_in(dir);
    change(options);
    auto result = runtime::open(std::move(options));
    REQUIRE(!result);
    return result.error();
  };
  CHECK(problem([](auto& o) { o.directory.clear(); })
        == error{errc::invalid_argument, "directory: must not be empty"});
  CHECK(problem([](auto& o) { o.handlers["no name"] = o.handlers["add"]; }).code
        == errc::invalid_argument);
  CHECK(problem([](auto& o) { o.handlers["none"] = {}; }).code
        == errc::invalid_argument);
  CHECK(problem([](auto& o) { o.queues = {"no name"}; }).code
        == errc::invalid_argument);
  CHECK(problem([](auto& o) {
          o.http = http_access{.address = "0.0.0.0"};
        }).message.find("tokens")
        != std::string::npos);
  CHECK(problem([](auto& o) { o.directory = "/dev/null/x"; }).code
        == errc::io_error);
  auto jobs = open([&] {
    auto options = options_in(dir);
    options.max_payload = 10;
    return options;
  }());
  CHECK(jobs.enqueue_bytes("add", "01234567890").error().code
        == errc::payload_too_large);
  CHECK(jobs.enqueue_bytes("no name", "").error().code
        == errc::invalid_argument);
}

TEST_CASE("a runtime serves HTTP if it is asked to") {
  temp_dir dir;
  auto options = options_in(dir);
  options.http = http_access{.port = 0};
  auto jobs = open(std::move(options));
  REQUIRE(jobs.http_port() != 0);
  http_client client{"127.0.0.1", jobs.http_port()};
  CHECK(client.get("/readyz")->status == 200);
  auto id = jobs.enqueue("add", sum{5, 6}).value();
  auto reply = client.get("/v1/jobs/" + to_string(id) + "/result?wait=30s");
  REQUIRE(reply);
  CHECK(from_payload<total>(reply->body)->value == 11);
  CHECK(client.get("/metrics")->body.find("muster_") != std::string::npos);
}
