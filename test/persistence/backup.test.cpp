#include "persistence/backup.hpp"
#include "persistence/journal.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <fstream>
#include <future>
#include <memory>
#include <string>

// Of directories that no process uses; `test/system` has those beside a node.

using namespace muster;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<journal> open(const fs::path& directory) {
  journal_options options;
  options.directory = directory;
  options.map_size = std::size_t{256} << 20;
  options.segment_size = std::size_t{1} << 20;
  options.disk_reserve = std::size_t{1} << 20;
  auto result = journal::open(std::move(options));
  REQUIRE(result);
  return std::move(*result);
}

void enqueue(journal& j, std::size_t jobs) {
  for (std::size_t i = 0; i < jobs; ++i) {
    std::promise<expected<outcome>> promise;
    enqueue_command cmd{"q", {new_job{.handler = "h", .payload = "x"}}};
    j.submit(encode(cmd), [&promise](expected<outcome> value) {
      promise.set_value(std::move(value));
    });
    REQUIRE(promise.get_future().get());
  }
}

std::uint64_t jobs_in(const fs::path& directory) {
  auto j = open(directory);
  auto reading = j->snapshot();
  REQUIRE(reading);
  auto queue = reading->view().queue("q");
  return queue ? queue->count(job_state::ready) : 0;
}

expected<backup_summary> back_up(const fs::path& from, const fs::path& to) {
  backup_options options;
  options.data_dir = from;
  options.destination = to;
  return backup_store(options);
}

} // namespace

TEST_CASE("a copy of a directory that nobody uses has what only its log holds, "
          "and leaves the original alone") {
  temp_dir dir;
  auto data = dir.path() / "data";
  enqueue(*open(data), 20);
  // As if it had been killed before its store's first commit.
  auto killed = dir.path() / "killed";
  {
    auto j = open(killed);
    enqueue(*j, 3);
    fs::copy(killed, dir.path() / "frozen", fs::copy_options::recursive);
  }
  auto copy = dir.path() / "copy";
  auto done = back_up(dir.path() / "frozen", copy);
  REQUIRE(done);
  CHECK(!done->live);
  CHECK(done->bytes == fs::file_size(copy / "store.mdb"));
  CHECK(jobs_in(copy) == 3);
  REQUIRE(back_up(data, dir.path() / "copy-2"));
  CHECK(jobs_in(dir.path() / "copy-2") == 20);
  CHECK(jobs_in(data) == 20);
}

TEST_CASE("a copy holds a store alone") {
  temp_dir dir;
  auto data = dir.path() / "data";
  enqueue(*open(data), 1);
  auto copy = dir.path() / "new" / "folder";
  REQUIRE(back_up(data, copy));
  std::size_t entries = 0;
  for (auto& entry : fs::directory_iterator{copy}) {
    CHECK(entry.path().filename() == "store.mdb");
    ++entries;
  }
  CHECK(entries == 1);
}

TEST_CASE("a copy goes into an empty directory only, and from a store only") {
  temp_dir dir;
  auto data = dir.path() / "data";
  enqueue(*open(data), 1);
  auto full = dir.path() / "full";
  fs::create_directory(full);
  std::ofstream{full / "file"} << "x";
  auto refused = back_up(data, full);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(fs::exists(full / "file"));
  CHECK(!fs::exists(full / "store.mdb"));
  auto empty = back_up(full, dir.path() / "none");
  REQUIRE(!empty);
  CHECK(empty.error().code == errc::invalid_argument);
  CHECK(!fs::exists(dir.path() / "none"));
}

TEST_CASE("of a store that is none there is no copy, and nothing is left "
          "behind") {
  temp_dir dir;
  auto data = dir.path() / "data";
  fs::create_directory(data);
  std::ofstream{data / "store.mdb"} << std::string(100'000, 'x');
  auto copy = dir.path() / "copy";
  auto refused = back_up(data, copy);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::store_foreign);
  CHECK(!fs::exists(copy));
}
