#include "runtime/worker_processes.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace muster;

namespace {

struct fixture {
  fixture() {
    settings.data_dir = "data";
    settings.worker_processes = 2;
    settings.worker_settings.concurrency = 5;
    plan.program = "/bin/muster";
    plan.settings = &settings;
    plan.node_name = "n";
    plan.manager = {"127.0.0.1", 8421};
  }

  [[nodiscard]] std::vector<std::string> command(std::uint32_t index) const {
    return plan_worker_process(plan, index).process.command;
  }

  node_settings settings;
  worker_process_plan plan;
};

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

} // namespace

TEST_CASE("jobs are shared evenly among processes") {
  CHECK(share_of(5, 2, 0) == 3);
  CHECK(share_of(5, 2, 1) == 2);
  CHECK(share_of(2, 2, 1) == 1);
  CHECK(default_worker_processes(1) == 1);
  CHECK(default_worker_processes(64) == 4);
}

TEST_CASE("a process has a name, a directory and a share of its own") {
  fixture fix;
  auto second = plan_worker_process(fix.plan, 1);
  CHECK(second.name == "n.2");
  CHECK(second.outbox_directory == "data/workers/2");
  auto& words = second.process.command;
  CHECK(words[0] == "/bin/muster");
  CHECK(words[1] == "node");
  for (auto word :
       {"--roles=worker", "--name=n.2", "--concurrency=2",
        "--data-dir=data/workers/2", "--http-port=0", "--node-port=0",
        "--worker-processes=0", "--worker-process", "--join=127.0.0.1:8421"})
    CHECK(has(words, word));
}

TEST_CASE("a process has its node's settings but for those of its own") {
  fixture fix;
  fix.settings.arguments
    = {"--config-file=x.conf", "--lease-ttl=5s",     "--http-port=1",
       "--strict-ports",       "--data-dir=d",       "--name=m",
       "--http-address=::",    "--join=elsewhere:1", "--exit-with-stdin",
       "--http-token-file=t"};
  auto words = fix.command(0);
  for (auto word :
       {"--config-file=x.conf", "--lease-ttl=5s", "--http-token-file=t"})
    CHECK(has(words, word));
  for (auto word :
       {"--http-port=1", "--strict-ports", "--data-dir=d", "--name=m",
        "--http-address=::", "--join=elsewhere:1", "--exit-with-stdin"})
    CHECK(!has(words, word));
}

TEST_CASE("processes of a node without a manager join what it would join") {
  fixture fix;
  fix.plan.manager = {};
  fix.settings.advertise = {"me.example", 7};
  fix.settings.arguments = {"--join=there:1"};
  auto words = fix.command(0);
  CHECK(has(words, "--join=there:1"));
  // Its port is its own.
  CHECK(has(words, "--node-advertise=me.example"));
}

TEST_CASE("a node that listens everywhere is reached by loopback") {
  fixture fix;
  fix.plan.manager = {"0.0.0.0", 1};
  CHECK(has(fix.command(0), "--join=127.0.0.1:1"));
  fix.plan.manager = {"::", 1};
  CHECK(has(fix.command(0), "--join=[::1]:1"));
}

TEST_CASE("a long name is cut so that a process' name is one, too") {
  fixture fix;
  fix.plan.node_name = std::string(64, 'x');
  CHECK(plan_worker_process(fix.plan, 0).name == std::string(62, 'x') + ".1");
}
