#include "node_process.hpp"

#include "runtime/peer_file.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fstream>
#include <string>

using namespace muster;
using nlohmann::json;

namespace {

// Jobs that end the process which runs them, and others.
constexpr auto handlers
  = "exec.handlers.killer = [\"sh\", \"-c\", \"kill -SEGV $PPID; sleep 5\"]\n"
    "exec.handlers.upper = [\"tr\", \"a-z\", \"A-Z\"]\n"
    "exec.handlers.slow = [\"sleep\", \"1\"]\n"
    "exec.handlers.endless = [\"sh\", \"-c\", \"echo $$ > new; mv new begun; "
    "exec sleep "
    "1000\"]\n";

const auto plugin_setting = std::string{"--handlers="} + MUSTER_PLUGIN_DIR
                            + "/libmuster_test_plugin.so";

struct fixture {
  fixture() {
    std::ofstream{dir.path() / "muster.conf"} << handlers;
  }

  [[nodiscard]] node_process start(std::vector<std::string> more
                                   = {"--worker-processes=2",
                                      "--concurrency=2"}) const {
    more.insert(more.begin(),
                "--config-file=" + (dir.path() / "muster.conf").string());
    return node_process{dir.path(), std::move(more)};
  }

  /// Waits until an endless job runs.
  [[nodiscard]] bool begins() const {
    return eventually(
      [&] { return std::filesystem::exists(dir.path() / "begun"); });
  }

  /// The process of a worker; 0 while there is none.
  [[nodiscard]] pid_t pid_of(int number) const {
    auto facts = read_node_json(dir.path() / "muster-data" / "workers"
                                / std::to_string(number));
    return facts ? facts->pid : 0;
  }

  /// The process of an endless job.
  [[nodiscard]] pid_t command() const {
    std::ifstream in{dir.path() / "begun"};
    pid_t result = 0;
    in >> result;
    REQUIRE(result > 1);
    return result;
  }

  temp_dir dir;
};

json job(node_process& node, const std::string& id) {
  return json::parse(node.send(200, "GET", "/v1/jobs/" + id).body);
}

bool reaches(node_process& node, const std::string& id,
             const std::string& state) {
  return eventually([&] { return node.state_of(id) == state; });
}

bool is_gone(pid_t pid) {
  return eventually([pid] { return ::kill(pid, 0) != 0; });
}

} // namespace

TEST_CASE("a job that kills its worker is dead after its attempts, and all "
          "else goes on") {
  fixture fix;
  auto node = fix.start();
  auto killer = node.enqueue("killer", "", "max_attempts=3");
  std::vector<std::string> others;
  for (int i = 0; i < 20; ++i)
    others.push_back(node.enqueue("upper", "abc"));
  REQUIRE(reaches(node, killer, "dead"));
  auto facts = job(node, killer);
  CHECK(facts["error"] == "worker died: signal 11");
  CHECK(facts["failures"] == 3);
  for (auto& id : others) {
    REQUIRE(reaches(node, id, "succeeded"));
    CHECK(node.send(200, "GET", "/v1/jobs/" + id + "/result").body == "ABC");
  }
  CHECK(node.stop().ok());
}

TEST_CASE("a worker process that is killed costs the job it ran one attempt") {
  fixture fix;
  auto node = fix.start({"--worker-processes=1", "--concurrency=1"});
  auto first = node.enqueue("endless", "", "max_attempts=1");
  REQUIRE(fix.begins());
  // Those behind it are not its own fault.
  auto behind = node.enqueue("upper", "x", "max_attempts=1");
  auto pid = fix.pid_of(1);
  REQUIRE(pid > 0);
  CHECK(::kill(pid, SIGKILL) == 0);
  REQUIRE(reaches(node, first, "dead"));
  // Its command ends with it.
  CHECK(is_gone(fix.command()));
  CHECK(job(node, first)["error"] == "worker died: signal 9");
  REQUIRE(reaches(node, behind, "succeeded"));
  CHECK(node.stop().ok());
}

TEST_CASE("worker processes end with their node, however it ends") {
  fixture fix;
  pid_t before = 0;
  const std::vector<std::string> settings{
    "--worker-processes=2", "--concurrency=2", "--drain-timeout=100ms"};
  {
    auto node = fix.start(settings);
    node.enqueue("endless", "");
    REQUIRE(fix.begins());
    before = fix.pid_of(1);
    REQUIRE(before > 0);
    node.kill();
  }
  CHECK(is_gone(before));
  CHECK(is_gone(fix.command()));
  auto node = fix.start(settings);
  auto id = node.enqueue("upper", "again");
  REQUIRE(reaches(node, id, "succeeded"));
  auto pid = fix.pid_of(2);
  CHECK(node.stop(SIGTERM).ok());
  CHECK(::kill(pid, 0) != 0);
  // Nor are they looked for.
  CHECK(read_peers(fix.dir.path() / "muster-data").empty());
}

TEST_CASE("a node that drains lets the jobs of its processes finish") {
  fixture fix;
  std::string id;
  {
    auto node = fix.start();
    id = node.enqueue("slow", "");
    REQUIRE(reaches(node, id, "leased"));
    CHECK(node.stop().ok());
  }
  auto node = fix.start();
  auto facts = job(node, id);
  CHECK(facts["state"] == "succeeded");
  CHECK(facts["attempt"] == 1);
}

TEST_CASE("a handler that crashes takes its own process with it and no other") {
  fixture fix;
  auto node
    = fix.start({plugin_setting, "--worker-processes=2", "--concurrency=2"});
  auto segv = node.enqueue("q", "segv", "handler=crash&max_attempts=1");
  auto abort = node.enqueue("q", "abort", "handler=crash&max_attempts=2");
  REQUIRE(reaches(node, segv, "dead"));
  REQUIRE(reaches(node, abort, "dead"));
  CHECK(job(node, segv)["error"] == "worker died: signal 11");
  CHECK(job(node, abort)["error"] == "worker died: signal 6");
  REQUIRE(reaches(node, node.enqueue("q", "a", "handler=shout"), "succeeded"));
  CHECK(node.stop().ok());
}

TEST_CASE("a process whose handler does not stop is replaced") {
  fixture fix;
  auto node
    = fix.start({plugin_setting, "--worker-processes=1", "--concurrency=2"});
  auto before = fix.pid_of(1);
  auto stuck
    = node.enqueue("q", "", "handler=hang&max_attempts=1&timeout=100ms");
  REQUIRE(reaches(node, stuck, "dead"));
  // Its neighbour is no reason to wait, and does not suffer.
  auto other = node.enqueue("q", "13s", "handler=sleep");
  CHECK(is_gone(before));
  CHECK(eventually([&] {
    auto now = fix.pid_of(1);
    return now > 0 && now != before;
  }));
  REQUIRE(reaches(node, other, "succeeded"));
  CHECK(job(node, other)["failures"] == 0);
  REQUIRE(reaches(node, node.enqueue("q", "a", "handler=shout"), "succeeded"));
  CHECK(node.stop().ok());
}

TEST_CASE("the figures of worker processes are those of their node") {
  fixture fix;
  auto node = fix.start();
  for (int i = 0; i < 4; ++i)
    REQUIRE(reaches(node, node.enqueue("upper", "abc"), "succeeded"));
  constexpr auto line
    = "muster_handler_attempts_total{handler=\"upper\",end=\"succeeded\"} 4\n";
  CHECK(eventually([&] {
    return node.send(200, "GET", "/metrics").body.find(line)
           != std::string::npos;
  }));
}

TEST_CASE("processes of a worker node join its manager") {
  temp_dir home;
  node_process manager{home.path(), {"--roles=manager"}};
  fixture fix;
  auto address = manager.facts().node;
  auto worker = fix.start(
    {"--roles=worker", "--worker-processes=2", "--concurrency=2",
     "--join=" + address.host + ':' + std::to_string(address.port)});
  auto killer = manager.enqueue("killer", "", "max_attempts=2");
  REQUIRE(reaches(manager, killer, "dead"));
  CHECK(job(manager, killer)["error"] == "worker died: signal 11");
  auto id = manager.enqueue("upper", "abc");
  REQUIRE(reaches(manager, id, "succeeded"));
  CHECK(worker.stop().ok());
}
