#include "persistence/log.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <uv.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace muster;

namespace {

constexpr std::uint64_t store_id = 4711;

/// Remembers entries by position, and how many of them it was told to keep.
struct recorder : log_machine {
  void apply(std::uint64_t position, std::string_view entry) override {
    entries.insert_or_assign(position, std::string{entry});
    last = position;
  }

  expected<std::uint64_t> make_durable() override {
    durable = last;
    return last;
  }

  std::map<std::uint64_t, std::string> entries;
  std::uint64_t last = 0;
  std::uint64_t durable = 0;
};

/// A log on a loop of its own, run by hand.
class log_fixture {
public:
  log_fixture(const std::filesystem::path& dir, recorder& machine,
              std::uint64_t id = store_id)
    : machine_(machine) {
    uv_loop_init(&loop_);
    log_options options;
    options.directory = dir;
    options.segment_size = std::size_t{1} << 20;
    options.store_id = id;
    options.durable = machine.durable;
    log_.emplace(&loop_, machine, options);
    log_->start([this](expected<void> result) { started_ = result; });
    run_until([this] { return started_.has_value(); });
    machine_.last = std::max(machine_.last, machine_.durable);
  }

  ~log_fixture() {
    bool closed = false;
    log_->close([&closed] { closed = true; });
    run_until([&closed] { return closed; });
    uv_run(&loop_, UV_RUN_DEFAULT);
    log_.reset();
    uv_loop_close(&loop_);
  }

  [[nodiscard]] const expected<void>& started() const {
    return *started_;
  }

  bool append(std::string_view first, std::string_view second = {}) {
    std::optional<bool> written;
    std::string_view parts[] = {first, second};
    if (!log_->append(parts, [&written](bool ok) { written = ok; }))
      return false;
    run_until([&written] { return written.has_value(); });
    return *written;
  }

  log& get() {
    return *log_;
  }

  template <class Predicate>
  void run_until(Predicate done) {
    while (!done())
      uv_run(&loop_, UV_RUN_ONCE);
  }

private:
  recorder& machine_;
  uv_loop_t loop_{};
  std::optional<log> log_;
  std::optional<expected<void>> started_;
};

} // namespace

TEST_CASE("a log applies an entry before it reports it written") {
  temp_dir dir;
  recorder machine;
  log_fixture fixture{dir.path(), machine};
  REQUIRE(fixture.started());
  REQUIRE(fixture.append("he", "llo"));
  CHECK(machine.entries == std::map<std::uint64_t, std::string>{{1, "hello"}});
}

TEST_CASE("a log keeps entries of any size and content") {
  temp_dir dir;
  std::vector<std::string> texts{"",
                                 "x",
                                 std::string(7, '\0'),
                                 std::string(8, 'y'),
                                 std::string(300'000, 'z'),
                                 std::string(3'000'000, 'w')};
  {
    recorder machine;
    log_fixture fixture{dir.path(), machine};
    for (auto& text : texts)
      REQUIRE(fixture.append(text));
  }
  recorder machine;
  log_fixture fixture{dir.path(), machine};
  REQUIRE(fixture.started());
  REQUIRE(machine.entries.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    CHECK(machine.entries.at(i + 1) == texts[i]);
}

TEST_CASE("a reopened log hands over only what the store does not hold") {
  temp_dir dir;
  recorder machine;
  {
    log_fixture fixture{dir.path(), machine};
    for (auto text : {"a", "b", "c", "d"})
      REQUIRE(fixture.append(text));
  }
  machine.entries.clear();
  machine.durable = 2;
  {
    log_fixture fixture{dir.path(), machine};
    REQUIRE(fixture.started());
    CHECK(machine.entries
          == std::map<std::uint64_t, std::string>{{3, "c"}, {4, "d"}});
    REQUIRE(fixture.append("e"));
    CHECK(machine.entries.at(5) == "e");
  }
}

TEST_CASE("positions go on after a snapshot and a reopening") {
  temp_dir dir;
  recorder machine;
  {
    log_fixture fixture{dir.path(), machine};
    for (int i = 0; i < 10; ++i)
      REQUIRE(fixture.append(std::to_string(i)));
    fixture.get().request_snapshot();
    REQUIRE(fixture.append("10"));
    fixture.run_until([&] { return fixture.get().snapshots() == 1; });
    CHECK(machine.durable == 11);
    CHECK(fixture.get().entries_since_snapshot() == 0);
    REQUIRE(fixture.append("11"));
  }
  machine.entries.clear();
  log_fixture fixture{dir.path(), machine};
  REQUIRE(fixture.started());
  CHECK(machine.entries == std::map<std::uint64_t, std::string>{{12, "11"}});
  REQUIRE(fixture.append("12"));
  CHECK(machine.entries.at(13) == "12");
}

TEST_CASE("a new log on an existing store begins after what the store holds") {
  temp_dir dir;
  recorder machine;
  machine.durable = 40;
  {
    log_fixture fixture{dir.path(), machine};
    REQUIRE(fixture.started());
    REQUIRE(fixture.append("next"));
    CHECK(machine.entries
          == std::map<std::uint64_t, std::string>{{41, "next"}});
  }
  machine.entries.clear();
  log_fixture fixture{dir.path(), machine};
  CHECK(machine.entries == std::map<std::uint64_t, std::string>{{41, "next"}});
}

TEST_CASE("a log that lost entries which the store holds goes on after them") {
  temp_dir dir;
  recorder machine;
  {
    log_fixture fixture{dir.path(), machine};
    REQUIRE(fixture.append("a"));
    REQUIRE(fixture.append("b"));
  }
  machine.entries.clear();
  machine.durable = 7;
  {
    log_fixture fixture{dir.path(), machine};
    REQUIRE(fixture.started());
    REQUIRE(fixture.append("c"));
    CHECK(machine.entries == std::map<std::uint64_t, std::string>{{8, "c"}});
  }
  machine.entries.clear();
  log_fixture fixture{dir.path(), machine};
  REQUIRE(fixture.started());
  CHECK(machine.entries == std::map<std::uint64_t, std::string>{{8, "c"}});
}

TEST_CASE("a log of another store is refused") {
  temp_dir dir;
  recorder machine;
  { log_fixture fixture{dir.path(), machine}; }
  recorder other;
  log_fixture fixture{dir.path(), other, store_id + 1};
  REQUIRE_FALSE(fixture.started());
  CHECK(fixture.started().error().code == errc::store_foreign);
}

TEST_CASE("a store older than the log's snapshot is refused") {
  temp_dir dir;
  recorder machine;
  {
    log_fixture fixture{dir.path(), machine};
    REQUIRE(fixture.append("a"));
    fixture.get().request_snapshot();
    REQUIRE(fixture.append("b"));
    fixture.run_until([&] { return fixture.get().snapshots() == 1; });
    REQUIRE(fixture.append("c"));
  }
  recorder older;
  older.durable = 1;
  log_fixture fixture{dir.path(), older};
  REQUIRE_FALSE(fixture.started());
  CHECK(fixture.started().error().code == errc::store_corrupt);
}

TEST_CASE("a log with a damaged closed segment is refused") {
  temp_dir dir;
  recorder machine;
  {
    log_fixture fixture{dir.path(), machine};
    for (int i = 0; i < 20; ++i)
      REQUIRE(fixture.append(std::string(200'000, 'a')));
  }
  for (auto& entry : std::filesystem::directory_iterator{dir.path()}) {
    auto name = entry.path().filename().string();
    if (name.find('-') == std::string::npos || name.starts_with("open"))
      continue;
    std::fstream file{entry.path(),
                      std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(300'000);
    file.write("damage", 6);
    break;
  }
  recorder reader;
  log_fixture fixture{dir.path(), reader};
  REQUIRE_FALSE(fixture.started());
  CHECK(fixture.started().error().code == errc::store_corrupt);
}
