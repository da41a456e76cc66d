#include "actors/job_runner.hpp"

#include "handler_fixture.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;

namespace {

// A latch that a handler waits for, whatever it is asked.
struct gate {
  std::promise<void> promise;
  std::shared_future<void> opened{promise.get_future()};
  void open() {
    promise.set_value();
  }
};

struct fixture {
  explicit fixture(std::uint32_t concurrency = 1, millis stuck_after = 10s)
    : stuck_after_(stuck_after), concurrency_(concurrency) {
    add_builtin_handlers(*handlers);
  }

  ~fixture() {
    if (!runner)
      return;
    runner->shutdown();
    CHECK(runner->wait_until_ended(10s));
  }

  void add(std::string name, handler_function fn) {
    REQUIRE(handlers->add(std::move(name), std::move(fn)));
  }

  void start() {
    metrics = std::make_shared<worker_metrics>(handlers);
    job_runner_options options;
    options.concurrency = concurrency_;
    options.max_result_bytes = 1'000;
    options.stuck_after = stuck_after_;
    options.metrics = metrics;
    options.note = note;
    options.on_outcomes = [this] { ++rings; };
    runner = std::make_unique<job_runner>(std::move(options));
  }

  lease_token submit(std::string handler, std::string payload = {},
                     millis timeout = 60s) {
    if (!runner)
      start();
    leased_job job;
    job.token = {job_id{++last_id}, 1};
    job.handler = std::move(handler);
    job.payload = std::move(payload);
    job.timeout = timeout;
    runner->submit({job});
    return job.token;
  }

  // The next `n` outcomes, fewer if they do not come.
  std::vector<attempt_outcome> collect(std::size_t n = 1) {
    std::vector<attempt_outcome> result;
    static_cast<void>(eventually([&] {
      auto report = runner->collect(n - result.size(), SIZE_MAX);
      for (auto& item : report.outcomes)
        result.push_back(std::move(item));
      return result.size() == n;
    }));
    return result;
  }

  bool is_running(std::uint32_t n = 1) {
    return eventually([&] { return runner->look().running == n; });
  }

  handler_counters counters(std::string_view name) {
    auto all = metrics->read();
    for (auto& entry : all.handlers)
      if (entry.handler == name)
        return entry;
    return {};
  }

  millis stuck_after_;
  std::uint32_t concurrency_;
  std::shared_ptr<handler_registry> handlers
    = std::make_shared<handler_registry>();
  std::shared_ptr<running_note> note;
  std::shared_ptr<worker_metrics> metrics;
  std::atomic<int> rings{0};
  std::uint64_t last_id = 0;
  std::unique_ptr<job_runner> runner;
};

} // namespace

TEST_CASE("jobs run and their results are collected in order") {
  fixture fix;
  fix.start();
  std::vector<lease_token> tokens;
  for (int i = 0; i < 100; ++i)
    tokens.push_back(fix.submit("echo", std::to_string(i)));
  auto outcomes = fix.collect(100);
  REQUIRE(outcomes.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(outcomes[i].token == tokens[i]);
    CHECK(outcomes[i].kind == outcome_kind::succeeded);
    CHECK(outcomes[i].text == std::to_string(i));
  }
  auto counters = fix.counters("echo");
  CHECK(counters.started == 100);
  CHECK(counters.succeeded == 100);
  CHECK(counters.run_us.count() == 100);
}

TEST_CASE("a handler that fails or throws fails its attempt") {
  fixture fix;
  fix.add("throw", [](job_context&) -> expected<std::string> {
    throw std::runtime_error("it broke");
  });
  fix.add("throw_other",
          [](job_context&) -> expected<std::string> { throw 42; });
  fix.add("binary", [](job_context&) -> expected<std::string> {
    return fail_with(errc::handler_failed, "a\xFFz");
  });
  fix.add("long", [](job_context&) -> expected<std::string> {
    return fail_with(errc::handler_failed, std::string(9'000, '\xFF'));
  });
  fix.add("large", [](job_context&) -> expected<std::string> {
    return std::string(1'001, 'x');
  });
  auto [handler, text, retry] = GENERATE(table<std::string, std::string, bool>({
    {"throw", "it broke", true},
    {"throw_other", "the handler threw", true},
    {"fail", "attempt 1 fails as asked", true},
    {"sha512", "the payload is not msgpack", false},
    {"nobody", "no handler is named 'nobody'", true},
    {"binary", "a\xEF\xBF\xBDz", true},
    {"large", "The result exceeds the limit.", false},
  }));
  fix.submit(handler);
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::failed);
  CHECK(outcomes[0].text == text);
  CHECK(outcomes[0].retry == retry);
  fix.submit("long");
  outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].text.size() <= limits::text);
  CHECK(outcomes[0].text.size() > limits::text - 3);
}

TEST_CASE("no more jobs run at once than there are threads") {
  fixture fix{3};
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  fix.add("count", [&](job_context& ctx) -> expected<std::string> {
    auto n = ++now;
    auto before = most.load();
    while (before < n && !most.compare_exchange_weak(before, n))
      ;
    static_cast<void>(ctx.wait_for(2ms));
    --now;
    return "";
  });
  fix.start();
  for (int i = 0; i < 60; ++i)
    fix.submit("count");
  CHECK(fix.collect(60).size() == 60);
  CHECK(most <= 3);
}

TEST_CASE("one call announces outcomes until somebody collects") {
  fixture fix;
  fix.start();
  for (int i = 0; i < 10; ++i)
    fix.submit("echo");
  REQUIRE(eventually([&] { return fix.runner->look().finished == 10; }));
  CHECK(fix.rings == 1);
  CHECK(fix.runner->collect(4, SIZE_MAX).outcomes.size() == 4);
  fix.submit("echo");
  REQUIRE(eventually([&] { return fix.runner->look().finished == 7; }));
  CHECK(eventually([&] { return fix.rings == 2; }));
}

TEST_CASE("a report is bounded in bytes, but holds one outcome at least") {
  fixture fix;
  fix.start();
  for (int i = 0; i < 4; ++i)
    fix.submit("echo", std::string(100, 'x'));
  REQUIRE(eventually([&] { return fix.runner->look().finished == 4; }));
  auto report = fix.runner->collect(10, 250);
  CHECK(report.outcomes.size() == 2);
  CHECK(report.ran == 4);
  CHECK(fix.runner->collect(10, 1).outcomes.size() == 1);
  CHECK(fix.runner->collect(10, 100).outcomes.size() == 1);
}

TEST_CASE("a job that is dropped while it waits does not run") {
  fixture fix;
  auto first = fix.submit("sleep", "10s");
  REQUIRE(fix.is_running());
  auto second = fix.submit("echo", "second");
  auto third = fix.submit("echo", "third");
  fix.runner->drop(second, stop_reason::cancelled);
  fix.runner->drop(first, stop_reason::cancelled);
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].token == third);
  CHECK(fix.runner->tokens().empty());
  CHECK(fix.counters("sleep").cancelled == 1);
}

TEST_CASE("jobs that wait are released on demand") {
  fixture fix;
  auto running = fix.submit("sleep", "10s");
  REQUIRE(fix.is_running());
  auto waiting = fix.submit("echo");
  CHECK(fix.runner->tokens() == std::vector{running, waiting});
  fix.runner->release_waiting();
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].token == waiting);
  CHECK(outcomes[0].kind == outcome_kind::released);
  CHECK(fix.runner->tokens() == std::vector{running});
}

TEST_CASE("jobs that run are released when their handler returns") {
  fixture fix;
  fix.submit("sleep", "10s");
  REQUIRE(fix.is_running());
  fix.runner->release_running();
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::released);
  CHECK(fix.counters("sleep").released == 1);
}

TEST_CASE(
  "a handler that succeeds although it was asked to stop has succeeded") {
  fixture fix;
  fix.add("stubborn", [](job_context& ctx) -> expected<std::string> {
    while (!ctx.cancelled())
      static_cast<void>(ctx.wait_for(10s));
    return "done";
  });
  fix.submit("stubborn");
  REQUIRE(fix.is_running());
  fix.runner->release_running();
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::succeeded);
}

TEST_CASE("a handler that minds its time limit fails as timed out") {
  fixture fix;
  fix.submit("sleep", "1h", 20ms);
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::timed_out);
  CHECK(outcomes[0].text == "the attempt exceeded its time limit");
  CHECK(fix.counters("sleep").timed_out == 1);
}

TEST_CASE("a handler that overruns its time limit fails at once") {
  gate door;
  fixture fix;
  fix.add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    return "much too late";
  });
  fix.submit("stuck", "", 10ms);
  REQUIRE(fix.is_running());
  // Within its grace nothing happens.
  fix.runner->check(job_runner::clock::now());
  CHECK(fix.runner->look().running == 1);
  fix.runner->check(job_runner::clock::now() + 1s);
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::timed_out);
  auto figures = fix.runner->look();
  CHECK(figures.running == 0);
  CHECK(figures.blocked == 1);
  door.open();
  REQUIRE(eventually([&] { return fix.runner->look().blocked == 0; }));
  // What it returned in the end is nobody's.
  CHECK(fix.runner->look().finished == 0);
  fix.submit("echo", "next");
  CHECK(fix.collect().size() == 1);
}

TEST_CASE("a thread whose handler never returns is replaced") {
  gate door;
  fixture fix{1, 1s};
  fix.add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    return "";
  });
  fix.submit("stuck", "", 10ms);
  REQUIRE(fix.is_running());
  auto now = job_runner::clock::now() + 1s;
  fix.runner->check(now);
  fix.submit("echo", "waits");
  fix.runner->check(now + 999ms);
  CHECK(fix.metrics->read().stuck == 0);
  fix.runner->check(now + 1s);
  CHECK(fix.metrics->read().stuck == 1);
  CHECK(fix.collect(2).size() == 2);
  CHECK(fix.runner->look().blocked == 0);
  door.open();
  CHECK(eventually([&] { return fix.metrics->read().stuck == 0; }));
  CHECK(fix.metrics->read().stuck_total == 1);
  // The thread that came back has ended: one is left.
  fix.submit("sleep", "10s");
  fix.submit("sleep", "10s");
  REQUIRE(fix.is_running());
  CHECK(fix.runner->look().waiting == 1);
}

TEST_CASE("a dropped job whose handler never returns is replaced as well") {
  gate door;
  fixture fix{1, 0ms};
  fix.add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    return "";
  });
  auto token = fix.submit("stuck");
  REQUIRE(fix.is_running());
  fix.runner->drop(token, stop_reason::lease_lost);
  fix.runner->check(job_runner::clock::now());
  fix.submit("echo");
  CHECK(fix.collect().size() == 1);
  door.open();
}

TEST_CASE("only so many stuck threads are replaced") {
  gate door;
  auto threads = static_cast<std::uint32_t>(job_runner::max_stuck + 2);
  fixture fix{threads, 0ms};
  fix.add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    return "";
  });
  for (std::uint32_t i = 0; i < threads; ++i)
    fix.submit("stuck", "", 1ms);
  REQUIRE(fix.is_running(threads));
  fix.runner->check(job_runner::clock::now() + 1s);
  fix.runner->check(job_runner::clock::now() + 2s);
  CHECK(fix.metrics->read().stuck == job_runner::max_stuck);
  CHECK(fix.runner->look().blocked == 2);
  door.open();
  CHECK(eventually([&] { return fix.metrics->read().stuck == 0; }));
}

TEST_CASE("a job without a time limit may run for ever") {
  fixture fix;
  fix.submit("sleep", "10s", 0ms);
  REQUIRE(fix.is_running());
  fix.runner->check(job_runner::clock::now() + std::chrono::hours{1'000});
  CHECK(fix.runner->look().running == 1);
}

TEST_CASE("what runs longer than a drain waits is given up") {
  gate door;
  fixture fix;
  fix.add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    return "";
  });
  fix.submit("stuck");
  REQUIRE(fix.is_running());
  fix.runner->release_running();
  fix.runner->give_up_running();
  auto outcomes = fix.collect();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == outcome_kind::released);
  door.open();
}

TEST_CASE("progress is told once for each change") {
  gate door;
  fixture fix;
  fix.add("talk", [&](job_context& ctx) -> expected<std::string> {
    ctx.progress("half");
    door.opened.wait();
    return "";
  });
  auto token = fix.submit("talk");
  std::vector<held_lease> changed;
  REQUIRE(eventually([&] {
    changed = fix.runner->changed_progress();
    return !changed.empty();
  }));
  CHECK(changed[0].token == token);
  CHECK(changed[0].progress == "half");
  CHECK(fix.runner->changed_progress().empty());
  auto held = fix.runner->held();
  REQUIRE(held.size() == 1);
  CHECK(held[0].progress == std::nullopt);
  door.open();
  REQUIRE(eventually([&] { return fix.runner->look().finished == 1; }));
  // Not collected: its lease must still be extended.
  CHECK(fix.runner->held().size() == 1);
  CHECK(fix.runner->tokens() == std::vector{token});
}

TEST_CASE("a runner ends although handlers run and jobs wait") {
  fixture fix{2};
  fix.submit("sleep", "1h");
  fix.submit("sleep", "1h");
  fix.submit("sleep", "1h");
  REQUIRE(fix.is_running(2));
  fix.runner->shutdown();
  CHECK(fix.runner->wait_until_ended(10s));
  CHECK(fix.rings == 0);
  fix.runner->submit({leased_job{}});
  CHECK(fix.runner->collect(1, 1).outcomes.empty());
}

TEST_CASE("a runner may be destroyed before a stuck handler returns") {
  gate door;
  std::atomic<bool> returned{false};
  auto fix = std::make_unique<fixture>();
  fix->add("stuck", [&](job_context&) -> expected<std::string> {
    door.opened.wait();
    returned = true;
    return "";
  });
  fix->submit("stuck");
  REQUIRE(fix->is_running());
  auto runner = std::move(fix->runner);
  runner->shutdown();
  CHECK(!runner->wait_until_ended(0ms));
  door.open();
  CHECK(runner->wait_until_ended(10s));
  CHECK(returned);
}

TEST_CASE("it is noted what runs, and no longer than it does") {
  fixture fix{2};
  temp_dir dir;
  auto file = dir.path() / "running";
  auto made = running_note::create(file, "1", job_runner::slots_for(2));
  REQUIRE(made);
  fix.note = *made;
  gate held;
  std::atomic<int> begun{0};
  fix.add("hold", [&](job_context&) -> expected<std::string> {
    ++begun;
    held.opened.wait();
    return "done";
  });
  auto first = fix.submit("hold");
  auto second = fix.submit("hold");
  fix.submit("hold");
  CHECK(eventually([&] { return begun == 2; }));
  auto noted = read_running_note(file);
  REQUIRE(noted);
  std::sort(noted->running.begin(), noted->running.end());
  CHECK(noted->running == std::vector{first, second});
  held.open();
  CHECK(eventually([&] {
    auto now = read_running_note(file);
    return begun == 3 && now && now->running.empty();
  }));
}
