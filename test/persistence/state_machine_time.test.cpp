#include "test/persistence/machine_fixture.hpp"

// What time brings about, in one step or in many.

using namespace muster;

TEST_CASE_METHOD(machine_fixture, "a delayed job is ready when it is due") {
  auto id = enqueue("q", {.delay = millis{500}});
  CHECK(state(id) == job_state::scheduled);
  CHECK(machine->next_wake() == now + millis{500});
  now += millis{499};
  CHECK(tick().promoted == 0);
  now += millis{1};
  CHECK(tick().promoted == 1);
  CHECK(state(id) == job_state::ready);
  CHECK_FALSE(job(id).due_at);
  CHECK_FALSE(machine->next_wake());
}

TEST_CASE_METHOD(machine_fixture, "time never runs backwards") {
  enqueue("q");
  auto before = now;
  now -= std::chrono::hours{1};
  auto id = enqueue("q");
  CHECK(job(id).enqueued_at == before);
  CHECK(machine->now() == before);
}

TEST_CASE_METHOD(machine_fixture,
                 "a lease that nobody extends is lost, and its "
                 "holder is told") {
  auto id = enqueue("q", {.max_attempts = 2});
  auto token = lease("q");
  now += millis{30'000};
  auto out = tick();
  CHECK(out.leases_expired == 1);
  CHECK_FALSE(out.more);
  REQUIRE(fx.revoked.size() == 1);
  CHECK(fx.revoked[0].token == token);
  CHECK(fx.revoked[0].reason == errc::stale_lease);
  CHECK(state(id) == job_state::ready);
  CHECK(job(id).failures == 1);
  CHECK(job(id).error == "lease expired: no heartbeat from worker w");
  CHECK(queue("q").expired_leases_total == 1);
  CHECK(queue("q").failed_total == 1);
  lease("q");
  now += millis{30'000};
  tick();
  CHECK(state(id) == job_state::dead);
}

// -- ttl ----------------------------------------------------------------------

TEST_CASE_METHOD(machine_fixture,
                 "a tick that spares leases ends none, and lets them end "
                 "together later") {
  auto id = enqueue("q");
  lease("q");
  now += millis{40'000};
  auto out = run<tick_outcome>(tick_command{100, millis{5'000}});
  CHECK(out.leases_expired == 0);
  CHECK(out.leases_spared == 1);
  CHECK_FALSE(out.more);
  CHECK(fx.revoked.empty());
  CHECK(job(id).lease_deadline == now + millis{5'000});
  CHECK(machine->next_wake() == now + millis{5'000});
  now += millis{5'000};
  CHECK(tick().leases_expired == 1);
}

TEST_CASE_METHOD(machine_fixture, "a lease that lasts longer is not shortened "
                                  "by being spared") {
  auto id = enqueue("q");
  lease("q");
  auto deadline = job(id).lease_deadline;
  auto out = run<tick_outcome>(tick_command{100, millis{5'000}});
  CHECK(out.leases_spared == 0);
  CHECK(job(id).lease_deadline == deadline);
}

TEST_CASE_METHOD(machine_fixture, "a job that has not begun within its ttl is "
                                  "cancelled") {
  auto waits = enqueue("q", {.ttl = millis{100}});
  auto later = enqueue("q", {.delay = millis{500}, .ttl = millis{100}});
  now += millis{99};
  CHECK(tick().jobs_expired == 0);
  now += millis{1};
  CHECK(tick().jobs_expired == 2);
  CHECK(fx.finished.size() == 2);
  for (auto id : {waits, later}) {
    CHECK(state(id) == job_state::cancelled);
    CHECK(job(id).error == "expired: not begun within its ttl");
  }
  now += millis{500};
  CHECK(tick().promoted == 0);
}

TEST_CASE_METHOD(machine_fixture, "a job that runs when its ttl ends goes on, "
                                  "but is not tried again") {
  auto id = enqueue("q", {.ttl = millis{100}});
  auto token = lease("q");
  now += millis{200};
  CHECK(tick().jobs_expired == 0);
  CHECK(state(id) == job_state::leased);
  SECTION("it succeeds") {
    CHECK(complete(token) == settle_status::ok);
    CHECK(state(id) == job_state::succeeded);
  }
  SECTION("it fails") {
    CHECK(fail(token) == settle_status::ok);
    CHECK(state(id) == job_state::cancelled);
    CHECK(job(id).error == "expired: not begun within its ttl");
    // The report itself was taken: again the same answer.
    CHECK(fail(token) == settle_status::ok);
  }
  SECTION("it is handed back") {
    CHECK(release(token) == settle_status::ok);
    CHECK(state(id) == job_state::cancelled);
  }
  SECTION("its lease ends") {
    now += millis{30'000};
    CHECK(tick().leases_expired == 1);
    CHECK(state(id) == job_state::cancelled);
  }
}

// -- retention ----------------------------------------------------------------

TEST_CASE_METHOD(machine_fixture, "final jobs are kept for the queue's "
                                  "retention and then gone with all they had") {
  configure({.queue = "q", .retention = millis{1'000}});
  auto good = enqueue("q", {.payload = "p"});
  complete(lease("q"));
  now += millis{10};
  auto bad = enqueue("q");
  fail(lease("q"), failure_kind::error, false);
  now += millis{10};
  auto stopped = enqueue("q");
  cancel(stopped);
  now += millis{980};
  CHECK(machine->next_wake() == now);
  CHECK(tick().dropped == 1);
  CHECK_FALSE(exists(good));
  CHECK_FALSE(machine->view()->payload(good));
  CHECK_FALSE(machine->view()->result(good));
  CHECK(exists(bad));
  CHECK(machine->next_wake() == now + millis{10});
  now += millis{10};
  CHECK(tick().dropped == 1);
  CHECK_FALSE(exists(bad));
  now += millis{10};
  CHECK(tick().dropped == 1);
  CHECK_FALSE(exists(stopped));
  CHECK_FALSE(machine->next_wake());
  CHECK(queue("q").succeeded_total == 1);
}

TEST_CASE_METHOD(machine_fixture, "a change of the retention takes effect on "
                                  "what is final already") {
  configure({.queue = "q", .retention = millis{1'000}});
  auto id = enqueue("q");
  complete(lease("q"));
  SECTION("shorter") {
    now += millis{500};
    CHECK(tick().dropped == 0);
    configure({.queue = "q", .retention = millis{400}});
    CHECK(tick().dropped == 1);
    CHECK_FALSE(exists(id));
  }
  SECTION("longer") {
    configure({.queue = "q", .retention = millis{3'000}});
    now += millis{2'999};
    CHECK(tick().dropped == 0);
    now += millis{1};
    CHECK(tick().dropped == 1);
  }
  SECTION("none at all") {
    configure({.queue = "q", .retention = millis{0}});
    CHECK(tick().dropped == 1);
  }
}

// -- idempotency keys ---------------------------------------------------------

TEST_CASE_METHOD(machine_fixture,
                 "a key that is known answers with the job that "
                 "it made") {
  auto send = [this](std::string_view queue, std::string_view key) {
    return run<enqueue_outcome>(
             enqueue_command{queue,
                             {new_job{.handler = "h",
                                      .idempotency_key = key,
                                      .key_ttl = millis{100}}}})
      .jobs.at(0);
  };
  auto first = send("q", "k");
  CHECK_FALSE(first.duplicate);
  auto again = send("q", "k");
  CHECK(again.duplicate);
  CHECK(again.id == first.id);
  CHECK(fx.wakened.empty());
  // Keys are of a queue.
  CHECK_FALSE(send("other", "k").duplicate);
  complete(lease("q"));
  CHECK(send("q", "k").state == job_state::succeeded);
  SECTION("it is forgotten after its time") {
    now += millis{99};
    CHECK(send("q", "k").duplicate);
    now += millis{1};
    SECTION("when a tick comes") {
      tick();
      CHECK_FALSE(send("q", "k").duplicate);
    }
    SECTION("also when none has come yet") {
      auto fresh = send("q", "k");
      CHECK_FALSE(fresh.duplicate);
      // The old key's time must not end the new one's.
      tick();
      CHECK(send("q", "k").id == fresh.id);
    }
  }
  SECTION("it outlives its job") {
    configure({.queue = "q", .retention = millis{0}});
    tick();
    REQUIRE_FALSE(exists(first.id));
    auto known = send("q", "k");
    CHECK(known.duplicate);
    CHECK(known.id == first.id);
  }
  SECTION("it outlives a purge") {
    run<purge_outcome>(purge_command{"q", job_state::succeeded, 10});
    CHECK(send("q", "k").id == first.id);
  }
}

TEST_CASE_METHOD(machine_fixture, "a key that stands twice in one batch makes "
                                  "one job") {
  new_job job{.handler = "h", .idempotency_key = "k"};
  auto out = run<enqueue_outcome>(
    enqueue_command{"q", {job, new_job{.handler = "h"}, job}});
  REQUIRE(out.jobs.size() == 3);
  CHECK(out.jobs[2].duplicate);
  CHECK(out.jobs[2].id == out.jobs[0].id);
  CHECK(out.jobs[1].id != out.jobs[0].id);
  CHECK(queue("q").enqueued_total == 2);
}

// -- in steps -----------------------------------------------------------------

TEST_CASE_METHOD(machine_fixture, "a tick does at most what it is told to, and "
                                  "says that there is more") {
  for (int i = 0; i < 7; ++i)
    enqueue("q", {.delay = millis{1 + i}});
  now += millis{100};
  auto out = tick(3);
  CHECK(out.promoted == 3);
  CHECK(out.more);
  // Earliest first.
  CHECK(state(job_id{3}) == job_state::ready);
  CHECK(state(job_id{4}) == job_state::scheduled);
  CHECK(tick(3).promoted == 3);
  out = tick(3);
  CHECK(out.promoted == 1);
  CHECK_FALSE(out.more);
}

TEST_CASE_METHOD(machine_fixture, "retention is worked off in steps, over "
                                  "several queues") {
  for (auto name : {"a", "b"}) {
    configure({.queue = name, .retention = millis{10}});
    for (int i = 0; i < 5; ++i) {
      enqueue(name);
      complete(lease(name));
    }
  }
  now += millis{10};
  std::uint32_t dropped = 0;
  for (int i = 0; i < 10; ++i) {
    auto out = tick(2);
    CHECK(out.dropped <= 2);
    dropped += out.dropped;
    CHECK(out.more == (dropped < 10));
    if (!out.more)
      break;
  }
  CHECK(dropped == 10);
}

TEST_CASE_METHOD(machine_fixture, "a tick that has nothing to do changes "
                                  "nothing") {
  enqueue("q");
  auto out = tick();
  CHECK(out.promoted + out.leases_expired + out.jobs_expired + out.dropped
        == 0);
  CHECK_FALSE(out.more);
}
