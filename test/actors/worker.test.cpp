#include "actors/worker_actor.hpp"

#include "worker_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;
using muster::test::next;

using fixture = muster::test::worker_fixture;

TEST_CASE("a worker registers and asks for one lease for each thread") {
  fixture fix{3};
  CHECK(fix.accept() == 3);
  CHECK(fix.registration.name == "w");
  CHECK(fix.registration.incarnation == "1");
  CHECK(fix.registration.concurrency == 3);
  CHECK(fix.registration.lease_ttl == 600ms);
  CHECK(fix.registration.held.empty());
}

TEST_CASE("a worker runs what it gets and reports it until acknowledged") {
  fixture fix;
  fix.accept();
  auto token = fix.lease("echo", "hello");
  auto batch = fix.outcomes();
  REQUIRE(batch);
  REQUIRE(batch->items.size() == 1);
  CHECK(batch->items[0].token == token);
  CHECK(batch->items[0].text == "hello");
  // Refused for now: it comes again, under the same number.
  fix.tell_worker(outcome_ack{batch->number, errc::busy, {}});
  auto again = fix.outcomes();
  REQUIRE(again);
  CHECK(again->number == batch->number);
  fix.acknowledge(*again);
  CHECK(
    eventually([&] { return fix.metrics->read().outcomes_acknowledged == 1; }));
  CHECK(fix.metrics->read().outcome_batches_resent == 1);
}

TEST_CASE("short jobs raise a worker's credit, long ones do not") {
  fixture fix;
  fix.accept();
  // What the worker may hold at once, as far as the manager can tell.
  std::uint32_t most = 0;
  for (int i = 0; i < 50; ++i) {
    fix.lease("echo");
    auto batch = fix.outcomes();
    REQUIRE(batch);
    fix.acknowledge(*batch);
    if (auto grant = next<grant_credit>(*fix.manager, 10ms))
      most = std::max(most, grant->more);
  }
  CHECK(most > 100);
  // Now they take their time: the excess is taken back.
  fix.lease("sleep", "10s");
  fix.lease("sleep", "10s");
  auto replaced = false;
  CHECK(eventually([&] {
    auto grant = next<grant_credit>(*fix.manager, 10ms);
    replaced = grant && grant->replace && grant->more == 0;
    return replaced;
  }));
}

TEST_CASE("leases that wait behind long jobs are handed back") {
  fixture fix{1};
  fix.accept();
  fix.lease("sleep", "10s");
  auto waiting = fix.lease("echo");
  auto batch = fix.outcomes();
  REQUIRE(batch);
  REQUIRE(batch->items.size() == 1);
  CHECK(batch->items[0].token == waiting);
  CHECK(batch->items[0].kind == outcome_kind::released);
}

TEST_CASE("heartbeats extend every lease: running, waiting, not recorded") {
  fixture fix{1};
  fix.accept();
  auto finished = fix.lease("echo");
  REQUIRE(fix.outcomes());
  auto running = fix.lease("sleep", "10s");
  auto waiting = fix.lease("echo");
  auto has_all = [&](const worker_heartbeat& beat) {
    auto holds = [&beat](lease_token token) {
      return std::any_of(beat.leases.begin(), beat.leases.end(),
                         [token](auto& lease) { return lease.token == token; });
    };
    return holds(finished) && holds(running) && holds(waiting);
  };
  CHECK(eventually([&] {
    auto beat = next<worker_heartbeat>(*fix.manager);
    return beat && has_all(*beat) && beat->load.running == 1;
  }));
}

TEST_CASE(
  "a worker that is asked for leases tells those that it does not know") {
  fixture fix{1};
  fix.accept();
  auto finished = fix.lease("echo");
  REQUIRE(fix.outcomes());
  auto running = fix.lease("sleep", "10s");
  auto waiting = fix.lease("echo");
  lease_token unknown{job_id{4711}, 1};
  fix.tell_worker(check_leases{{finished, unknown, running, waiting}});
  auto answer = next<leases_not_held>(*fix.manager);
  REQUIRE(answer);
  CHECK(answer->tokens == std::vector<lease_token>{unknown});
}

TEST_CASE("progress is told soon") {
  fixture fix;
  fix.accept();
  auto token = fix.lease("sleep", "10s");
  std::string progress;
  CHECK(eventually([&] {
    auto beat = next<worker_heartbeat>(*fix.manager);
    for (auto& lease : beat->leases)
      if (lease.token == token && lease.progress)
        progress = *lease.progress;
    return !progress.empty();
  }));
  CHECK(progress == "1s of 10s");
}

TEST_CASE("a revoked lease stops its handler and has no outcome") {
  fixture fix{1};
  fix.accept();
  auto running = fix.lease("sleep", "10s");
  auto next_one = fix.lease("echo");
  fix.tell_worker(revoke_leases{{{running, errc::cancelled}}});
  auto batch = fix.outcomes();
  REQUIRE(batch);
  REQUIRE(batch->items.size() == 1);
  CHECK(batch->items[0].token == next_one);
}

TEST_CASE("an attempt that exceeds its time is reported as such") {
  fixture fix;
  fix.accept();
  fix.lease("sleep", "10s", 20ms);
  auto batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).kind == outcome_kind::timed_out);
}

TEST_CASE("a worker finds its manager's successor and presents its leases") {
  fixture fix{2};
  fix.accept();
  auto unrecorded = fix.lease("echo", "precious");
  REQUIRE(fix.outcomes());
  auto running = fix.lease("sleep", "10s");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  // The manager dies; for a while there is none.
  fix.publish(nullptr);
  fix.manager = std::make_unique<caf::scoped_actor>(fix.system);
  std::this_thread::sleep_for(100ms);
  fix.publish(*fix.manager);
  auto again = next<register_worker>(*fix.manager);
  REQUIRE(again);
  CHECK(again->incarnation == "1");
  CHECK(again->held == std::vector{unrecorded, running});
  CHECK(again->credit == 0);
  fix.tell_worker(worker_accepted{});
  auto batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).text == "precious");
}

TEST_CASE("a worker goes to its manager's successor, though it did not hear of "
          "the manager's end") {
  fixture fix;
  fix.accept();
  auto running = fix.lease("sleep", "10s");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  caf::scoped_actor successor{fix.system};
  fix.publish(successor);
  auto again = next<register_worker>(successor);
  REQUIRE(again);
  CHECK(again->held == std::vector{running});
}

TEST_CASE("a worker that is not known registers again") {
  fixture fix;
  fix.accept();
  fix.tell_worker(register_again{});
  CHECK(next<register_worker>(*fix.manager));
}

TEST_CASE("a worker that is refused for now tries again") {
  fixture fix;
  REQUIRE(next<register_worker>(*fix.manager));
  fix.tell_worker(worker_refused{errc::busy, "later"});
  CHECK(next<register_worker>(*fix.manager));
}

TEST_CASE("a worker that is refused for good ends with the reason") {
  fixture fix;
  REQUIRE(next<register_worker>(*fix.manager));
  fix.client->monitor(fix.worker);
  fix.tell_worker(worker_refused{errc::invalid_argument, "name: no"});
  auto down = next<caf::down_msg>(fix.client);
  REQUIRE(down);
  CHECK(from_caf(down->reason) == error{errc::invalid_argument, "name: no"});
}

TEST_CASE("a drain hands back what waits and lets finish what runs") {
  fixture fix{1};
  fix.accept();
  auto running = fix.lease("sleep", "300ms");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  auto waiting = fix.lease("echo");
  REQUIRE(eventually([&] { return fix.runner->look().waiting == 1; }));
  auto handle = std::async(std::launch::async, [&] {
    auto done = false;
    caf::scoped_actor self{fix.system};
    self->request(fix.worker, 30s, drain_worker{10s})
      .receive([&] { done = true; }, [](const caf::error&) {});
    return done;
  });
  REQUIRE(next<stop_leasing>(*fix.manager));
  // One that was under way.
  auto late = fix.lease("echo");
  fix.tell_worker(leasing_stopped{});
  std::map<lease_token, outcome_kind> outcomes;
  while (outcomes.size() < 3) {
    auto batch = fix.outcomes();
    REQUIRE(batch);
    for (auto& item : batch->items)
      outcomes[item.token] = item.kind;
    // Not over before all is acknowledged.
    CHECK(handle.wait_for(0ms) == std::future_status::timeout);
    fix.acknowledge(*batch);
  }
  CHECK(outcomes[running] == outcome_kind::succeeded);
  CHECK(outcomes[waiting] == outcome_kind::released);
  CHECK(outcomes[late] == outcome_kind::released);
  CHECK(handle.get());
}

TEST_CASE("a drain whose time is over hands back what runs") {
  fixture fix{1};
  fix.accept();
  auto running = fix.lease("sleep", "1h");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  fix.drain(50ms);
  REQUIRE(next<stop_leasing>(*fix.manager));
  fix.tell_worker(leasing_stopped{});
  auto batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).token == running);
  CHECK(batch->items.at(0).kind == outcome_kind::released);
}

TEST_CASE("a worker that is ended stops its handlers") {
  fixture fix{1};
  fix.accept();
  fix.lease("sleep", "1h");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  // The fixture's end waits for the threads.
}

TEST_CASE(
  "what a paused queue leased and nobody began goes back, and no more") {
  fixture fix{1};
  fix.accept();
  auto running = fix.lease("sleep", "1h", 2h, "a");
  REQUIRE(eventually([&] { return fix.runner->look().running == 1; }));
  auto waiting = fix.lease("echo", "", 1h, "a");
  auto other = fix.lease("echo", "", 1h, "b");
  fix.tell_worker(recall_leases{{"a", "c"}});
  auto batch = fix.outcomes();
  REQUIRE(batch);
  REQUIRE(batch->items.size() == 1);
  CHECK(batch->items[0].token == waiting);
  CHECK(batch->items[0].kind == outcome_kind::released);
  // It waits on, until it has waited for too long.
  auto held = fix.runner->tokens();
  CHECK(std::find(held.begin(), held.end(), running) != held.end());
  fix.acknowledge(*batch);
  batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).token == other);
}
