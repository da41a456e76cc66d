#include "actors/manager_actor.hpp"

#include "manager_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;
using muster::test::next;

using fixture = muster::test::manager_fixture;
using muster::test::fake_worker;

TEST_CASE("a manager leases what was enqueued and records what came of it") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(10);
  REQUIRE(next<worker_accepted>(worker.self));
  auto id = fix.client.enqueue("echo", "hello");
  auto jobs = worker.lease(1);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token == lease_token{id, 1});
  CHECK(jobs[0].payload == "hello");
  worker.complete(1, jobs[0].token);
  auto ack = next<outcome_ack>(worker.self);
  REQUIRE(ack);
  CHECK(ack->number == 1);
  CHECK(ack->code == errc::none);
  CHECK(ack->items == std::vector{settle_status::ok});
  CHECK(fix.client.state(id) == job_state::succeeded);
  CHECK(fix.client.result(id) == "done");
  CHECK(fix.client.job(id)->worker == "w");
}

TEST_CASE("a manager leases no more than it has credit for") {
  fixture fix;
  fake_worker worker{fix};
  for (int i = 0; i < 10; ++i)
    fix.client.enqueue("echo");
  worker.join(3);
  CHECK(worker.lease(3).size() == 3);
  CHECK(!next<lease_batch>(worker.self, 50ms));
  worker.send(grant_credit{2, false});
  CHECK(worker.lease(2).size() == 2);
  CHECK(!next<lease_batch>(worker.self, 50ms));
  // Replaced, the credit that was left does not add up.
  worker.send(grant_credit{100, false});
  CHECK(worker.lease(5).size() == 5);
  worker.send(grant_credit{1, true});
  std::this_thread::sleep_for(20ms);
  for (int i = 0; i < 5; ++i)
    fix.client.enqueue("echo");
  CHECK(worker.lease(1).size() == 1);
  CHECK(!next<lease_batch>(worker.self, 50ms));
}

TEST_CASE("a repeated outcome is acknowledged again, a late one is stale") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(2);
  fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  worker.complete(1, job.token);
  REQUIRE(next<outcome_ack>(worker.self));
  worker.complete(1, job.token);
  auto again = next<outcome_ack>(worker.self);
  REQUIRE(again);
  CHECK(again->items == std::vector{settle_status::ok});
  worker.complete(2, {job.token.id, 9});
  auto late = next<outcome_ack>(worker.self);
  REQUIRE(late);
  CHECK(late->items == std::vector{settle_status::stale});
}

TEST_CASE("every kind of outcome is recorded") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(4);
  for (int i = 0; i < 4; ++i)
    fix.client.enqueue("echo");
  auto jobs = worker.lease(4);
  REQUIRE(jobs.size() == 4);
  worker.send(
    outcome_batch{1,
                  {{jobs[0].token, outcome_kind::failed, "no", true},
                   {jobs[1].token, outcome_kind::failed, "no", false},
                   {jobs[2].token, outcome_kind::released, "", true},
                   {jobs[3].token, outcome_kind::timed_out, "late", true}}});
  REQUIRE(next<outcome_ack>(worker.self));
  CHECK(fix.client.state(jobs[0].token.id) == job_state::scheduled);
  CHECK(fix.client.job(jobs[0].token.id)->error == "no");
  CHECK(fix.client.state(jobs[1].token.id) == job_state::dead);
  CHECK(fix.client.state(jobs[2].token.id) == job_state::ready);
  CHECK(fix.client.job(jobs[2].token.id)->failures == 0);
  CHECK(fix.client.job(jobs[3].token.id)->failures == 1);
}

TEST_CASE("the leases of a worker that is gone go to another at once") {
  fixture fix;
  job_id id{};
  {
    fake_worker worker{fix, "short-lived"};
    worker.join(1);
    id = fix.client.enqueue("echo");
    CHECK(worker.lease(1).size() == 1);
  }
  fake_worker other{fix, "other"};
  other.join(1);
  auto jobs = other.lease(1);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token == lease_token{id, 2});
  CHECK(fix.client.job(id)->failures == 1);
}

TEST_CASE(
  "what ran in a process that died has failed, the rest was not begun") {
  fixture fix;
  std::vector<job_id> ids;
  std::vector<leased_job> jobs;
  {
    fake_worker worker{fix, "crashing"};
    worker.supervised = true;
    worker.join(3);
    for (int i = 0; i < 3; ++i)
      ids.push_back(fix.client.enqueue("echo"));
    jobs = worker.lease(3);
    REQUIRE(jobs.size() == 3);
  }
  caf::anon_send(
    fix.manager,
    worker_ended{
      "crashing",
      "1",
      {"worker died: signal 11", {jobs[0].token}, {jobs[2].token}, true}});
  REQUIRE(fix.client.reaches(jobs[0].token.id, job_state::ready));
  REQUIRE(fix.client.reaches(jobs[1].token.id, job_state::ready));
  auto ran = fix.client.job(jobs[0].token.id);
  CHECK(ran->failures == 1);
  CHECK(ran->error == "worker died: signal 11");
  CHECK(fix.client.job(jobs[1].token.id)->failures == 0);
  // Its outcome is on a disk: nobody else is to run it.
  CHECK(fix.client.state(jobs[2].token.id) == job_state::leased);
  fake_worker next_one{fix, "crashing"};
  next_one.join(0, {jobs[2].token});
  next_one.complete(1, jobs[2].token, "kept");
  REQUIRE(fix.client.reaches(jobs[2].token.id, job_state::succeeded));
  CHECK(fix.client.result(jobs[2].token.id) == "kept");
}

TEST_CASE("the leases of a process of whose end nobody tells go to another") {
  fixture fix;
  job_id id{};
  {
    fake_worker worker{fix, "silent"};
    worker.supervised = true;
    worker.join(1);
    id = fix.client.enqueue("echo");
    CHECK(worker.lease(1).size() == 1);
  }
  REQUIRE(fix.client.reaches(id, job_state::ready));
  CHECK(fix.client.job(id)->failures == 1);
}

TEST_CASE("a cancelled job is revoked from the worker that runs it") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(1);
  auto id = fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  REQUIRE(fix.client.submit(cancel_command{id}));
  auto revoked = next<revoke_leases>(worker.self);
  REQUIRE(revoked);
  REQUIRE(revoked->items.size() == 1);
  CHECK(revoked->items[0].token == job.token);
  CHECK(revoked->items[0].reason == errc::cancelled);
}

TEST_CASE("workers hear that a queue is paused, once") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(1);
  for (auto paused : {true, true, false})
    REQUIRE(fix.client.submit(
      configure_command{.queue = "q", .paused = std::optional{paused}}));
  auto recalled = next<recall_leases>(worker.self);
  REQUIRE(recalled);
  CHECK(recalled->queues == std::vector<std::string>{"q"});
  CHECK(!next<recall_leases>(worker.self, 200ms));
}

TEST_CASE("heartbeats keep a lease, silence loses it") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(1, {}, 1s);
  auto id = fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  worker_heartbeat beat;
  beat.leases.push_back({job.token, "half"});
  auto end = std::chrono::steady_clock::now() + 2s;
  while (std::chrono::steady_clock::now() < end) {
    worker.send(beat);
    std::this_thread::sleep_for(50ms);
  }
  CHECK(fix.client.state(id) == job_state::leased);
  CHECK(fix.client.job(id)->attempt == 1);
  CHECK(fix.client.job(id)->progress == "half");
  CHECK(eventually([&] { return fix.client.state(id) != job_state::leased; }));
  // What it says now comes from somebody whom the manager does not know.
  CHECK(eventually([&] { return fix.board->workers().empty(); }));
  worker.send(beat);
  CHECK(next<register_again>(worker.self));
}

TEST_CASE(
  "a lease that never reached its worker goes back when the worker says "
  "so") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(1);
  auto id = fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  worker_heartbeat beat;
  beat.complete = true;
  worker.send(beat);
  worker.send(beat);
  auto asked = next<check_leases>(worker.self);
  REQUIRE(asked);
  CHECK(asked->tokens == std::vector<lease_token>{job.token});
  CHECK(fix.client.state(id) == job_state::leased);
  worker.send(leases_not_held{asked->tokens});
  CHECK(fix.client.reaches(id, job_state::ready));
  CHECK(fix.client.job(id)->failures == 0);
}

TEST_CASE("a heartbeat that names a lease, or not all, leads to no question") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(1);
  fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  worker_heartbeat all;
  all.complete = true;
  all.leases.push_back({job.token, std::nullopt});
  worker_heartbeat some;
  for (int i = 0; i < 3; ++i) {
    worker.send(all);
    worker.send(some);
  }
  // What the manager sends behind that comes first, then.
  worker.send(stop_leasing{});
  CHECK(next<leasing_stopped>(worker.self));
  CHECK(!next<check_leases>(worker.self, 0ms));
}

TEST_CASE("a heartbeat for a lease that is lost is answered with that") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(0);
  worker_heartbeat beat;
  beat.leases.push_back({{job_id{77}, 1}, std::nullopt});
  worker.send(beat);
  auto revoked = next<revoke_leases>(worker.self);
  REQUIRE(revoked);
  CHECK(revoked->items.at(0).token == lease_token{job_id{77}, 1});
  CHECK(revoked->items.at(0).reason == errc::stale_lease);
}

TEST_CASE("a new manager lets workers go on with what they hold") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(2);
  fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  fix.end_manager(caf::exit_reason::kill);
  fix.start();
  worker.join(0, {job.token, {job_id{1'000}, 1}});
  REQUIRE(next<worker_accepted>(worker.self));
  // It asked the store about all of them.
  auto revoked = next<revoke_leases>(worker.self);
  REQUIRE(revoked);
  CHECK(revoked->items.size() == 1);
  worker.complete(1, job.token);
  REQUIRE(next<outcome_ack>(worker.self));
  CHECK(fix.client.state(job.token.id) == job_state::succeeded);
  CHECK(fix.client.job(job.token.id)->attempt == 1);
}

TEST_CASE(
  "what a worker does not present any more was lost with its last run") {
  fixture fix;
  {
    fake_worker before{fix};
    before.join(2);
    fix.client.enqueue("echo", "1");
    fix.client.enqueue("echo", "2");
    REQUIRE(before.lease(2).size() == 2);
    // The whole node goes, the manager first: it cannot tell the journal.
    fix.end_manager(caf::exit_reason::kill);
  }
  fix.start();
  fake_worker after{fix};
  after.join(2);
  auto jobs = after.lease(2);
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].token.attempt == 2);
  CHECK(fix.client.job(jobs[0].token.id)->failures == 1);
}

TEST_CASE("a journal that comes back is used again") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(2);
  REQUIRE(next<worker_accepted>(worker.self));
  auto id = fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  CHECK(fix.board->serving());
  fix.close_journal();
  CHECK(eventually([&] { return !fix.board->serving(); }));
  worker.complete(1, job.token);
  auto ack = next<outcome_ack>(worker.self);
  REQUIRE(ack);
  CHECK(ack->code == errc::unavailable);
  fix.open_journal();
  CHECK(eventually([&] { return fix.board->serving(); }));
  worker.complete(1, job.token);
  ack = next<outcome_ack>(worker.self);
  REQUIRE(ack);
  CHECK(ack->code == errc::none);
  CHECK(fix.client.state(id) == job_state::succeeded);
  // The credit that was left still holds.
  fix.client.enqueue("echo");
  CHECK(worker.lease(1).size() == 1);
}

TEST_CASE("a manager says that it is busy when the journal falls behind") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(0);
  REQUIRE(next<worker_accepted>(worker.self));
  // The journal's thread does nothing until the test lets it.
  std::promise<void> go_on;
  fix.port->read(
    [gate = go_on.get_future().share()](expected<store_view>) { gate.wait(); });
  for (std::uint64_t i = 1; i <= limits::outcome_batches + 2; ++i)
    worker.complete(i, {job_id{i}, 1});
  for (int i = 0; i < 2; ++i) {
    auto ack = next<outcome_ack>(worker.self);
    REQUIRE(ack);
    CHECK(ack->number > limits::outcome_batches);
    CHECK(ack->code == errc::busy);
  }
  go_on.set_value();
  for (std::size_t i = 0; i < limits::outcome_batches; ++i) {
    auto ack = next<outcome_ack>(worker.self);
    REQUIRE(ack);
    CHECK(ack->code == errc::none);
  }
}

TEST_CASE("a worker that stops leasing hears when the last lease is out") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(5);
  fix.client.enqueue("echo");
  REQUIRE(worker.lease(1).size() == 1);
  worker.send(stop_leasing{});
  REQUIRE(next<leasing_stopped>(worker.self));
  fix.client.enqueue("echo");
  worker.send(grant_credit{5, false});
  CHECK(!next<lease_batch>(worker.self, 50ms));
}

TEST_CASE("a registration that breaks a rule is refused with the reason") {
  fixture fix;
  fake_worker worker{fix, ""};
  worker.join(1);
  auto refused = next<worker_refused>(worker.self);
  REQUIRE(refused);
  CHECK(refused->code == errc::invalid_argument);
  CHECK(refused->reason == "name: must be 1 to 255 bytes");
  worker.name = "w";
  worker.join(1, {}, 1ms);
  refused = next<worker_refused>(worker.self);
  REQUIRE(refused);
  CHECK(refused->reason == "lease_ttl: must be at least 100ms");
}

TEST_CASE("a second worker of the same name has to wait") {
  fixture fix;
  auto first = std::make_unique<fake_worker>(fix);
  first->join(0);
  REQUIRE(next<worker_accepted>(first->self));
  fake_worker second{fix};
  second.join(0);
  auto refused = next<worker_refused>(second.self);
  REQUIRE(refused);
  CHECK(refused->code == errc::busy);
  first.reset();
  CHECK(eventually([&] {
    second.join(0);
    return next<worker_accepted>(second.self, 20ms).has_value();
  }));
}

TEST_CASE("a manager that is unknown to a worker asks it to register") {
  fixture fix;
  fake_worker worker{fix};
  worker.send(grant_credit{1, false});
  CHECK(next<register_again>(worker.self));
  worker.complete(1, {job_id{1}, 1});
  CHECK(next<register_again>(worker.self));
}

TEST_CASE("the board shows who is there") {
  fixture fix;
  fake_worker b{fix, "b"};
  fake_worker a{fix, "a"};
  b.join(1);
  a.join(1);
  worker_heartbeat beat;
  beat.load = {1, 2, 3, 4, 5, true};
  a.send(beat);
  REQUIRE(eventually([&] {
    auto workers = fix.board->workers();
    return workers.size() == 2 && workers[0].held == 2;
  }));
  auto workers = fix.board->workers();
  CHECK(workers[0].name == "a");
  CHECK(workers[0].incarnation == "1");
  CHECK(workers[0].concurrency == 2);
  CHECK(workers[0].running == 1);
  CHECK(workers[0].credit == 3);
  CHECK(workers[0].finished == 4);
  CHECK(workers[0].failed == 5);
  CHECK(workers[0].draining);
  CHECK(workers[0].last_heartbeat >= workers[0].since);
  CHECK(workers[1].name == "b");
}

TEST_CASE("a worker that registers again keeps its place") {
  fixture fix;
  fake_worker worker{fix};
  worker.join(3);
  fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  worker.join(1, {job.token});
  // The leases of the first demand may still come, the credit is the second's.
  for (int i = 0; i < 5; ++i)
    fix.client.enqueue("echo");
  auto more = worker.lease(1);
  CHECK(more.size() >= 1);
  CHECK(more.size() <= 3);
  CHECK(fix.board->workers().size() == 1);
  CHECK(fix.client.state(job.token.id) == job_state::leased);
}
