#include "actors/parcel.hpp"

#include "actors/parcel_content.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>

using namespace muster;
using std::chrono::milliseconds;

namespace {

parcel_sender::time_point at(milliseconds since_start) {
  return parcel_sender::time_point{} + std::chrono::hours{1} + since_start;
}

// Chunks of ten bytes, three under way, again after 100 ms.
parcel_options small() {
  return {10, 3, milliseconds{100}, milliseconds{1'000}};
}

caf::byte_buffer content(std::string_view text) {
  caf::byte_buffer result;
  for (auto c : text)
    result.push_back(static_cast<caf::byte>(c));
  return result;
}

parcel_label about(std::uint64_t batch) {
  return {batch, {{job_id{batch}, 1}}};
}

const std::string text = "The quick brown fox jumps over the lazy dog.";

} // namespace

TEST_CASE("a parcel comes out as it went in, in few chunks at a time") {
  parcel_sender sender{small()};
  parcel_receiver receiver;
  sender.begin_session(1);
  sender.add(about(7), content(text));
  std::optional<std::string> arrived;
  std::vector<parcel_label> through;
  auto chunks = sender.take_due(at({}));
  CHECK(chunks.size() == 3);
  CHECK(sender.take_due(at({})).empty());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    CHECK(chunks[i].bytes.size() <= 10);
    auto got = receiver.on_chunk(chunks[i]);
    REQUIRE(got.answer);
    if (got.content)
      arrived = got.content;
    for (auto& label : sender.on_received(*got.answer, at({})))
      through.push_back(label);
    auto more = sender.take_due(at({}));
    CHECK(more.size() <= 1);
    chunks.insert(chunks.end(), more.begin(), more.end());
  }
  CHECK(chunks.size() == 5);
  CHECK(arrived == text);
  REQUIRE(through.size() == 1);
  CHECK(through[0].batch == 7);
  CHECK(sender.empty());
}

TEST_CASE("parcels come out in order, once each, whatever happens to chunks "
          "and answers on their way") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::minstd_rand random{seed};
    auto one_in = [&random](unsigned n) { return random() % n == 0; };
    parcel_sender sender{small()};
    parcel_receiver receiver;
    sender.begin_session(1);
    std::vector<std::string> sent;
    std::vector<std::string> arrived;
    std::vector<std::uint64_t> through;
    std::vector<parcel_chunk> chunks;
    std::vector<parcel_received> answers;
    // Puts one on a way that loses, repeats and overtakes.
    auto put = [&](auto& way, const auto& item) {
      if (one_in(8))
        return;
      for (auto n = one_in(8) ? 2 : 1; n > 0; --n) {
        way.push_back(item);
        if (one_in(4))
          std::swap(way.back(), way[random() % way.size()]);
      }
    };
    auto take = [](auto& way) {
      auto item = way.front();
      way.erase(way.begin());
      return item;
    };
    milliseconds now{0};
    while (arrived.size() < 8 || !sender.empty()) {
      REQUIRE(now < std::chrono::hours{1});
      now += milliseconds{1};
      if (sent.size() < 8 && one_in(10)) {
        sent.emplace_back(1 + random() % 100,
                          static_cast<char>('a' + random() % 26));
        sender.add(about(sent.size()), content(sent.back()));
      }
      auto due = sender.take_due(at(now));
      std::size_t bytes = 0;
      for (auto& chunk : due) {
        bytes += chunk.bytes.size();
        put(chunks, chunk);
      }
      REQUIRE(bytes <= 30);
      if (!chunks.empty() && one_in(2)) {
        auto got = receiver.on_chunk(take(chunks));
        if (got.content)
          arrived.push_back(*got.content);
        if (got.answer)
          put(answers, *got.answer);
      }
      if (!answers.empty() && one_in(2))
        for (auto& label : sender.on_received(take(answers), at(now)))
          through.push_back(label.batch);
    }
    CHECK(arrived == sent);
    CHECK(through == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  }
}

TEST_CASE("what was lost is sent again, but not while there is news") {
  parcel_sender sender{small()};
  sender.begin_session(1);
  sender.add(about(1), content(text));
  CHECK(sender.take_due(at({})).size() == 3);
  CHECK(sender.take_due(at(milliseconds{99})).empty());
  static_cast<void>(sender.on_received({1, 1, 10}, at(milliseconds{99})));
  CHECK(sender.take_due(at(milliseconds{99})).size() == 1);
  CHECK(sender.take_due(at(milliseconds{198})).empty());
  auto again = sender.take_due(at(milliseconds{199}));
  REQUIRE(again.size() == 3);
  CHECK(again[0].offset == 10);
  CHECK(!sender.is_stuck(at(milliseconds{1'098})));
  CHECK(sender.is_stuck(at(milliseconds{1'099})));
  // What it had all the time need not come again.
  static_cast<void>(sender.on_received({1, 1, 40}, at(milliseconds{1'100})));
  again = sender.take_due(at(milliseconds{1'100}));
  REQUIRE(again.size() == 1);
  CHECK(again[0].offset == 40);
  CHECK(!sender.is_stuck(at(milliseconds{1'100})));
}

TEST_CASE("old news is no news") {
  parcel_sender sender{small()};
  sender.begin_session(2);
  sender.add(about(1), content(text));
  CHECK(sender.take_due(at({})).size() == 3);
  CHECK(sender.on_received({1, 2, 0}, at({})).empty());
  CHECK(sender.on_received({2, 1, 0}, at(milliseconds{50})).empty());
  CHECK(sender.take_due(at(milliseconds{50})).empty());
  CHECK(sender.take_due(at(milliseconds{100})).size() == 3);
}

TEST_CASE("parcels that were not begun can be taken back") {
  parcel_sender sender{small()};
  sender.begin_session(1);
  for (std::uint64_t i = 1; i <= 3; ++i)
    sender.add(about(i), content(text));
  CHECK(sender.take_due(at({})).size() == 3);
  CHECK(sender.tokens().size() == 3);
  auto back = sender.take_waiting();
  REQUIRE(back.size() == 2);
  CHECK(back[0].batch == 2);
  CHECK(sender.holds({job_id{1}, 1}));
  CHECK(!sender.holds({job_id{2}, 1}));
  // The numbers of those that follow leave no gap.
  static_cast<void>(sender.on_received({1, 1, 44}, at({})));
  sender.add(about(4), content(text));
  auto through = sender.on_received({1, 2, 0}, at({}));
  CHECK(through.size() == 1);
  auto chunks = sender.take_due(at({}));
  REQUIRE(!chunks.empty());
  CHECK(chunks[0].parcel == 2);
}

TEST_CASE("a new session begins with nothing of the last one") {
  parcel_sender sender{small()};
  parcel_receiver receiver;
  sender.begin_session(1);
  sender.add(about(1), content(text));
  sender.add(about(2), content(text));
  auto before = sender.take_due(at({}));
  CHECK(receiver.on_chunk(before.at(0)).answer->offset == 10);
  CHECK(sender.begin_session(5).size() == 2);
  CHECK(sender.empty());
  sender.add(about(3), content("short"));
  auto now = sender.take_due(at({}));
  REQUIRE(now.size() == 1);
  CHECK(receiver.on_chunk(now[0]).content == "short");
  // One that is late.
  CHECK(!receiver.on_chunk(before.at(1)).answer);
  CHECK(!receiver.on_chunk(before.at(0)).answer);
}

TEST_CASE("a chunk that breaks a rule is dropped") {
  parcel_receiver receiver;
  auto is_dropped = [&receiver](const parcel_chunk& chunk) {
    auto got = receiver.on_chunk(chunk);
    return !got.answer && !got.content;
  };
  CHECK(is_dropped({1, 0, 4, 0, "abcd"}));
  CHECK(is_dropped({1, 1, 4, 0, ""}));
  CHECK(is_dropped({1, 1, 3, 0, "abcd"}));
  CHECK(is_dropped({1, 1, 4, 5, "a"}));
  CHECK(is_dropped({1, 1, 4, UINT64_MAX, "ab"}));
  CHECK(is_dropped({1, 1, limits::parcel_bytes + 1, 0, "abcd"}));
  CHECK(is_dropped({0, 1, 4, 0, "abcd"}));
  // Another length than the first one said.
  CHECK(receiver.on_chunk({1, 1, 6, 0, "ab"}).answer->offset == 2);
  CHECK(receiver.on_chunk({1, 1, 4, 2, "cd"}).answer->offset == 2);
  CHECK(receiver.on_chunk({1, 1, 6, 2, "cdef"}).content == "abcdef");
}

TEST_CASE("what is in a parcel can be read again, and nothing else") {
  lease_batch leases;
  leases.jobs.resize(2);
  leases.jobs[1].token = {job_id{3}, 4};
  leases.jobs[1].payload = std::string(1'000, 'x');
  auto bytes = to_parcel(leases);
  CHECK(bytes.size() <= bytes_of(leases));
  std::string read(bytes.size(), '\0');
  std::transform(bytes.begin(), bytes.end(), read.begin(),
                 [](auto b) { return static_cast<char>(b); });
  auto again = read_leases(read);
  REQUIRE(again);
  CHECK(again->jobs.size() == 2);
  CHECK(again->jobs[1].token == leases.jobs[1].token);
  CHECK(again->jobs[1].payload == leases.jobs[1].payload);
  CHECK(!read_leases(read.substr(0, read.size() - 1)));
  CHECK(!read_leases(read + "x"));
  CHECK(!read_outcomes(read));
  CHECK(needs_parcel(limits::parcel_chunk_bytes + 1));
  CHECK(!needs_parcel(limits::parcel_chunk_bytes));
}
