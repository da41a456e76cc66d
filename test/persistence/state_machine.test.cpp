#include "test/persistence/machine_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

// The life of a job, one step at a time.

using namespace muster;

TEST_CASE_METHOD(machine_fixture, "a job goes from ready over leased to "
                                  "succeeded, and its result is kept") {
  auto id = enqueue("q", {.handler = "sum", .payload = "1 2 3"});
  CHECK(fx.wakened == std::vector<std::string>{"q"});
  CHECK(state(id) == job_state::ready);
  auto jobs = lease_many("q", 5);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token == lease_token{id, 1});
  CHECK(jobs[0].queue == "q");
  CHECK(jobs[0].handler == "sum");
  CHECK(jobs[0].payload == "1 2 3");
  CHECK(jobs[0].deadline == now + millis{30'000});
  CHECK(jobs[0].timeout == defaults::timeout);
  CHECK(jobs[0].max_attempts == defaults::max_attempts);
  CHECK(job(id).worker == "w");
  CHECK(job(id).started_at == now);
  CHECK(machine->next_wake() == now + millis{30'000});
  now += millis{10};
  CHECK(complete(jobs[0].token, "6") == settle_status::ok);
  REQUIRE(fx.finished.size() == 1);
  CHECK(fx.finished[0].id == id);
  CHECK(fx.finished[0].state == job_state::succeeded);
  CHECK(state(id) == job_state::succeeded);
  CHECK(job(id).finished_at == now);
  CHECK_FALSE(job(id).lease_deadline);
  CHECK(machine->view()->result(id) == "6");
  CHECK(machine->view()->payload_preview(id, 3) == "1 2");
  auto info = queue("q");
  CHECK(info.enqueued_total == 1);
  CHECK(info.leased_total == 1);
  CHECK(info.succeeded_total == 1);
}

TEST_CASE_METHOD(machine_fixture, "higher priority goes first, then the older "
                                  "job") {
  auto late = enqueue("q", {.priority = 0});
  auto first = enqueue("q", {.priority = 255});
  auto third = enqueue("q", {.priority = 7});
  auto second = enqueue("q", {.priority = 8});
  auto fourth = enqueue("q", {.priority = 7});
  std::vector<job_id> order;
  for (auto& leased : lease_many("q", 10))
    order.push_back(leased.token.id);
  CHECK(order == std::vector{first, second, third, fourth, late});
}

TEST_CASE_METHOD(machine_fixture, "a lease takes from its own queue, and at "
                                  "most what was asked for") {
  enqueue("a");
  enqueue("b");
  enqueue("b");
  CHECK(lease_many("b", 1).size() == 1);
  CHECK(lease_many("b", 9).size() == 1);
  CHECK(lease_many("b", 9).empty());
  CHECK(lease_many("nowhere", 9).empty());
  CHECK(queue("a").count(job_state::ready) == 1);
}

// -- answers that come again or late ------------------------------------------

TEST_CASE_METHOD(machine_fixture, "a report that is repeated is answered the "
                                  "same way and counted once") {
  enqueue("q");
  auto token = lease("q");
  SECTION("complete") {
    CHECK(complete(token, "first") == settle_status::ok);
    CHECK(complete(token, "second") == settle_status::ok);
    CHECK(fx.finished.empty());
    CHECK(machine->view()->result(token.id) == "first");
    CHECK(queue("q").succeeded_total == 1);
    CHECK(fail(token) == settle_status::stale);
    CHECK(release(token) == settle_status::stale);
    CHECK(extend(token, millis{1}).status == settle_status::stale);
  }
  SECTION("fail") {
    CHECK(fail(token) == settle_status::ok);
    CHECK(fail(token) == settle_status::ok);
    CHECK(job(token.id).failures == 1);
    CHECK(queue("q").failed_total == 1);
    CHECK(complete(token) == settle_status::stale);
  }
  SECTION("release") {
    CHECK(release(token) == settle_status::ok);
    CHECK(release(token) == settle_status::ok);
    CHECK(fail(token) == settle_status::stale);
    // The next attempt is another one.
    CHECK(lease("q") == lease_token{token.id, 2});
    CHECK(release(token) == settle_status::stale);
    CHECK(state(token.id) == job_state::leased);
  }
}

TEST_CASE_METHOD(machine_fixture, "a token of an earlier attempt changes "
                                  "nothing") {
  auto id = enqueue("q");
  auto old = lease("q");
  REQUIRE(release(old) == settle_status::ok);
  auto current = lease("q");
  CHECK(complete(old) == settle_status::stale);
  CHECK(fail(old) == settle_status::stale);
  CHECK(extend(old, millis{5}).status == settle_status::stale);
  CHECK(state(id) == job_state::leased);
  CHECK(complete({id, current.attempt + 1}) == settle_status::stale);
  CHECK(complete({id, 0}) == settle_status::stale);
  CHECK(complete({job_id{999}, 1}) == settle_status::stale);
  CHECK(complete(current) == settle_status::ok);
}

TEST_CASE_METHOD(machine_fixture, "a lease brings no more payload than it may, "
                                  "but for the last job") {
  for (int i = 0; i < 5; ++i)
    enqueue("q", {.payload = "0123456789"});
  auto take = [this](std::uint64_t bytes) {
    return run<lease_outcome>(
             lease_command{"q", "w", 10, millis{30'000}, bytes})
      .jobs.size();
  };
  CHECK(take(1) == 1);
  CHECK(take(11) == 2);
  CHECK(take(0) == 2);
  CHECK(queue("q").count(job_state::leased) == 5);
}

TEST_CASE_METHOD(machine_fixture, "a lease whose time is over stays good until "
                                  "a tick ends it") {
  enqueue("q");
  auto token = lease("q");
  now += millis{60'000};
  SECTION("completed before the tick") {
    CHECK(complete(token) == settle_status::ok);
    CHECK(tick().leases_expired == 0);
  }
  SECTION("failed after the tick") {
    CHECK(tick().leases_expired == 1);
    CHECK(fail(token, failure_kind::lost) == settle_status::stale);
    CHECK(extend(token, millis{5}).status == settle_status::stale);
    CHECK(release(token) == settle_status::stale);
  }
}

TEST_CASE_METHOD(machine_fixture, "the result of a lost attempt counts until "
                                  "the next one begins") {
  auto id = enqueue("q", {.max_attempts = 2});
  auto token = lease("q");
  if (GENERATE(true, false)) {
    INFO("of an expired lease");
    now += millis{60'000};
    CHECK(tick().leases_expired == 1);
  } else {
    INFO("of a worker that was given up");
    CHECK(fail(token, failure_kind::lost) == settle_status::ok);
    CHECK(fail(token, failure_kind::lost) == settle_status::ok);
    CHECK(job(id).failures == 1);
  }
  CHECK(state(id) == job_state::ready);
  SECTION("in time") {
    CHECK(complete(token, "late") == settle_status::ok);
    CHECK(state(id) == job_state::succeeded);
    CHECK(machine->view()->result(id) == "late");
    CHECK(queue("q").count(job_state::ready) == 0);
    CHECK(queue("q").succeeded_total == 1);
    CHECK(lease_many("q", 1).empty());
    CHECK(complete(token) == settle_status::ok);
    CHECK(queue("q").succeeded_total == 1);
  }
  SECTION("too late") {
    auto next = lease("q");
    CHECK(complete(token, "late") == settle_status::stale);
    CHECK(complete(next, "right") == settle_status::ok);
    CHECK(machine->view()->result(id) == "right");
  }
  SECTION("but not of a dead job") {
    auto last = lease("q");
    CHECK(fail(last, failure_kind::lost) == settle_status::ok);
    CHECK(state(id) == job_state::dead);
    CHECK(complete(last) == settle_status::stale);
  }
}

TEST_CASE_METHOD(machine_fixture, "several reports of one command are answered "
                                  "one by one") {
  enqueue("q");
  enqueue("q");
  auto jobs = lease_many("q", 2);
  auto out = run<settle_outcome>(complete_command{{{jobs[0].token, "a"},
                                                   {{job_id{77}, 1}, "b"},
                                                   {jobs[1].token, "c"},
                                                   {jobs[0].token, "d"}}});
  REQUIRE(out.items.size() == 4);
  CHECK(out.items[0].status == settle_status::ok);
  CHECK(out.items[1].status == settle_status::stale);
  CHECK(out.items[2].status == settle_status::ok);
  CHECK(out.items[3].status == settle_status::ok);
  CHECK(machine->view()->result(jobs[0].token.id) == "a");
}

// -- failures -----------------------------------------------------------------

TEST_CASE_METHOD(machine_fixture, "a failed job waits out its back-off, and is "
                                  "dead when its attempts are used up") {
  configure({.queue = "q",
             .backoff = backoff_policy{millis{100}, millis{1'000}, 3, 0}});
  auto id = enqueue("q", {.max_attempts = 3});
  fail(lease("q"));
  CHECK(state(id) == job_state::scheduled);
  CHECK(job(id).due_at == now + millis{100});
  CHECK(job(id).error == "why");
  CHECK(lease_many("q", 1).empty());
  now += millis{100};
  CHECK(tick().promoted == 1);
  CHECK(fx.wakened == std::vector<std::string>{"q"});
  fail(lease("q"));
  CHECK(job(id).due_at == now + millis{300});
  now += millis{300};
  tick();
  fail(lease("q"));
  CHECK(state(id) == job_state::dead);
  CHECK(job(id).attempt == 3);
  CHECK(job(id).failures == 3);
  REQUIRE(fx.finished.size() == 1);
  CHECK(fx.finished[0].state == job_state::dead);
  CHECK(queue("q").dead_total == 1);
}

TEST_CASE_METHOD(machine_fixture, "a failure that must not be retried ends the "
                                  "job at once") {
  auto id = enqueue("q");
  fail(lease("q"), failure_kind::error, false);
  CHECK(state(id) == job_state::dead);
}

TEST_CASE_METHOD(machine_fixture, "the first attempt that is lost costs no "
                                  "pause, later ones do") {
  auto id = enqueue("q");
  fail(lease("q"), failure_kind::lost);
  CHECK(state(id) == job_state::ready);
  CHECK(job(id).failures == 1);
  fail(lease("q"), failure_kind::lost);
  CHECK(state(id) == job_state::scheduled);
}

TEST_CASE_METHOD(machine_fixture, "an attempt that is lost after one that "
                                  "failed waits like any other") {
  configure(
    {.queue = "q", .backoff = backoff_policy{millis{100}, millis{100}, 1, 0}});
  auto id = enqueue("q");
  fail(lease("q"));
  now += millis{100};
  tick();
  fail(lease("q"), failure_kind::lost);
  CHECK(state(id) == job_state::scheduled);
}

TEST_CASE_METHOD(machine_fixture, "a released job is ready at once and no "
                                  "attempt counts against it") {
  auto id = enqueue("q", {.max_attempts = 1});
  for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
    auto token = lease("q");
    CHECK(token.attempt == attempt);
    CHECK(release(token) == settle_status::ok);
    CHECK(state(id) == job_state::ready);
  }
  CHECK(job(id).failures == 0);
}

TEST_CASE_METHOD(machine_fixture, "texts are cut to their limit between two "
                                  "characters") {
  enqueue("q");
  auto token = lease("q");
  std::string text(limits::text - 1, 'x');
  text += "\xC3\xA4 and more";
  run<settle_outcome>(extend_command{{{token, millis{1'000}, text}}});
  CHECK(job(token.id).progress == std::string(limits::text - 1, 'x'));
  run<settle_outcome>(fail_command{{{token, failure_kind::error, text, true}}});
  CHECK(job(token.id).error == std::string(limits::text - 1, 'x'));
}

// -- extend -------------------------------------------------------------------

TEST_CASE_METHOD(machine_fixture, "an extended lease lives on, and its "
                                  "progress is told") {
  enqueue("q");
  auto token = lease("q");
  now += millis{29'000};
  auto out = settle(extend_command{{{token, millis{30'000}, "half"}}});
  CHECK(out.status == settle_status::ok);
  CHECK(out.deadline == now + millis{30'000});
  CHECK(job(token.id).progress == "half");
  // Without a text the old one stays.
  CHECK(extend(token, millis{40'000}).deadline == now + millis{40'000});
  CHECK(job(token.id).progress == "half");
  now += millis{39'999};
  CHECK(tick().leases_expired == 0);
  now += millis{1};
  CHECK(tick().leases_expired == 1);
}

// -- cancel and retry ---------------------------------------------------------

TEST_CASE_METHOD(machine_fixture, "whatever is not final can be cancelled") {
  auto id = enqueue("q");
  SECTION("ready") {
    CHECK(cancel(id).code == errc::none);
    CHECK(fx.revoked.empty());
    CHECK(lease_many("q", 1).empty());
  }
  SECTION("scheduled") {
    auto later = enqueue("q", {.delay = millis{5}});
    CHECK(cancel(later).code == errc::none);
    now += millis{5};
    CHECK(tick().promoted == 0);
    CHECK(cancel(id).state == job_state::cancelled);
  }
  SECTION("leased: the worker is told, and what it reports is answered so") {
    auto token = lease("q");
    CHECK(cancel(id).code == errc::none);
    REQUIRE(fx.revoked.size() == 1);
    CHECK(fx.revoked[0].token == token);
    CHECK(fx.revoked[0].worker == "w");
    CHECK(fx.revoked[0].reason == errc::cancelled);
    CHECK(complete(token) == settle_status::cancelled);
    CHECK(fail(token) == settle_status::cancelled);
    CHECK(extend(token, millis{1}).status == settle_status::cancelled);
    CHECK(release({id, token.attempt + 1}) == settle_status::stale);
    CHECK_FALSE(machine->view()->result(id));
  }
  CHECK(state(id) == job_state::cancelled);
  // Again: nothing more happens.
  auto again = cancel(id);
  CHECK(again.code == errc::none);
  CHECK(again.state == job_state::cancelled);
  CHECK(fx.finished.empty());
}

TEST_CASE_METHOD(machine_fixture, "what is final by itself cannot be "
                                  "cancelled, nor what is not there") {
  auto good = enqueue("q");
  complete(lease("q"));
  CHECK(cancel(good).code == errc::wrong_state);
  CHECK(cancel(good).state == job_state::succeeded);
  auto bad = enqueue("q");
  fail(lease("q"), failure_kind::error, false);
  CHECK(cancel(bad).code == errc::wrong_state);
  CHECK(cancel(job_id{99}).code == errc::job_not_found);
}

TEST_CASE_METHOD(machine_fixture, "a dead job that is retried has all its "
                                  "attempts again and a new number") {
  auto id = enqueue("q", {.max_attempts = 2, .ttl = millis{50}});
  auto first = lease("q");
  fail(first, failure_kind::error, false);
  REQUIRE(state(id) == job_state::dead);
  now += millis{100};
  CHECK(retry(id).code == errc::none);
  CHECK(fx.wakened == std::vector<std::string>{"q"});
  CHECK(job(id).failures == 0);
  CHECK(job(id).finish_sequence == 0);
  CHECK_FALSE(job(id).finished_at);
  tick();
  // Its ttl is over, but somebody asked for it.
  auto second = lease("q");
  CHECK(second == lease_token{id, 2});
  CHECK(complete(first) == settle_status::stale);
  CHECK(complete(second) == settle_status::ok);
}

TEST_CASE_METHOD(machine_fixture, "only dead jobs can be retried") {
  auto id = enqueue("q");
  CHECK(retry(id).code == errc::wrong_state);
  auto token = lease("q");
  CHECK(retry(id).code == errc::wrong_state);
  complete(token);
  CHECK(retry(id).code == errc::wrong_state);
  CHECK(retry(job_id{99}).code == errc::job_not_found);
}
