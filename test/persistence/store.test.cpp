#include "persistence/journal.hpp"
#include "persistence/state_machine.hpp"
#include "persistence/store_tables.hpp"
#include "test/support/store_checker.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

using namespace muster;
namespace fs = std::filesystem;

namespace {

store_options options_of(const temp_dir& dir,
                         std::size_t map_size = std::size_t{64} << 20) {
  store_options result;
  result.directory = dir.path();
  result.map_size = map_size;
  return result;
}

std::string content(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write(const fs::path& file, std::string_view bytes) {
  std::ofstream out{file, std::ios::binary};
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A store with so many jobs of a page each.
void fill(store& db, int jobs) {
  state_machine machine{db};
  effects fx;
  std::string payload(4'000, 'p');
  for (int i = 0; i < jobs; ++i)
    REQUIRE(machine.apply(
      enqueue_command{"q", {new_job{.handler = "h", .payload = payload}}},
      timestamp{millis{1'000}}, fx));
  REQUIRE(machine.commit());
}

/// What opening says of a file, which must stay as it is.
errc refusal(const temp_dir& dir) {
  auto file = dir.path() / "store.mdb";
  auto before = content(file);
  auto opened = store::open(options_of(dir));
  CHECK(content(file) == before);
  REQUIRE_FALSE(opened);
  CHECK_FALSE(opened.error().message.empty());
  CHECK(opened.error().message.find('\n') == std::string::npos);
  return opened.error().code;
}

} // namespace

TEST_CASE("a store is locked to one user at a time") {
  temp_dir dir;
  auto first = store::open(options_of(dir));
  REQUIRE(first);
  auto second = store::open(options_of(dir));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::store_locked);
  first->reset();
  CHECK(store::open(options_of(dir)));
}

TEST_CASE("a file that is no store is refused and untouched") {
  temp_dir dir;
  auto file = dir.path() / "store.mdb";
  SECTION("text") {
    write(file, "this is a shopping list, not a store\n");
    CHECK(refusal(dir) == errc::store_foreign);
  }
  SECTION("a large file of zeros") {
    write(file, std::string(100'000, '\0'));
    CHECK(refusal(dir) == errc::store_foreign);
  }
  SECTION("an LMDB file of another program") {
    MDB_env* env = nullptr;
    mdb_env_create(&env);
    mdb_env_set_maxdbs(env, 4);
    REQUIRE(mdb_env_open(env, file.c_str(), MDB_NOSUBDIR, 0600) == 0);
    MDB_txn* txn = nullptr;
    mdb_txn_begin(env, nullptr, 0, &txn);
    MDB_dbi other = 0;
    mdb_dbi_open(txn, "cookies", MDB_CREATE, &other);
    lmdb::put(txn, other, "k", "v");
    mdb_txn_commit(txn);
    mdb_env_close(env);
    CHECK(refusal(dir) == errc::store_foreign);
  }
}

TEST_CASE("an empty file, left by a crash at the very start, becomes a store") {
  temp_dir dir;
  write(dir.path() / "store.mdb", "");
  CHECK(store::open(options_of(dir)));
}

TEST_CASE("a store of a newer version is refused and untouched") {
  temp_dir dir;
  {
    auto db = *store::open(options_of(dir));
    MDB_txn* txn = nullptr;
    mdb_txn_begin(db->internals().env, nullptr, 0, &txn);
    lmdb::put(txn, db->internals()[table::meta], meta_keys::schema,
              lmdb::key{}.u32(99));
    mdb_txn_commit(txn);
  }
  CHECK(refusal(dir) == errc::store_newer);
}

TEST_CASE("a store of the version without attempts is brought up to date") {
  temp_dir dir;
  job_id id{};
  lease_token token;
  effects fx;
  timestamp now{millis{1'000}};
  auto apply = [&](state_machine& machine, const command& cmd) {
    auto out = machine.apply(cmd, now, fx);
    REQUIRE(out);
    return *out;
  };
  {
    auto db = *store::open(options_of(dir));
    state_machine machine{*db};
    auto added
      = apply(machine, enqueue_command{"q", {new_job{.handler = "h"}}});
    id = std::get<enqueue_outcome>(added).jobs.at(0).id;
    token = std::get<lease_outcome>(
              apply(machine, lease_command{"q", "w", 1, millis{1'000}}))
              .jobs.at(0)
              .token;
    apply(machine,
          fail_command{{{token, failure_kind::timed_out, "slow", true}}});
    REQUIRE(machine.commit());
  }
  {
    // What the older version would have left.
    auto db = *store::open(options_of(dir));
    auto& tables = db->internals();
    MDB_txn* txn = nullptr;
    mdb_txn_begin(tables.env, nullptr, 0, &txn);
    REQUIRE(mdb_drop(txn, tables[table::attempts], 1) == 0);
    lmdb::put(txn, tables[table::meta], meta_keys::schema, lmdb::key{}.u32(1));
    REQUIRE(mdb_txn_commit(txn) == 0);
  }
  auto db = *store::open(options_of(dir));
  {
    auto reading = *db->read();
    auto attempts = reading.view().attempts(id).attempts;
    REQUIRE(attempts.size() == 1);
    CHECK(attempts.front().attempt == 1);
    CHECK(attempts.front().outcome == attempt_status::failed);
    CHECK(attempts.front().worker == "w");
    CHECK(attempts.front().started_at == now);
    CHECK_FALSE(attempts.front().ended_at);
    CHECK(attempts.front().error == "slow");
    MDB_txn* txn = nullptr;
    mdb_txn_begin(db->internals().env, nullptr, MDB_RDONLY, &txn);
    CHECK(lmdb::get(txn, db->internals()[table::meta], meta_keys::schema)
          == std::string_view{lmdb::key{}.u32(2)});
    mdb_txn_abort(txn);
  }
  // Its life goes on, and from here on attempts are kept.
  state_machine machine{*db};
  now += std::chrono::hours{1};
  apply(machine, tick_command{});
  apply(machine, lease_command{"q", "w2", 1, millis{1'000}});
  apply(machine, release_command{{{id, 2}}});
  auto attempts = machine.view()->attempts(id);
  REQUIRE(attempts.attempts.size() == 1);
  CHECK(attempts.attempts.front().outcome == attempt_status::released);
  CHECK(attempts.dropped == 1);
  REQUIRE(machine.commit());
  CHECK(check_store(*db).empty());
}

TEST_CASE("a store that was cut short is refused and untouched") {
  temp_dir dir;
  fill(**store::open(options_of(dir)), 200);
  auto file = dir.path() / "store.mdb";
  fs::resize_file(file, fs::file_size(file) / 2);
  CHECK(refusal(dir) == errc::store_corrupt);
}

TEST_CASE("a store with a damaged second head is refused and untouched") {
  temp_dir dir;
  { auto db = store::open(options_of(dir)); }
  auto file = dir.path() / "store.mdb";
  std::fstream out{file, std::ios::in | std::ios::out | std::ios::binary};
  out.seekp(4096);
  out.write(std::string(200, 'x').data(), 200);
  out.close();
  CHECK(refusal(dir) == errc::store_corrupt);
}

TEST_CASE("a data directory that is a file is refused with a sentence") {
  temp_dir dir;
  write(dir.path() / "file", "x");
  store_options options;
  options.directory = dir.path() / "file";
  auto opened = store::open(options);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == errc::io_error);
}

TEST_CASE("a store that is full says so, keeps what it had, and goes on with "
          "more room") {
  temp_dir dir;
  auto small = options_of(dir, std::size_t{1} << 20);
  std::uint64_t kept = 0;
  {
    auto db = *store::open(small);
    state_machine machine{*db};
    effects fx;
    std::string payload(10'000, 'p');
    enqueue_command cmd{"q", {new_job{.handler = "h", .payload = payload}}};
    for (int i = 0; i < 1'000; ++i) {
      auto result = machine.apply(cmd, timestamp{millis{1'000}}, fx);
      auto ok = result ? machine.commit()
                       : expected<void>{tl::unexpected{result.error()}};
      if (!ok) {
        CHECK(ok.error().code == errc::store_full);
        break;
      }
      ++kept;
    }
    REQUIRE(kept > 10);
    REQUIRE(kept < 1'000);
    machine.abort();
    CHECK(check_store(*db).empty());
  }
  auto db = *store::open(options_of(dir));
  CHECK(check_store(*db).empty());
  auto queue = db->read()->view().queue("q");
  REQUIRE(queue);
  CHECK(queue->count(job_state::ready) == kept);
  fill(*db, 10);
}

TEST_CASE("a nearly full store refuses jobs, takes purges, and goes on") {
  temp_dir dir;
  journal_options options;
  options.directory = dir.path();
  options.map_size = std::size_t{8} << 20;
  options.segment_size = std::size_t{1} << 20;
  options.disk_reserve = 1;
  auto opened = journal::open(options);
  REQUIRE(opened);
  auto& j = **opened;
  auto apply = [&j](const command& cmd) {
    std::promise<expected<outcome>> answer;
    auto result = answer.get_future();
    j.submit(encode(cmd),
             [&answer](expected<outcome> out) { answer.set_value(out); });
    return result.get();
  };
  std::string payload(20'000, 'p');
  enqueue_command cmd{"q", {new_job{.handler = "h", .payload = payload}}};
  std::uint64_t accepted = 0;
  while (accepted < 1'000) {
    auto result = apply(cmd);
    if (!result) {
      CHECK(result.error().code == errc::store_full);
      break;
    }
    ++accepted;
  }
  REQUIRE(accepted > 50);
  REQUIRE(accepted < 1'000);
  // Work on what was accepted goes on.
  auto leased = apply(lease_command{"q", "w", 5, millis{10'000}});
  REQUIRE(leased);
  complete_command done;
  for (auto& job : std::get<lease_outcome>(*leased).jobs)
    done.items.push_back({job.token, "result"});
  REQUIRE(done.items.size() == 5);
  REQUIRE(apply(done));
  auto purged = apply(purge_command{"q", job_state::ready, 10'000});
  REQUIRE(purged);
  CHECK(std::get<purge_outcome>(*purged).removed == accepted - 5);
  REQUIRE(j.backup(dir.path() / "copy.mdb"));
  CHECK(apply(cmd));
}

TEST_CASE("usage counts what is freed as free") {
  temp_dir dir;
  auto db = *store::open(options_of(dir));
  fill(*db, 500);
  auto before = db->usage();
  REQUIRE(before);
  CHECK(before->used > 500 * 4'000);
  CHECK(before->used < before->map_size);
  state_machine machine{*db};
  effects fx;
  REQUIRE(machine.apply(purge_command{"q", job_state::ready, 10'000},
                        timestamp{millis{2'000}}, fx));
  REQUIRE(machine.commit());
  CHECK(db->usage()->used < before->used / 4);
}
