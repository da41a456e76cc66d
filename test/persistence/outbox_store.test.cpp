#include "persistence/outbox_store.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

using namespace muster;

namespace {

std::unique_ptr<outbox_store> open(const std::filesystem::path& dir) {
  auto result = outbox_store::open({dir});
  REQUIRE(result);
  return std::move(*result);
}

std::vector<kept_outcome> load(const outbox_store& store) {
  auto result = store.load();
  REQUIRE(result);
  return *result;
}

lease_token token(std::uint64_t id, std::uint32_t attempt = 1) {
  return {job_id{id}, attempt};
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

TEST_CASE("an outbox holds what was added until it is removed") {
  temp_dir dir;
  std::string binary{"a\0b\xFF", 4};
  std::vector<kept_outcome> want{{token(1), 0, binary, true},
                                 {token(2, 7), 1, "no", false},
                                 {token(~0ull, ~0u), 2, "", true}};
  {
    auto store = open(dir.path());
    CHECK(load(*store).empty());
    std::vector<kept_outcome_view> added;
    for (auto& item : want)
      added.push_back({item.token, item.kind, item.text, item.retry});
    REQUIRE(store->write(added, {}));
    CHECK(load(*store) == want);
  }
  auto store = open(dir.path());
  CHECK(load(*store) == want);
  REQUIRE(store->write({}, {token(2, 7), token(99)}));
  want.erase(want.begin() + 1);
  CHECK(load(*store) == want);
}

TEST_CASE("what an outbox has written outlives a killed process") {
  temp_dir dir;
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto store = outbox_store::open({dir.path()});
    auto ok = store && (*store)->write({{token(5), 0, "kept", true}}, {});
    char byte = ok ? '+' : '-';
    (void)!::write(pipe_ends[1], &byte, 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  CHECK(::read(pipe_ends[0], &byte, 1) == 1);
  CHECK(byte == '+');
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  auto store = open(dir.path());
  auto kept = load(*store);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].text == "kept");
}

TEST_CASE("an outbox that is full refuses and keeps what it has") {
  temp_dir dir;
  auto result = outbox_store::open({dir.path(), std::size_t{256} << 10});
  REQUIRE(result);
  auto& store = **result;
  std::string large(32 << 10, 'x');
  std::uint64_t kept = 0;
  expected<void> last;
  for (; kept < 1'000; ++kept) {
    last = store.write({{token(kept + 1), 0, large, true}}, {});
    if (!last)
      break;
  }
  REQUIRE(!last);
  CHECK(last.error().code == errc::store_full);
  CHECK(kept > 1);
  CHECK(load(store).size() == kept);
  // There is room again once something is gone; LMDB frees its pages two
  // transactions later.
  std::vector<lease_token> all;
  for (std::uint64_t id = 1; id <= kept; ++id)
    all.push_back(token(id));
  REQUIRE(store.write({}, all));
  REQUIRE(store.write({}, {}));
  REQUIRE(store.write({{token(1'001), 0, "", true}}, {}));
  CHECK(store.write({{token(1'000), 0, large, true}}, {}));
}

TEST_CASE("an outbox is used by one process at a time") {
  temp_dir dir;
  auto store = open(dir.path());
  auto second = outbox_store::open({dir.path()});
  REQUIRE(!second);
  CHECK(second.error().code == errc::store_locked);
}

TEST_CASE("a file that is no outbox is refused and left alone") {
  temp_dir dir;
  auto file = dir.path() / "outbox.mdb";
  std::string text(10'000, 'x');
  std::ofstream{file, std::ios::binary} << text;
  auto result = outbox_store::open({dir.path()});
  REQUIRE(!result);
  CHECK(result.error().code == errc::store_foreign);
  CHECK(bytes_of(file) == text);
}

namespace {

/// Writes a record into a file that LMDB made.
void put_raw(const std::filesystem::path& file, std::string key,
             std::string value) {
  MDB_env* env = nullptr;
  REQUIRE(mdb_env_create(&env) == 0);
  REQUIRE(mdb_env_open(env, file.c_str(), MDB_NOSUBDIR, 0640) == 0);
  MDB_txn* txn = nullptr;
  REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
  MDB_dbi dbi = 0;
  REQUIRE(mdb_dbi_open(txn, nullptr, 0, &dbi) == 0);
  MDB_val k{key.size(), key.data()};
  MDB_val v{value.size(), value.data()};
  REQUIRE(mdb_put(txn, dbi, &k, &v, 0) == 0);
  REQUIRE(mdb_txn_commit(txn) == 0);
  mdb_env_close(env);
}

} // namespace

TEST_CASE("a foreign, a newer and a damaged outbox are told apart") {
  temp_dir dir;
  auto file = dir.path() / "outbox.mdb";
  SECTION("another program's") {
    put_raw(file, "key", "value");
    CHECK(outbox_store::open({dir.path()}).error().code == errc::store_foreign);
  }
  SECTION("a newer version's") {
    put_raw(file, std::string(12, '\0'), "\x92\xADmuster outbox\x63");
    CHECK(outbox_store::open({dir.path()}).error().code == errc::store_newer);
  }
  SECTION("a damaged record") {
    { auto store = open(dir.path()); }
    put_raw(file, std::string(11, '\0') + '\1', "\xC1");
    auto store = open(dir.path());
    CHECK(store->load().error().code == errc::store_corrupt);
  }
}
