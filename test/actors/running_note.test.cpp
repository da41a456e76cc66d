#include "actors/running_note.hpp"
#include "actors/attempt_control.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace muster;

namespace {

constexpr lease_token first{job_id{7}, 2};
constexpr lease_token second{job_id{UINT64_MAX}, UINT32_MAX};

struct fixture {
  std::shared_ptr<running_note> open(std::size_t slots = 4) const {
    auto made = running_note::create(file, "abc", slots);
    REQUIRE(made);
    return *made;
  }

  std::vector<lease_token> running() const {
    auto read = read_running_note(file);
    REQUIRE(read);
    CHECK(read->incarnation == "abc");
    return read->running;
  }

  temp_dir dir;
  std::filesystem::path file = dir.path() / "running";
};

} // namespace

TEST_CASE("a note says what runs and not what has ended") {
  fixture fix;
  auto note = fix.open();
  CHECK(fix.running().empty());
  note->begin(0, first);
  note->begin(3, second);
  CHECK(fix.running() == std::vector{first, second});
  note->end(0);
  CHECK(fix.running() == std::vector{second});
  note->begin(3, first);
  CHECK(fix.running() == std::vector{first});
}

TEST_CASE("a note outlives a process that is killed") {
  fixture fix;
  auto pid = ::fork();
  if (pid == 0) {
    auto note = running_note::create(fix.file, "abc", 2);
    if (note)
      (*note)->begin(1, first);
    ::kill(::getpid(), SIGKILL);
  }
  REQUIRE(pid > 0);
  ::waitpid(pid, nullptr, 0);
  CHECK(fix.running() == std::vector{first});
}

TEST_CASE("a note says which process groups work for attempts") {
  fixture fix;
  auto note = fix.open(2);
  REQUIRE(note->group(1) != nullptr);
  CHECK(note->group(2) == nullptr);
  attempt_control control;
  control.note_groups_in(note->group(1));
  control.set_process_group(4'711);
  CHECK(read_running_note(fix.file)->groups == std::vector{4'711});
  control.set_process_group(0);
  CHECK(read_running_note(fix.file)->groups.empty());
}

TEST_CASE("slots that a note has not are passed over") {
  fixture fix;
  auto note = fix.open(1);
  note->begin(1, first);
  note->end(1);
  note->begin(1'000'000, first);
  CHECK(fix.running().empty());
}

TEST_CASE("a new note is no business of the writer of the one before") {
  fixture fix;
  auto old = fix.open();
  old->begin(0, first);
  auto now = fix.open();
  CHECK(fix.running().empty());
  old->begin(1, second);
  CHECK(fix.running().empty());
}

TEST_CASE("a note's incarnation is cut where it is too long") {
  fixture fix;
  std::string text(1'000, 'x');
  REQUIRE(running_note::create(fix.file, text, 1));
  auto read = read_running_note(fix.file);
  REQUIRE(read);
  CHECK(read->incarnation == text.substr(0, limits::noted_incarnation));
}

TEST_CASE("what is no note is not read as one") {
  fixture fix;
  CHECK(read_running_note(fix.file).error().code == errc::io_error);
  auto note = fix.open();
  note->begin(0, first);
  std::ifstream in{fix.file, std::ios::binary};
  std::string whole{std::istreambuf_iterator<char>{in}, {}};
  for (auto& text :
       {std::string{}, whole.substr(0, 50), whole.substr(0, whole.size() - 1),
        std::string(500, 'x')}) {
    std::ofstream{fix.file, std::ios::binary | std::ios::trunc} << text;
    auto read = read_running_note(fix.file);
    REQUIRE(!read);
    CHECK(read.error().code == errc::malformed);
  }
}

TEST_CASE("a note where none can be fails") {
  CHECK(running_note::create("/proc/none/running", "abc", 1).error().code
        == errc::io_error);
}
