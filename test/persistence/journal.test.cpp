#include "persistence/journal.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr auto limit = 20s;

journal_options small(const temp_dir& dir) {
  journal_options options;
  options.directory = dir.path();
  options.map_size = std::size_t{256} << 20;
  options.segment_size = std::size_t{1} << 20;
  options.disk_reserve = std::size_t{1} << 20;
  return options;
}

std::unique_ptr<journal> open(journal_options options) {
  auto result = journal::open(std::move(options));
  REQUIRE(result);
  return std::move(*result);
}

template <class T>
T await(std::future<T> future) {
  REQUIRE(future.wait_for(limit) == std::future_status::ready);
  return future.get();
}

std::future<expected<outcome>> submit(journal& j, const command& cmd) {
  auto promise = std::make_shared<std::promise<expected<outcome>>>();
  auto result = promise->get_future();
  j.submit(encode(cmd), [promise](expected<outcome> value) {
    promise->set_value(std::move(value));
  });
  return result;
}

template <class Outcome>
Outcome apply(journal& j, const command& cmd) {
  auto result = await(submit(j, cmd));
  REQUIRE(result);
  REQUIRE(std::holds_alternative<Outcome>(*result));
  return std::get<Outcome>(std::move(*result));
}

job_id enqueue(journal& j, std::string_view queue, std::string_view payload) {
  enqueue_command cmd{queue, {new_job{.handler = "h", .payload = payload}}};
  return apply<enqueue_outcome>(j, cmd).jobs.at(0).id;
}

std::optional<job_info> look(journal& j, job_id id) {
  auto promise = std::make_shared<std::promise<std::optional<job_info>>>();
  auto result = promise->get_future();
  j.read([promise, id](expected<store_view> view) {
    promise->set_value(view ? view->job(id) : std::nullopt);
  });
  return await(std::move(result));
}

/// A demand whose deliveries are futures, one after the other.
struct taker {
  struct state {
    std::mutex mutex;
    std::vector<std::promise<std::vector<leased_job>>> promises{64};
    std::size_t next = 0;
  };

  explicit taker(journal& j, std::vector<std::string> queues,
                 std::uint32_t credit, bool once = false) {
    lease_demand demand;
    demand.worker = "taker";
    demand.queues = std::move(queues);
    demand.credit = credit;
    demand.once = once;
    demand.deliver = [st = st](std::vector<leased_job> jobs) {
      std::lock_guard guard{st->mutex};
      st->promises.at(st->next++).set_value(std::move(jobs));
    };
    id = j.open_demand(std::move(demand));
  }

  std::vector<leased_job> take() {
    return await(st->promises.at(taken++).get_future());
  }

  std::shared_ptr<state> st = std::make_shared<state>();
  std::size_t taken = 0;
  demand_id id{};
};

} // namespace

TEST_CASE("a journal answers an enqueue with the job's id and keeps the job") {
  temp_dir dir;
  job_id id{};
  {
    auto j = open(small(dir));
    id = enqueue(*j, "q", "payload");
    auto job = look(*j, id);
    REQUIRE(job);
    CHECK(job->queue == "q");
    CHECK(job->state == job_state::ready);
  }
  auto j = open(small(dir));
  REQUIRE(look(*j, id));
  CHECK(enqueue(*j, "q", "next") == job_id{static_cast<std::uint64_t>(id) + 1});
}

TEST_CASE("a journal applies commands in order, however many wait") {
  temp_dir dir;
  auto j = open(small(dir));
  std::vector<std::future<expected<outcome>>> answers;
  for (int i = 0; i < 5'000; ++i) {
    auto text = std::to_string(i);
    enqueue_command cmd{"q", {new_job{.handler = "h", .payload = text}}};
    answers.push_back(submit(*j, cmd));
  }
  std::uint64_t expected_id = 1;
  for (auto& answer : answers) {
    auto result = await(std::move(answer));
    REQUIRE(result);
    auto& out = std::get<enqueue_outcome>(*result);
    CHECK(out.jobs.at(0).id == job_id{expected_id++});
  }
}

TEST_CASE("a journal refuses commands beyond its bound as busy") {
  temp_dir dir;
  auto options = small(dir);
  options.max_waiting = 2;
  auto j = open(options);
  std::vector<std::future<expected<outcome>>> answers;
  for (int i = 0; i < 2'000; ++i)
    answers.push_back(submit(
      *j, enqueue_command{"q", {new_job{.handler = "h", .payload = "x"}}}));
  std::size_t accepted = 0;
  std::size_t busy = 0;
  for (auto& answer : answers) {
    auto result = await(std::move(answer));
    if (result)
      ++accepted;
    else if (result.error().code == errc::busy)
      ++busy;
  }
  CHECK(accepted >= 2);
  CHECK(accepted + busy == answers.size());
  CHECK(busy > 0);
}

TEST_CASE("a demand gets jobs that wait and jobs that come") {
  temp_dir dir;
  auto j = open(small(dir));
  auto first = enqueue(*j, "q", "one");
  taker worker{*j, {}, 10};
  auto jobs = worker.take();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token == lease_token{first, 1});
  CHECK(jobs[0].payload == "one");
  auto second = enqueue(*j, "other", "two");
  jobs = worker.take();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token.id == second);
  CHECK(jobs[0].queue == "other");
}

TEST_CASE("a demand gets no more jobs than its credit") {
  temp_dir dir;
  auto j = open(small(dir));
  enqueue_command cmd{"q", {}};
  for (int i = 0; i < 10; ++i)
    cmd.jobs.push_back({.handler = "h", .payload = "x"});
  apply<enqueue_outcome>(*j, cmd);
  taker worker{*j, {"q"}, 4};
  CHECK(worker.take().size() == 4);
  j->add_credit(worker.id, 3);
  CHECK(worker.take().size() == 3);
  auto info = j->stats();
  CHECK(info.entries >= 3);
}

TEST_CASE(
  "large jobs are delivered one after the other, and none is forgotten") {
  temp_dir dir;
  auto options = small(dir);
  options.lease_bytes = 1'000;
  auto j = open(options);
  for (int i = 0; i < 5; ++i)
    enqueue(*j, "q", std::string(2'000, 'x'));
  taker who{*j, {"q"}, 100};
  for (int i = 0; i < 5; ++i)
    CHECK(who.take().size() == 1);
  j->withdraw(who.id);
  CHECK(who.take().empty());
}

TEST_CASE("a demand that waits once is answered once") {
  temp_dir dir;
  auto j = open(small(dir));
  taker waits{*j, {"q"}, 5, true};
  enqueue(*j, "q", "x");
  CHECK(waits.take().size() == 1);
  taker withdrawn{*j, {"q"}, 5, true};
  j->withdraw(withdrawn.id);
  CHECK(withdrawn.take().empty());
  auto id = enqueue(*j, "q", "y");
  CHECK(look(*j, id)->state == job_state::ready);
}

TEST_CASE("an expired lease is handed out again") {
  temp_dir dir;
  auto j = open(small(dir));
  auto id = enqueue(*j, "q", "x");
  auto leased = apply<lease_outcome>(*j, lease_command{"q", "w", 1, 20ms});
  REQUIRE(leased.jobs.size() == 1);
  taker worker{*j, {}, 1};
  auto jobs = worker.take();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token == lease_token{id, 2});
  auto late = apply<settle_outcome>(
    *j, complete_command{{completion{{id, 1}, "late"}}});
  CHECK(late.items.at(0).status == settle_status::stale);
  CHECK(j->stats().leases_expired == 1);
}

TEST_CASE(
  "a lease that ended while there was no journal lasts a while longer") {
  temp_dir dir;
  auto options = small(dir);
  options.lease_grace = 1h;
  auto id = job_id{1};
  auto deadline = std::chrono::floor<millis>(std::chrono::system_clock::now());
  {
    // What an earlier journal has left.
    store_options where;
    where.directory = dir.path();
    auto db = store::open(where);
    REQUIRE(db);
    state_machine machine{**db};
    effects fx;
    auto then = deadline - 1s;
    REQUIRE(
      machine.apply(enqueue_command{"q", {new_job{.handler = "h"}}}, then, fx));
    REQUIRE(machine.apply(lease_command{"q", "w", 1, 1s}, then, fx));
    REQUIRE(machine.commit());
  }
  auto j = open(options);
  // An answer comes after the first tick.
  enqueue(*j, "q", "y");
  auto job = look(*j, id);
  REQUIRE(job);
  CHECK(job->state == job_state::leased);
  CHECK(job->attempt == 1);
  CHECK(job->lease_deadline > deadline + 30min);
}

TEST_CASE("a lease outlasts a time in which the journal's thread stood still") {
  temp_dir dir;
  auto options = small(dir);
  options.lease_grace = 1h;
  auto j = open(options);
  auto id = enqueue(*j, "q", "x");
  auto leased = apply<lease_outcome>(*j, lease_command{"q", "w", 1, 3s});
  auto deadline = leased.jobs.at(0).deadline;
  // Until it has nothing to do but to wait for the lease's end.
  auto is_committed = [&] {
    auto reading = j->snapshot();
    REQUIRE(reading);
    auto job = reading->view().job(id);
    return job && job->state == job_state::leased;
  };
  for (auto end = std::chrono::steady_clock::now() + limit; !is_committed();) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(1ms);
  }
  // The thread stands still as it would in a process that is stopped.
  j->read([deadline](const expected<store_view>&) {
    std::this_thread::sleep_until(deadline + 100ms);
  });
  // An answer comes after the tick.
  enqueue(*j, "q", "y");
  enqueue(*j, "q", "z");
  auto job = look(*j, id);
  REQUIRE(job);
  CHECK(job->state == job_state::leased);
  CHECK(job->lease_deadline > deadline + 30min);
  auto extended = apply<settle_outcome>(
    *j, extend_command{{extension{{id, 1}, 10s, std::nullopt}}});
  CHECK(extended.items.at(0).status == settle_status::ok);
  CHECK(j->stats().leases_expired == 0);
}

TEST_CASE("a lease is no longer than asked for where nothing stood still") {
  temp_dir dir;
  auto options = small(dir);
  options.lease_grace = 1h;
  auto j = open(options);
  auto id = enqueue(*j, "q", "x");
  apply<lease_outcome>(*j, lease_command{"q", "w", 1, 20ms});
  taker worker{*j, {}, 1};
  CHECK(worker.take().at(0).token == lease_token{id, 2});
}

TEST_CASE("a scheduled job becomes ready by itself") {
  temp_dir dir;
  auto j = open(small(dir));
  taker worker{*j, {}, 1};
  apply<enqueue_outcome>(
    *j, enqueue_command{
          "q", {new_job{.handler = "h", .payload = "x", .delay = 30ms}}});
  CHECK(worker.take().size() == 1);
}

TEST_CASE("a queue with a rate hands out its jobs one after the other") {
  temp_dir dir;
  auto j = open(small(dir));
  apply<configure_outcome>(*j, configure_command{.queue = "q", .rate = 20.0});
  for (int i = 0; i < 25; ++i)
    enqueue(*j, "q", "x");
  taker worker{*j, {"q"}, 100};
  std::size_t got = 0;
  while (got < 25)
    got += worker.take().size();
  CHECK(got == 25);
}

TEST_CASE("a paused queue hands out nothing until it goes on") {
  temp_dir dir;
  auto j = open(small(dir));
  apply<configure_outcome>(*j, configure_command{.queue = "q", .paused = true});
  auto id = enqueue(*j, "q", "x");
  taker worker{*j, {}, 1};
  auto other = enqueue(*j, "other", "y");
  auto jobs = worker.take();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token.id == other);
  j->add_credit(worker.id, 1);
  CHECK(look(*j, id)->state == job_state::ready);
  apply<configure_outcome>(*j,
                           configure_command{.queue = "q", .paused = false});
  jobs = worker.take();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token.id == id);
}

TEST_CASE("a watch fires when its job is final, at once if it is") {
  temp_dir dir;
  auto j = open(small(dir));
  auto id = enqueue(*j, "q", "x");
  auto watch = [&](job_id which) {
    auto promise = std::make_shared<std::promise<std::optional<job_state>>>();
    auto result = promise->get_future();
    auto key = j->watch(which, [promise](std::optional<job_state> state) {
      promise->set_value(state);
    });
    return std::pair{key, std::move(result)};
  };
  auto [key, waiting] = watch(id);
  auto [other_key, unwatched] = watch(id);
  j->unwatch(other_key);
  CHECK(await(std::move(unwatched)) == std::nullopt);
  CHECK(waiting.wait_for(0s) == std::future_status::timeout);
  apply<change_outcome>(*j, cancel_command{id});
  CHECK(await(std::move(waiting)) == job_state::cancelled);
  CHECK(await(watch(id).second) == job_state::cancelled);
  CHECK(await(watch(job_id{999}).second) == std::nullopt);
}

TEST_CASE("a full queue refuses jobs and keeps those it has") {
  temp_dir dir;
  auto j = open(small(dir));
  apply<configure_outcome>(
    *j, configure_command{.queue = "q", .max_depth = std::uint64_t{2}});
  enqueue(*j, "q", "1");
  enqueue(*j, "q", "2");
  auto refused = await(submit(
    *j, enqueue_command{"q", {new_job{.handler = "h", .payload = "3"}}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::queue_full);
  CHECK(apply<lease_outcome>(*j, lease_command{"q", "w", 1, 10s}).jobs.size()
        == 1);
  enqueue(*j, "q", "3");
}

TEST_CASE("room that a purge made is used again, however large the reserve") {
  temp_dir dir;
  auto options = small(dir);
  options.map_size = std::size_t{64} << 20;
  options.store_reserve = std::size_t{48} << 20;
  auto j = open(options);
  std::string payload(std::size_t{1} << 20, 'x');
  enqueue_command more{"q", {new_job{.handler = "h", .payload = payload}}};
  std::uint32_t taken = 0;
  expected<outcome> answer;
  while ((answer = await(submit(*j, more))))
    REQUIRE(++taken < 64);
  CHECK(answer.error().code == errc::store_full);
  CHECK(apply<purge_outcome>(*j, purge_command{"q", job_state::ready}).removed
        == taken);
  auto until = std::chrono::steady_clock::now() + limit;
  while (!await(submit(*j, more)))
    REQUIRE(std::chrono::steady_clock::now() < until);
}

TEST_CASE("a closed journal answers everything as unavailable") {
  temp_dir dir;
  auto j = open(small(dir));
  taker worker{*j, {}, 1};
  auto promise = std::make_shared<std::promise<std::optional<job_state>>>();
  auto id = enqueue(*j, "q", "x");
  CHECK(worker.take().size() == 1);
  j->watch(id, [promise](auto state) { promise->set_value(state); });
  j->close();
  CHECK(worker.take().empty());
  CHECK(await(promise->get_future()) == std::nullopt);
  auto refused = await(submit(*j, cancel_command{id}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::unavailable);
  CHECK_FALSE(j->snapshot());
}

TEST_CASE("the log is cut while jobs flow, and nothing is lost over it") {
  temp_dir dir;
  auto options = small(dir);
  options.snapshot_bytes = std::size_t{512} << 10;
  options.commit_bytes = std::size_t{128} << 10;
  std::string payload(1'000, 'p');
  {
    auto j = open(options);
    for (int round = 0; round < 40; ++round) {
      enqueue_command cmd{"q", {}};
      for (int i = 0; i < 100; ++i)
        cmd.jobs.push_back({.handler = "h", .payload = payload});
      apply<enqueue_outcome>(*j, cmd);
    }
    CHECK(j->stats().snapshots >= 3);
  }
  auto j = open(options);
  auto reading = j->snapshot();
  REQUIRE(reading);
  auto queue = reading->view().queue("q");
  REQUIRE(queue);
  CHECK(queue->count(job_state::ready) == 4'000);
}

TEST_CASE("a backup of a running journal opens as a data directory") {
  temp_dir dir;
  temp_dir copy;
  {
    auto j = open(small(dir));
    for (int i = 0; i < 10; ++i)
      enqueue(*j, "q", "x");
    REQUIRE(j->backup(copy.path() / "store.mdb"));
    enqueue(*j, "q", "after");
  }
  auto j = open([&] {
    auto options = small(dir);
    options.directory = copy.path();
    return options;
  }());
  CHECK(look(*j, job_id{10}));
  CHECK_FALSE(look(*j, job_id{11}));
  CHECK(enqueue(*j, "q", "new") == job_id{11});
  j->close();
  j = open([&] {
    auto options = small(dir);
    options.directory = copy.path();
    return options;
  }());
  CHECK(look(*j, job_id{11}));
}

TEST_CASE("a data directory is used by one journal at a time") {
  temp_dir dir;
  auto j = open(small(dir));
  auto second = journal::open(small(dir));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::store_locked);
}
