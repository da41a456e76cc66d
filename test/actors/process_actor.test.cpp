#include "actors/process_actor.hpp"

#include "actors/supervisor_actor.hpp"
#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <fstream>
#include <mutex>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;

namespace {

// A supervisor of one real process.
struct fixture {
  ~fixture() {
    if (!supervisor)
      return;
    caf::scoped_actor self{system};
    self->monitor(supervisor);
    self->send(supervisor, stop_children{});
    self->receive([](const caf::down_msg&) {});
  }

  // `echo $$` and the like go to the test as lines of `pids`.
  void start(const std::string& script, millis shutdown = 5s,
             bool waits_for_ready = true) {
    supervisor_options options;
    options.id = "top";
    options.directory = directory;
    options.supervision.backoff = {10ms, 10ms, 1.0, 0};
    auto spec = process_child("p", [this, script, waits_for_ready] {
      process_actor_options result;
      result.process.command = {"sh", "-c", script};
      if (waits_for_ready)
        result.is_ready = [](std::string_view line) { return line == "ready"; };
      result.on_ready = [this](pid_t pid) {
        std::lock_guard guard{mutex};
        pids.push_back(pid);
      };
      return result;
    });
    spec.shutdown = shutdown;
    spec.start_limit = 20s;
    options.children.push_back(spec);
    supervisor = spawn_actor<supervisor_state>(system, options);
    caf::scoped_actor self{system};
    self->request(supervisor, 30s, start_children{})
      .receive([] {},
               [this](const caf::error& err) { failure = from_caf(err); });
  }

  void stop() {
    caf::scoped_actor self{system};
    self->monitor(supervisor);
    self->send(supervisor, stop_children{});
    self->receive([](const caf::down_msg&) {});
    supervisor = nullptr;
  }

  pid_t pid(std::size_t start) {
    pid_t result = 0;
    REQUIRE(eventually([&] {
      std::lock_guard guard{mutex};
      if (pids.size() > start)
        result = pids[start];
      return result > 0;
    }));
    return result;
  }

  child_info info() const {
    return directory->supervisors().at(0).children.at(0);
  }

  temp_dir dir;
  test::system_config config;
  caf::actor_system system{config};
  std::shared_ptr<child_directory> directory
    = std::make_shared<child_directory>();
  caf::actor supervisor;
  error failure;
  std::mutex mutex;
  std::vector<pid_t> pids;
};

bool is_gone(pid_t pid) {
  return eventually([pid] { return ::kill(pid, 0) != 0; });
}

} // namespace

TEST_CASE("a child process is up when it says so") {
  fixture fix;
  fix.start("echo hello; echo ready; exec sleep 1000");
  CHECK(fix.failure == error{});
  CHECK(fix.info().state == "running");
  CHECK(::kill(fix.pid(0), 0) == 0);
  fix.stop();
  CHECK(is_gone(fix.pid(0)));
}

TEST_CASE(
  "a child process that says nothing is up at once, if nothing is asked") {
  fixture fix;
  fix.start("exec sleep 1000", 5s, false);
  CHECK(fix.failure == error{});
  CHECK(fix.info().state == "running");
}

TEST_CASE("a child process that is killed is started again, with the signal "
          "for a reason") {
  fixture fix;
  fix.start("echo ready; exec sleep 1000");
  ::kill(fix.pid(0), SIGKILL);
  CHECK(fix.pid(1) != fix.pid(0));
  CHECK(fix.info().last_error == "killed by signal 9");
  ::kill(fix.pid(1), SIGSEGV);
  fix.pid(2);
  CHECK(fix.info().last_error == "killed by signal 11");
  REQUIRE(eventually([&] { return fix.info().state == "running"; }));
  CHECK(fix.info().restarts == 2);
}

TEST_CASE("a child process that fails is started again, with its status for a "
          "reason") {
  fixture fix;
  auto mark = (fix.dir.path() / "mark").string();
  fix.start("echo ready; test -e " + mark + " && exec sleep 1000; touch " + mark
            + "; exit 3");
  fix.pid(1);
  CHECK(fix.info().last_error == "exit status 3");
}

TEST_CASE("a child process that dies at its start fails the start") {
  fixture fix;
  fix.start("echo not yet; exit 7");
  CHECK(fix.failure.message == "exit status 7 before it was ready");
  CHECK(fix.directory->failure());
}

TEST_CASE("a program that is not there fails the start of a child process") {
  fixture fix;
  fix.start("exec /no/such/program");
  CHECK(fix.failure.message == "exit status 127 before it was ready");
}

TEST_CASE("a child process that ignores SIGTERM is killed with its group") {
  fixture fix;
  auto file = fix.dir.path() / "grandchild";
  fix.start("trap '' TERM; sleep 1000 & echo $! > " + file.string()
              + "; echo ready; while :; do sleep 0.1; done",
            200ms);
  auto pid = fix.pid(0);
  pid_t grandchild = 0;
  REQUIRE(eventually(
    [&] { return std::ifstream{file} >> grandchild && grandchild > 0; }));
  auto begin = std::chrono::steady_clock::now();
  fix.stop();
  CHECK(std::chrono::steady_clock::now() - begin >= 200ms);
  CHECK(is_gone(pid));
  CHECK(is_gone(grandchild));
}

TEST_CASE("a child process ends in order within its time") {
  fixture fix;
  auto file = fix.dir.path() / "end";
  fix.start("trap 'echo bye > " + file.string()
            + "; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
  auto pid = fix.pid(0);
  fix.stop();
  CHECK(is_gone(pid));
  std::string word;
  std::ifstream{file} >> word;
  CHECK(word == "bye");
  CHECK(!fix.directory->failure());
}

TEST_CASE("what a child process leaves behind ends with it") {
  fixture fix;
  auto file = fix.dir.path() / "grandchild";
  fix.start("sleep 1000 & echo $! > " + file.string()
            + "; echo ready; exec sleep 1000");
  pid_t grandchild = 0;
  REQUIRE(eventually(
    [&] { return std::ifstream{file} >> grandchild && grandchild > 0; }));
  ::kill(fix.pid(0), SIGKILL);
  CHECK(is_gone(grandchild));
}

TEST_CASE("a child process reads the end of its input when nobody owns it") {
  temp_dir dir;
  auto file = dir.path() / "end";
  spawn_options how;
  how.command = {"sh", "-c", "trap '' TERM; cat; echo over > " + file.string()};
  how.environment = environment_with({});
  how.errors = spawn_options::stream::inherited;
  auto process = spawn_process(how);
  REQUIRE(process);
  // As the kernel does for a process that has ended.
  process->input.reset();
  CHECK(eventually([&] { return std::filesystem::exists(file); }));
  CHECK(reap_process(process->pid, true) == exit_status{});
}

TEST_CASE("a killed child actor takes its process with it") {
  fixture fix;
  fix.start("trap '' TERM; echo ready; while :; do sleep 0.1; done");
  auto pid = fix.pid(0);
  ask_to_end(fix.directory->find("p"), caf::exit_reason::kill);
  CHECK(is_gone(pid));
  fix.pid(1);
}

TEST_CASE("a child process that writes without end does not fill the memory") {
  auto bell = std::make_shared<doorbell>();
  child_process_options options;
  options.command = {"sh", "-c",
                     "yes | head -c 20000000; head -c 20000000 "
                     "/dev/zero; exit 4"};
  auto started = child_process::start(options, bell);
  REQUIRE(started);
  auto& process = **started;
  REQUIRE(eventually([&] { return process.ended().has_value(); }, 60s));
  CHECK(process.ended() == exit_status{false, 4});
  auto lines = process.take_lines();
  CHECK(lines.size() == 1'000);
}
