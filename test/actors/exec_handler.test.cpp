#include "actors/handler.hpp"

#include "handler_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace muster;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using muster::test::attempt;
using muster::test::eventually;

namespace {

handler_function shell(std::string script,
                       std::size_t max = std::size_t{16} << 20,
                       millis kill_after = millis{200}) {
  exec_handler_options options;
  options.command = {"/bin/sh", "-c", std::move(script)};
  options.max_result_bytes = max;
  options.kill_after = kill_after;
  return make_exec_handler(std::move(options));
}

handler_function program(std::vector<std::string> command) {
  exec_handler_options options;
  options.command = std::move(command);
  return make_exec_handler(std::move(options));
}

bool has_children() {
  return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
}

// A process that waits for its new parent to reap it is not alive.
bool is_alive(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end + 2, 1) != "Z";
}

// A file into which a script writes a process id.
struct pid_file {
  pid_file() {
    char name[] = "/tmp/muster-exec-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
  }
  ~pid_file() {
    std::filesystem::remove(path);
  }
  // What the script wrote, 0 before.
  pid_t read() const {
    auto* file = std::fopen(path.c_str(), "r");
    int pid = 0;
    if (std::fscanf(file, "%d\n", &pid) != 1)
      pid = 0;
    std::fclose(file);
    return pid;
  }
  std::string path;
};

} // namespace

TEST_CASE("a command gets the payload and its output is the result") {
  CHECK(attempt{"hello"}.run(program({"cat"})) == "hello");
  CHECK(attempt{""}.run(program({"cat"})) == "");
  CHECK(attempt{"abc"}.run(program({"/usr/bin/tr", "a-z", "A-Z"})) == "ABC");
  CHECK(!has_children());
}

TEST_CASE("arguments are passed as they are, without a shell") {
  CHECK(attempt{""}.run(program({"printf", "%s|%s", "$HOME `id`", "a  b"}))
        == "$HOME `id`|a  b");
}

TEST_CASE("a payload and result beyond a pipe's buffer do not block") {
  std::string payload(5 << 20, 'x');
  payload.back() = 'y';
  CHECK(attempt{payload}.run(program({"cat"})) == payload);
}

TEST_CASE("a command may ignore its input") {
  std::string payload(1 << 20, 'x');
  CHECK(attempt{payload}.run(program({"true"})) == "");
  CHECK(attempt{payload}.run(shell("exec <&-; sleep 0.05; echo done"))
        == "done\n");
}

TEST_CASE("a command knows its job") {
  attempt job{""};
  job.job.token = {job_id{77}, 3};
  ::setenv("MUSTER_JOB_ID", "somebody else's", 1);
  auto told = shell("echo $MUSTER_JOB_ID $MUSTER_ATTEMPT $MUSTER_QUEUE");
  auto count = shell("test -n \"$PATH\" && env | grep -c ^MUSTER_JOB_ID=");
  ::unsetenv("MUSTER_JOB_ID");
  CHECK(job.run(told) == "77 3 images\n");
  CHECK(job.run(count) == "1\n");
}

TEST_CASE("a command does not learn the token of its node's user") {
  ::setenv("MUSTER_TOKEN", "not for commands", 1);
  auto told = shell("env | grep -c ^MUSTER_TOKEN= || true");
  ::unsetenv("MUSTER_TOKEN");
  CHECK(attempt{""}.run(told) == "0\n");
}

TEST_CASE("a command that fails says how and shows the end of its errors") {
  auto result = attempt{""}.run(shell("echo broken >&2; exit 3"));
  REQUIRE(!result);
  CHECK(result.error().code == errc::handler_failed);
  CHECK(result.error().message == "exit status 3: broken");
  CHECK(attempt{""}.run(program({"false"})).error().message == "exit status 1");
  CHECK(attempt{""}.run(shell("kill -9 $$")).error().message
        == "killed by signal 9");
}

TEST_CASE("of many errors the last 4 KiB are kept") {
  auto script = "i=0; while [ $i -lt 3000 ]; do echo \"line $i of errors, "
                "some of which are long enough to fill buffers\" >&2; "
                "i=$((i+1)); done; echo last >&2; exit 1";
  auto result = attempt{""}.run(shell(script));
  REQUIRE(!result);
  CHECK(result.error().message.size() <= limits::text);
  CHECK(result.error().message.size() > 4'000);
  CHECK_THAT(result.error().message, StartsWith("exit status 1: "));
  CHECK_THAT(result.error().message, EndsWith("\nlast"));
}

TEST_CASE("errors that are not UTF-8 are made so") {
  auto result = attempt{""}.run(shell("printf 'a\\377b' >&2; exit 1"));
  CHECK(result.error().message
        == "exit status 1: a\xEF\xBF\xBD"
           "b");
}

TEST_CASE("errors of a command that succeeds do not matter") {
  CHECK(attempt{""}.run(shell("echo warning >&2; echo fine")) == "fine\n");
}

TEST_CASE("a program that does not exist is a clear failure") {
  for (auto name : {"no-such-program-here", "/no/such/program"}) {
    auto result = attempt{"x"}.run(program({name}));
    REQUIRE(!result);
    CHECK(result.error().code == errc::handler_failed);
    CHECK(result.error().message
          == "program '" + std::string{name} + "' not found");
  }
  CHECK_THAT(attempt{""}.run(program({"/etc/passwd"})).error().message,
             StartsWith("cannot start '/etc/passwd': "));
  CHECK(attempt{""}.run(program({})).error().code == errc::invalid_argument);
  CHECK(!has_children());
}

TEST_CASE("more output than allowed fails and ends the command") {
  auto result = attempt{""}.run(shell("yes", 1'000'000));
  REQUIRE(!result);
  CHECK(result.error().code == errc::result_too_large);
  CHECK(!has_children());
  CHECK(attempt{""}.run(shell("printf 12345", 5)) == "12345");
  CHECK(attempt{""}.run(shell("printf 123456", 5)).error().code
        == errc::result_too_large);
}

TEST_CASE("at the time limit the whole process group ends") {
  pid_file child;
  auto script = "sleep 600 & echo $! >" + child.path + "; wait";
  auto result = attempt{"", millis{300}}.run(shell(script));
  REQUIRE(!result);
  CHECK(result.error().code == errc::timed_out);
  REQUIRE(child.read() > 0);
  CHECK(eventually([&] { return !is_alive(child.read()); }));
  CHECK(!has_children());
}

TEST_CASE("a command that ignores SIGTERM is killed") {
  auto result = attempt{"", millis{100}}.run(
    shell("trap '' TERM; while :; do sleep 0.05; done"));
  REQUIRE(!result);
  CHECK(result.error().code == errc::timed_out);
  CHECK(!has_children());
}

TEST_CASE("a command may use SIGTERM to end in its own way") {
  pid_file file;
  auto script = "trap 'echo 123 >" + file.path
                + "; exit 0' TERM; while :; do sleep 0.02; done";
  auto result
    = attempt{"", millis{200}}.run(shell(script, 1'000, millis{10'000}));
  CHECK(result.error().code == errc::timed_out);
  CHECK(file.read() == 123);
}

TEST_CASE("a cancelled command ends long before its time limit") {
  pid_file file;
  attempt job{""};
  std::thread canceller{[&] {
    static_cast<void>(eventually([&] { return file.read() > 0; }));
    job.control.request_stop(stop_reason::cancelled);
  }};
  auto result = job.run(shell("echo $$ >" + file.path + "; exec sleep 600"));
  canceller.join();
  REQUIRE(!result);
  CHECK(result.error().code == errc::cancelled);
  CHECK(!is_alive(file.read()));
  CHECK(!has_children());
}

TEST_CASE("what a command leaves in the background ends with it") {
  pid_file child;
  auto script = "sleep 600 & echo $! >" + child.path + "; echo done";
  CHECK(attempt{""}.run(shell(script)) == "done\n");
  REQUIRE(child.read() > 0);
  CHECK(eventually([&] { return !is_alive(child.read()); }));
}

TEST_CASE("a background process that writes without end is no obstacle") {
  CHECK(attempt{""}.run(shell("yes >&2 & sleep 0.1; echo done")) == "done\n");
}

TEST_CASE("a command inherits no descriptor but its three") {
  auto secret = ::open("/etc/passwd", O_RDONLY);
  REQUIRE(secret >= 3);
  // `ls` itself opens the directory as the next free one.
  CHECK(attempt{""}.run(program({"ls", "/proc/self/fd"})) == "0\n1\n2\n3\n");
  ::close(secret);
}

TEST_CASE("a command's signals are at their defaults") {
  auto before = ::signal(SIGPIPE, SIG_IGN);
  sigset_t term;
  sigset_t old;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &old);
  auto status
    = attempt{""}.run(program({"grep", "Sig[BI]", "/proc/self/status"}));
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGPIPE, before);
  REQUIRE(status);
  CHECK_THAT(*status, ContainsSubstring("SigBlk:\t0000000000000000"));
  // Signals 32 and 33 are the C library's own and may be inherited.
  auto ignored
    = std::stoull(status->substr(status->find("SigIgn:") + 8), nullptr, 16);
  CHECK((ignored & 0x7FFFFFFF) == 0);
}

TEST_CASE("many commands at once do not hold each other's pipes") {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  auto fn = program({"cat"});
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&good, &fn, i] {
      for (int k = 0; k < 10; ++k) {
        auto text = std::to_string(i * 100 + k);
        good += attempt{text}.run(fn) == text;
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(good == 40);
  CHECK(!has_children());
}
