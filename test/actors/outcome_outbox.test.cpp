#include "actors/outcome_outbox.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

outcome_outbox::time_point at(milliseconds since_start) {
  return outcome_outbox::time_point{} + std::chrono::hours{1} + since_start;
}

attempt_outcome success(std::uint64_t id, std::string result = "result") {
  return {{job_id{id}, 1}, outcome_kind::succeeded, std::move(result), true};
}

std::vector<attempt_outcome> some(std::size_t n) {
  std::vector<attempt_outcome> result;
  for (std::uint64_t id = 1; id <= n; ++id)
    result.push_back(success(id));
  return result;
}

std::vector<outcome_batch> due(outcome_outbox& box, milliseconds now) {
  std::vector<outcome_batch> result;
  for (auto& msg : box.take_due(at(now)))
    result.push_back(msg.get_as<outcome_batch>(0));
  return result;
}

outcome_ack recorded(const outcome_batch& batch) {
  return {batch.number, errc::none,
          std::vector<settle_status>(batch.items.size(), settle_status::ok)};
}

outcome_ack refused(const outcome_batch& batch, errc code) {
  return {batch.number, code, {}};
}

} // namespace

TEST_CASE("a batch is sent once and kept until it is acknowledged") {
  outcome_outbox box;
  box.add(some(3));
  auto sent = due(box, milliseconds{0});
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].items.size() == 3);
  CHECK(due(box, milliseconds{9'999}).empty());
  CHECK(box.size() == 3);
  CHECK(box.tokens().size() == 3);
  CHECK(box.on_ack(recorded(sent[0]), at(milliseconds{1})).acknowledged == 3);
  CHECK(box.empty());
  CHECK(box.size() == 0);
  CHECK(due(box, seconds{100}).empty());
}

TEST_CASE("without an answer a batch is sent again under its number") {
  outcome_outbox box;
  box.add(some(1));
  auto first = due(box, milliseconds{0});
  auto again = due(box, seconds{10});
  REQUIRE(again.size() == 1);
  CHECK(again[0].number == first[0].number);
  CHECK(box.resent() == 1);
  CHECK(due(box, milliseconds{19'999}).empty());
}

TEST_CASE("a new manager is sent everything at once") {
  outcome_outbox box;
  box.add(some(1));
  box.add(some(2));
  CHECK(!box.has_room());
  CHECK(due(box, milliseconds{0}).size() == 2);
  box.send_again();
  CHECK(due(box, milliseconds{1}).size() == 2);
}

TEST_CASE("a batch that is on its way in pieces is not sent again") {
  outcome_outbox box;
  box.add(some(1));
  auto sent = due(box, milliseconds{0});
  box.on_carrying(sent[0].number);
  CHECK(due(box, seconds{1'000}).empty());
  box.on_carried(sent[0].number, at(seconds{1'000}));
  CHECK(due(box, milliseconds{1'009'999}).empty());
  CHECK(due(box, milliseconds{1'010'000}).size() == 1);
  // A new manager has nothing of it.
  box.on_carrying(sent[0].number);
  box.send_again();
  CHECK(due(box, milliseconds{1'010'001}).size() == 1);
  // A refusal counts for more than the arrival that is told late.
  box.on_ack(refused(sent[0], errc::busy), at(milliseconds{1'010'002}));
  box.on_carried(sent[0].number, at(milliseconds{1'010'003}));
  CHECK(due(box, milliseconds{1'010'052}).size() == 1);
}

TEST_CASE("an unknown or repeated acknowledgement does nothing") {
  outcome_outbox box;
  box.add(some(1));
  auto sent = due(box, milliseconds{0});
  box.on_ack({99, errc::none, {}}, at(milliseconds{1}));
  CHECK(box.size() == 1);
  box.on_ack(recorded(sent[0]), at(milliseconds{1}));
  CHECK(box.on_ack(recorded(sent[0]), at(milliseconds{2})).acknowledged == 0);
}

TEST_CASE("outcomes that came too late are counted") {
  outcome_outbox box;
  box.add(some(3));
  auto ack = recorded(due(box, milliseconds{0})[0]);
  ack.items[0] = settle_status::stale;
  ack.items[2] = settle_status::cancelled;
  auto done = box.on_ack(ack, at(milliseconds{1}));
  CHECK(done.acknowledged == 3);
  CHECK(done.stale == 2);
}

TEST_CASE("a refused batch waits longer each time, but not for ever") {
  outcome_outbox box;
  box.add(some(1));
  auto now = milliseconds{0};
  for (int pause : {50, 100, 200, 400, 800, 1'600, 2'000, 2'000}) {
    auto sent = due(box, now);
    REQUIRE(sent.size() == 1);
    box.on_ack(refused(sent[0], errc::busy), at(now));
    CHECK(due(box, now + milliseconds{pause - 1}).empty());
    now += milliseconds{pause};
  }
  CHECK(box.size() == 1);
}

TEST_CASE("one outcome that cannot be recorded does not hold up the others") {
  outcome_outbox box;
  box.add(some(9));
  std::vector<attempt_outcome> accepted;
  // A manager that refuses every batch with the result of job 5 in it.
  for (int turn = 0; turn < 100 && !box.empty(); ++turn)
    for (auto& batch : due(box, seconds{turn})) {
      auto is_bad = [](const attempt_outcome& item) {
        return item.token.id == job_id{5}
               && item.kind == outcome_kind::succeeded;
      };
      if (std::any_of(batch.items.begin(), batch.items.end(), is_bad)) {
        box.on_ack(refused(batch, errc::result_too_large), at(seconds{turn}));
        continue;
      }
      accepted.insert(accepted.end(), batch.items.begin(), batch.items.end());
      box.on_ack(recorded(batch), at(seconds{turn}));
    }
  CHECK(box.empty());
  CHECK(box.size() == 0);
  REQUIRE(accepted.size() == 9);
  std::sort(accepted.begin(), accepted.end(),
            [](auto& x, auto& y) { return x.token < y.token; });
  for (auto& item : accepted) {
    auto is_bad = item.token.id == job_id{5};
    CHECK(item.kind
          == (is_bad ? outcome_kind::failed : outcome_kind::succeeded));
    CHECK(item.retry == !is_bad);
  }
}

TEST_CASE("an outcome that cannot be recorded even as a failure is dropped") {
  outcome_outbox box;
  box.add(some(1));
  std::size_t dropped = 0;
  for (int turn = 0; turn < 5; ++turn)
    for (auto& batch : due(box, seconds{turn}))
      dropped
        += box.on_ack(refused(batch, errc::invalid_argument), at(seconds{turn}))
             .dropped;
  CHECK(dropped == 1);
  CHECK(box.empty());
}
