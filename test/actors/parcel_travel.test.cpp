#include "actors/parcel.hpp"
#include "actors/parcel_content.hpp"
#include "manager_fixture.hpp"
#include "worker_fixture.hpp"

#include <algorithm>

// Managers and workers that take each other for remote; the test plays one of
// the two.

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;
using muster::test::fake_worker;
using muster::test::manager_fixture;
using muster::test::next;
using muster::test::worker_fixture;

namespace {

constexpr auto large = 8 * limits::parcel_chunk_bytes;

std::string large_text(char c) {
  return std::string(large, c);
}

// Takes the chunks that come without an answer to any.
std::vector<parcel_chunk> take_chunks(caf::scoped_actor& self) {
  std::vector<parcel_chunk> result;
  while (result.size() < limits::parcel_window) {
    auto chunk = next<parcel_chunk>(self);
    REQUIRE(chunk);
    result.push_back(std::move(*chunk));
  }
  CHECK(!next<parcel_chunk>(self, 50ms));
  return result;
}

// Answers chunks, beginning with those that are given, until a parcel is
// there.
template <class Send>
std::string take_parcel(caf::scoped_actor& self, parcel_receiver& receiver,
                        Send send, std::vector<parcel_chunk> given = {}) {
  std::reverse(given.begin(), given.end());
  while (true) {
    if (given.empty()) {
      auto chunk = next<parcel_chunk>(self);
      if (!chunk)
        return {};
      given.push_back(std::move(*chunk));
    }
    auto arrived = receiver.on_chunk(given.back());
    given.pop_back();
    if (arrived.answer)
      send(*arrived.answer);
    if (arrived.content)
      return *arrived.content;
  }
}

lease_batch take_leases(fake_worker& worker, parcel_receiver& receiver,
                        std::vector<parcel_chunk> given = {}) {
  auto content = take_parcel(
    worker.self, receiver, [&](auto msg) { worker.send(msg); },
    std::move(given));
  auto batch = read_leases(content);
  REQUIRE(batch);
  return std::move(*batch);
}

outcome_batch take_outcomes(worker_fixture& fix, parcel_receiver& receiver,
                            std::vector<parcel_chunk> given = {}) {
  auto content = take_parcel(
    *fix.manager, receiver, [&](auto msg) { fix.tell_worker(msg); },
    std::move(given));
  auto batch = read_outcomes(content);
  REQUIRE(batch);
  return std::move(*batch);
}

// Sends one parcel and takes the answers to it.
template <class Send>
void send_parcel(caf::scoped_actor& self, parcel_sender& sender, Send send,
                 caf::byte_buffer content) {
  sender.add({}, std::move(content));
  while (!sender.empty()) {
    for (auto& chunk : sender.take_due(std::chrono::steady_clock::now()))
      send(std::move(chunk));
    auto answer = next<parcel_received>(self);
    REQUIRE(answer);
    static_cast<void>(
      sender.on_received(*answer, std::chrono::steady_clock::now()));
  }
}

lease_batch one_lease(lease_token token, std::string payload) {
  leased_job job;
  job.token = token;
  job.handler = "echo";
  job.payload = std::move(payload);
  job.timeout = 60s;
  return {{job}};
}

} // namespace

// -- the manager --------------------------------------------------------------

TEST_CASE("a large lease travels in few chunks at a time, and what is small "
          "does not wait for it") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(2);
  auto id = fix.client.enqueue("echo", large_text('x'));
  auto chunks = take_chunks(worker.self);
  auto other = fix.client.enqueue("echo", "small");
  auto jobs = worker.lease(1);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].token.id == other);
  parcel_receiver receiver;
  auto batch = take_leases(worker, receiver, chunks);
  REQUIRE(batch.jobs.size() == 1);
  CHECK(batch.jobs[0].token.id == id);
  CHECK(batch.jobs[0].payload == large_text('x'));
}

TEST_CASE("a worker of this process gets large leases whole") {
  manager_fixture fix;
  fake_worker worker{fix};
  worker.join(1);
  fix.client.enqueue("echo", large_text('x'));
  CHECK(worker.lease(1).size() == 1);
}

TEST_CASE("a lease under way is not asked for and does not expire") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(1, {}, 1s);
  auto id = fix.client.enqueue("echo", large_text('x'));
  auto chunks = take_chunks(worker.self);
  worker_heartbeat beat;
  beat.complete = true;
  auto end = std::chrono::steady_clock::now() + 2s;
  while (std::chrono::steady_clock::now() < end) {
    worker.send(beat);
    std::this_thread::sleep_for(50ms);
  }
  CHECK(fix.client.state(id) == job_state::leased);
  CHECK(fix.client.job(id)->attempt == 1);
  CHECK(!next<check_leases>(worker.self, 0ms));
  // Once it is through, the worker has to name it.
  parcel_receiver receiver;
  take_leases(worker, receiver, chunks);
  worker.send(beat);
  worker.send(beat);
  CHECK(next<check_leases>(worker.self));
}

TEST_CASE("a lease that is cancelled under way is revoked behind its parcel") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(1);
  auto id = fix.client.enqueue("echo", large_text('x'));
  auto chunks = take_chunks(worker.self);
  REQUIRE(fix.client.submit(cancel_command{id}));
  CHECK(!next<revoke_leases>(worker.self, 100ms));
  parcel_receiver receiver;
  take_leases(worker, receiver, chunks);
  auto revoked = next<revoke_leases>(worker.self);
  REQUIRE(revoked);
  CHECK(revoked->items.at(0).token.id == id);
}

TEST_CASE(
  "a queue that is paused calls back what is under way once it is there") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(1);
  fix.client.enqueue("echo", large_text('x'));
  auto chunks = take_chunks(worker.self);
  REQUIRE(fix.client.submit(
    configure_command{.queue = "q", .paused = std::optional{true}}));
  REQUIRE(next<recall_leases>(worker.self));
  CHECK(!next<recall_leases>(worker.self, 50ms));
  parcel_receiver receiver;
  take_leases(worker, receiver, chunks);
  auto recalled = next<recall_leases>(worker.self);
  REQUIRE(recalled);
  CHECK(recalled->queues == std::vector<std::string>{"q"});
}

TEST_CASE("leasing has stopped when the last parcel is through; what was not "
          "begun goes back") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(2);
  auto first = fix.client.enqueue("echo", large_text('x'));
  auto chunks = take_chunks(worker.self);
  auto second = fix.client.enqueue("echo", large_text('y'));
  REQUIRE(fix.client.reaches(second, job_state::leased));
  worker.send(stop_leasing{});
  CHECK(fix.client.reaches(second, job_state::ready));
  CHECK(fix.client.job(second)->failures == 0);
  CHECK(!next<leasing_stopped>(worker.self, 100ms));
  parcel_receiver receiver;
  CHECK(take_leases(worker, receiver, chunks).jobs.at(0).token.id == first);
  CHECK(next<leasing_stopped>(worker.self));
}

TEST_CASE("a registration ends what was under way, and the lease comes again") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(1);
  auto id = fix.client.enqueue("echo", large_text('x'));
  take_chunks(worker.self);
  worker.join(1);
  parcel_receiver receiver;
  auto batch = take_leases(worker, receiver);
  CHECK(batch.jobs.at(0).token == lease_token{id, 2});
  CHECK(batch.jobs.at(0).payload == large_text('x'));
  CHECK(fix.client.job(id)->failures == 0);
}

TEST_CASE("a lease that was under way to a worker that is gone goes to "
          "another, and has not failed") {
  manager_fixture fix{true};
  job_id id{};
  {
    fake_worker worker{fix, "short-lived"};
    worker.join(1);
    id = fix.client.enqueue("echo", large_text('x'));
    take_chunks(worker.self);
  }
  fake_worker other{fix, "other"};
  other.join(1);
  parcel_receiver receiver;
  CHECK(take_leases(other, receiver).jobs.at(0).token.id == id);
  CHECK(fix.client.job(id)->failures == 0);
}

TEST_CASE("a large result is recorded once all its chunks are there") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.join(1);
  auto id = fix.client.enqueue("echo");
  auto job = worker.lease(1).at(0);
  outcome_batch batch{
    1, {{job.token, outcome_kind::succeeded, large_text('r'), true}}};
  auto send = [&](auto msg) { worker.send(std::move(msg)); };
  parcel_sender sender;
  // A first try that is given up.
  sender.begin_session(1);
  sender.add({}, to_parcel(batch));
  for (auto& chunk : sender.take_due(std::chrono::steady_clock::now())) {
    send(std::move(chunk));
    REQUIRE(next<parcel_received>(worker.self));
  }
  CHECK(fix.client.state(id) == job_state::leased);
  worker.join(1, {job.token});
  sender.begin_session(2);
  send_parcel(worker.self, sender, send, to_parcel(batch));
  auto ack = next<outcome_ack>(worker.self);
  REQUIRE(ack);
  CHECK(ack->number == 1);
  CHECK(ack->items == std::vector{settle_status::ok});
  CHECK(fix.client.result(id) == large_text('r'));
}

TEST_CASE("a chunk from a worker that is not known makes it register") {
  manager_fixture fix{true};
  fake_worker worker{fix};
  worker.send(parcel_chunk{1, 1, 4, 0, "abcd"});
  CHECK(next<register_again>(worker.self));
  worker.send(parcel_received{1, 1, 4});
  CHECK(next<register_again>(worker.self));
}

// -- the worker ---------------------------------------------------------------

TEST_CASE("a worker takes a lease in chunks and reports its large result in "
          "chunks, with heartbeats in between") {
  worker_fixture fix{2, true};
  fix.accept();
  parcel_sender sender;
  sender.begin_session(1);
  auto send = [&](auto msg) { fix.tell_worker(std::move(msg)); };
  lease_token token{job_id{1}, 1};
  send_parcel(*fix.manager, sender, send,
              to_parcel(one_lease(token, large_text('x'))));
  // The result is not answered for a while, longer than a batch waits.
  auto chunks = take_chunks(*fix.manager);
  CHECK(eventually([&] {
    auto beat = next<worker_heartbeat>(*fix.manager);
    return beat && beat->complete && beat->leases.size() == 1
           && beat->leases[0].token == token;
  }));
  parcel_receiver receiver;
  auto batch = take_outcomes(fix, receiver, chunks);
  REQUIRE(batch.items.size() == 1);
  CHECK(batch.items[0].token == token);
  CHECK(batch.items[0].text == large_text('x'));
  fix.acknowledge(batch);
  CHECK(
    eventually([&] { return fix.metrics->read().outcomes_acknowledged == 1; }));
  CHECK(fix.metrics->read().outcome_batches_resent == 0);
}

TEST_CASE("a small result does not wait for a large one") {
  worker_fixture fix{2, true};
  fix.accept();
  fix.lease("echo", large_text('x'));
  take_chunks(*fix.manager);
  auto small = fix.lease("echo", "small");
  auto batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).token == small);
}

TEST_CASE("a worker that registers again sends a large result from its "
          "beginning, and takes nothing of an earlier lease") {
  worker_fixture fix{2, true};
  fix.accept();
  auto token = fix.lease("echo", large_text('x'));
  take_chunks(*fix.manager);
  // Half a lease.
  parcel_sender sender;
  sender.begin_session(1);
  sender.add({}, to_parcel(one_lease({job_id{99}, 1}, large_text('y'))));
  auto late = sender.take_due(std::chrono::steady_clock::now());
  fix.tell_worker(late.at(0));
  REQUIRE(next<parcel_received>(*fix.manager));
  fix.tell_worker(register_again{});
  auto again = next<register_worker>(*fix.manager);
  REQUIRE(again);
  CHECK(again->held == std::vector{token});
  fix.tell_worker(late.at(1));
  fix.tell_worker(worker_accepted{});
  parcel_receiver receiver;
  auto batch = take_outcomes(fix, receiver);
  CHECK(batch.items.at(0).token == token);
  CHECK(batch.items.at(0).text == large_text('x'));
  fix.tell_worker(late.at(2));
  fix.acknowledge(batch);
  CHECK(
    eventually([&] { return fix.metrics->read().outcomes_acknowledged == 1; }));
  CHECK(!next<parcel_received>(*fix.manager, 50ms));
}

TEST_CASE("a drained worker hands back a large lease that was under way") {
  worker_fixture fix{2, true};
  fix.accept();
  parcel_sender sender;
  sender.begin_session(1);
  lease_token token{job_id{1}, 1};
  fix.drain(10s);
  REQUIRE(next<stop_leasing>(*fix.manager));
  send_parcel(
    *fix.manager, sender, [&](auto msg) { fix.tell_worker(std::move(msg)); },
    to_parcel(one_lease(token, large_text('x'))));
  fix.tell_worker(leasing_stopped{});
  auto batch = fix.outcomes();
  REQUIRE(batch);
  CHECK(batch->items.at(0).token == token);
  CHECK(batch->items.at(0).kind == outcome_kind::released);
}
