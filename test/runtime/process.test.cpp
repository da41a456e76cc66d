#include "runtime/process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace muster;

namespace {

constexpr millis limit{20'000};

process shell(std::string script, process_options options = {}) {
  options.command = {"sh", "-c", std::move(script)};
  auto result = process::start(options);
  REQUIRE(result);
  return std::move(*result);
}

} // namespace

TEST_CASE("a process's output is read line by line") {
  auto child = shell("echo one; printf 'two\\n\\nthree'");
  CHECK(child.read_line(limit) == "one");
  CHECK(child.read_line(limit) == "two");
  CHECK(child.read_line(limit) == "");
  CHECK(child.read_line(limit) == "three");
  CHECK(child.read_line(limit).error().code == errc::unavailable);
  CHECK(child.wait(limit) == exit_status{});
}

TEST_CASE("reading a line of a silent process ends in time") {
  auto child = shell("read never < /dev/zero; sleep 100");
  CHECK(child.read_line(millis{10}).error().code == errc::timed_out);
  CHECK(child.running());
}

TEST_CASE("a process's exit status is told") {
  auto child = shell("exit 7");
  CHECK(child.wait(limit) == exit_status{false, 7});
  CHECK(child.wait(limit) == exit_status{false, 7});
  CHECK(!child.running());
  CHECK(to_string(exit_status{false, 7}) == "exit status 7");
}

TEST_CASE("a process can be killed") {
  auto child = shell("echo up; exec sleep 100");
  CHECK(child.read_line(limit) == "up");
  CHECK(child.wait(millis{1}).error().code == errc::timed_out);
  child.kill(SIGKILL);
  auto status = child.wait(limit);
  CHECK(status == exit_status{true, SIGKILL});
  CHECK(to_string(*status) == "killed by signal 9");
}

TEST_CASE("a process's output is kept while one waits for its end") {
  auto child = shell("i=0; while [ $i -lt 20000 ]; do echo line $i; "
                     "i=$((i+1)); done");
  CHECK(child.wait(limit) == exit_status{});
  int lines = 0;
  while (auto line = child.read_line(limit))
    CHECK(*line == "line " + std::to_string(lines++));
  CHECK(lines == 20'000);
}

TEST_CASE("a process ends with its owner, and so do its children") {
  temp_dir dir;
  pid_t pid = 0;
  {
    auto child = shell("sleep 1000 & echo $!; wait");
    auto line = child.read_line(limit);
    REQUIRE(line);
    pid = std::stoi(*line);
    CHECK(::kill(pid, 0) == 0);
    pid = child.pid();
  }
  // Nothing of its group is left but what init has yet to reap.
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a process gets its directory, variables and a file for errors") {
  temp_dir dir;
  process_options options;
  options.directory = dir.path();
  options.environment = {"MUSTER_TEST=two words", "HOME=/nowhere"};
  options.errors = dir.path() / "errors.txt";
  auto child = shell("pwd; echo $MUSTER_TEST $HOME; echo oops >&2", options);
  CHECK(child.read_line(limit)
        == std::filesystem::canonical(dir.path()).string());
  CHECK(child.read_line(limit) == "two words /nowhere");
  CHECK(child.wait(limit) == exit_status{});
  std::ifstream file{options.errors};
  CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == "oops\n");
}

TEST_CASE("a process inherits no descriptors") {
  descriptor open{::open("/dev/null", O_RDONLY)};
  auto child = shell("ls /proc/self/fd | wc -l");
  // Input, output, errors, and the directory that ls reads.
  CHECK(child.read_line(limit) == "4");
}

TEST_CASE("a program that is not there cannot be started") {
  process_options options;
  CHECK(process::start(options).error().code == errc::invalid_argument);
  options.command = {"no-such-program-anywhere"};
  auto child = process::start(options);
  REQUIRE(!child);
  CHECK(child.error().code == errc::handler_failed);
}

TEST_CASE("a process can be handed on") {
  auto child = shell("echo here");
  auto other = std::move(child);
  CHECK(other.read_line(limit) == "here");
  other = shell("echo there");
  CHECK(other.read_line(limit) == "there");
  CHECK(!child.running());
}
