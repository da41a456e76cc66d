#include "actors/outcome_commands.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

namespace {

expected<outcome> settled(const std::vector<settle_status>& statuses) {
  // Made in place: GCC 12 takes a moved variant for uninitialised.
  expected<outcome> result{tl::in_place, std::in_place_type<settle_outcome>};
  auto& items = std::get<settle_outcome>(*result).items;
  for (auto status : statuses)
    items.push_back({status, {}});
  return result;
}

attempt_outcome item(std::uint64_t id, outcome_kind kind) {
  return {{job_id{id}, 1}, kind, "text " + std::to_string(id), true};
}

// What stands in an encoded command.
command decoded(const encoded_command& cmd, std::string& entry) {
  begin_entry(entry, timestamp{});
  entry += cmd.bytes;
  return *entry_reader::open(entry)->next();
}

} // namespace

TEST_CASE("a batch of one kind becomes one command") {
  outcome_batch batch{
    7, {item(1, outcome_kind::succeeded), item(2, outcome_kind::succeeded)}};
  outcome_recording recording{batch};
  auto commands = recording.take_commands();
  REQUIRE(commands.size() == 1);
  std::string entry;
  auto cmd = decoded(commands[0], entry);
  auto* complete = std::get_if<complete_command>(&cmd);
  REQUIRE(complete != nullptr);
  REQUIRE(complete->items.size() == 2);
  CHECK(complete->items[1].token == lease_token{job_id{2}, 1});
  CHECK(complete->items[1].result == "text 2");
  using enum settle_status;
  CHECK(recording.on_answer(0, settled({ok, stale})));
  auto ack = recording.to_ack();
  CHECK(ack.number == 7);
  CHECK(ack.code == errc::none);
  CHECK(ack.items == std::vector{ok, stale});
}

TEST_CASE("a mixed batch is put together again in its order") {
  outcome_batch batch{
    1,
    {item(1, outcome_kind::failed), item(2, outcome_kind::succeeded),
     item(3, outcome_kind::released), item(4, outcome_kind::timed_out),
     item(5, outcome_kind::succeeded)}};
  batch.items[3].retry = false;
  outcome_recording recording{batch};
  auto commands = recording.take_commands();
  REQUIRE(commands.size() == 3);
  std::string entry;
  auto cmd = decoded(commands[1], entry);
  auto* failures = std::get_if<fail_command>(&cmd);
  REQUIRE(failures != nullptr);
  CHECK(failures->items[0].kind == failure_kind::error);
  CHECK(failures->items[0].retry);
  CHECK(failures->items[1].kind == failure_kind::timed_out);
  CHECK(!failures->items[1].retry);
  using enum settle_status;
  CHECK(!recording.on_answer(2, settled({stale})));
  CHECK(!recording.on_answer(0, settled({ok, cancelled})));
  CHECK(recording.on_answer(1, settled({ok, ok})));
  CHECK(recording.to_ack().items == std::vector{ok, ok, stale, ok, cancelled});
}

TEST_CASE("a batch is not acknowledged if a part of it was refused") {
  outcome_batch batch{
    1, {item(1, outcome_kind::failed), item(2, outcome_kind::succeeded)}};
  outcome_recording recording{batch};
  CHECK(!recording.on_answer(0, settled({settle_status::ok})));
  CHECK(recording.on_answer(1, fail_with(errc::unavailable)));
  CHECK(recording.to_ack().code == errc::unavailable);
  CHECK(recording.to_ack().items.empty());
}

TEST_CASE("an answer of the wrong kind or length is an error") {
  outcome_batch batch{1, {item(1, outcome_kind::succeeded)}};
  outcome_recording wrong_kind{batch};
  CHECK(wrong_kind.on_answer(
    0, expected<outcome>{tl::in_place, std::in_place_type<enqueue_outcome>}));
  CHECK(wrong_kind.to_ack().code == errc::internal);
  outcome_recording wrong_length{batch};
  CHECK(wrong_length.on_answer(0, settled({})));
  CHECK(wrong_length.to_ack().code == errc::internal);
}
