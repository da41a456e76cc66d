#include "actors/outbox_keeper.hpp"
#include "node_fixture.hpp"
#include "persistence/outbox_store.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace muster;

namespace {

lease_token token(std::uint64_t id) {
  return {job_id{id}, 1};
}

caf::message batch(std::vector<attempt_outcome> items) {
  return caf::make_message(outcome_batch{1, std::move(items)});
}

attempt_outcome done(std::uint64_t id, std::string text = "result") {
  return {token(id), outcome_kind::succeeded, std::move(text), true};
}

std::shared_ptr<outbox_keeper> open(const std::filesystem::path& dir,
                                    std::size_t max_bytes = 1 << 20) {
  outbox_keeper_options options;
  options.directory = dir;
  options.max_bytes = max_bytes;
  options.retry_pause = millis{10};
  auto result = outbox_keeper::open(options);
  REQUIRE(result);
  return *result;
}

std::vector<attempt_outcome> all(outbox_keeper& keeper) {
  std::vector<attempt_outcome> result;
  for (auto& items : keeper.unacknowledged())
    result.insert(result.end(), items.begin(), items.end());
  std::sort(result.begin(), result.end(),
            [](auto& lhs, auto& rhs) { return lhs.token < rhs.token; });
  return result;
}

} // namespace

TEST_CASE("a keeper gives to its successor what was not acknowledged") {
  temp_dir dir;
  {
    auto keeper = open(dir.path());
    keeper->keep(batch({done(1), done(2)}));
    keeper->keep(batch({{token(3), outcome_kind::failed, "why", false},
                        {token(4), outcome_kind::released, "", true}}));
    keeper->flush();
    auto second = batch({done(2)});
    keeper->remove(second);
  }
  auto keeper = open(dir.path());
  auto kept = all(*keeper);
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].token == token(1));
  CHECK(kept[0].text == "result");
  CHECK(kept[0].kind == outcome_kind::succeeded);
  CHECK(kept[1].token == token(3));
  CHECK(kept[1].kind == outcome_kind::failed);
  CHECK(kept[1].text == "why");
  CHECK(!kept[1].retry);
}

TEST_CASE("a keeper has on disk what it says, before its end") {
  temp_dir dir;
  temp_dir copy;
  auto keeper = open(dir.path());
  keeper->keep(batch({done(1)}));
  keeper->flush();
  // As a crash would leave it.
  std::filesystem::copy(dir.path() / "outbox.mdb", copy.path() / "outbox.mdb");
  auto found = outbox_store::open({copy.path()});
  REQUIRE(found);
  CHECK((*found)->load()->size() == 1);
}

TEST_CASE("a keeper is full past its bound until something is taken") {
  temp_dir dir;
  auto keeper = open(dir.path(), 100);
  CHECK(!keeper->is_full());
  auto large = batch({done(1, std::string(101, 'x'))});
  keeper->keep(large);
  CHECK(keeper->is_full());
  CHECK(keeper->look().outcomes == 1);
  CHECK(keeper->look().bytes == 101);
  keeper->remove(large);
  CHECK(!keeper->is_full());
  CHECK(keeper->look().outcomes == 0);
}

TEST_CASE("an outcome that replaces another is kept in its place") {
  temp_dir dir;
  {
    auto keeper = open(dir.path());
    keeper->keep(batch({done(1, "first")}));
    keeper->flush();
    keeper->keep(batch({done(1, "second")}));
    CHECK(keeper->look().bytes == 6);
  }
  auto kept = all(*open(dir.path()));
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].text == "second");
}

TEST_CASE("what the disk refuses stays in memory and is written later") {
  temp_dir dir;
  {
    // The file has room for a megabyte.
    auto keeper = open(dir.path(), 100);
    auto large = batch({done(1, std::string(2 << 20, 'x'))});
    keeper->keep(large);
    CHECK(test::eventually([&] { return keeper->look().refused; }));
    keeper->keep(batch({done(2)}));
    CHECK(all(*keeper).size() == 2);
    keeper->remove(large);
    CHECK(test::eventually([&] { return !keeper->look().refused; }));
    keeper->flush();
  }
  auto kept = all(*open(dir.path(), 100));
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].token == token(2));
}

TEST_CASE("keepers and acknowledgements from many threads leave what is left") {
  temp_dir dir;
  constexpr std::uint64_t count = 2'000;
  {
    auto keeper = open(dir.path());
    for (std::uint64_t id = 1; id <= count; ++id) {
      auto one = batch({done(id)});
      keeper->keep(one);
      // Some before, some while, some after they are written.
      if (id % 3 != 0)
        keeper->remove(one);
      if (id % 500 == 0)
        keeper->flush();
    }
  }
  auto kept = all(*open(dir.path()));
  CHECK(kept.size() == count / 3);
  for (auto& item : kept)
    CHECK(static_cast<std::uint64_t>(item.token.id) % 3 == 0);
}
