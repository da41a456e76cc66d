#include "node_process.hpp"
#include "pseudo_terminal.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

using namespace muster;

namespace {

using nlohmann::json;

/// What a command of the shell answers in JSON. Fails the test unless it
/// succeeds.
json answer_of(const temp_dir& dir, std::vector<std::string> words) {
  words.insert(words.begin(), {"shell", "--json", "--write", "-c"});
  auto result = run_program(dir.path(), words);
  INFO(words.back());
  INFO(result.out);
  INFO(result.errors);
  REQUIRE(result.status.ok());
  return json::parse(result.out);
}

/// Whether nothing was drawn for a while.
bool is_still(pseudo_terminal& term) {
  constexpr int looks = 10;
  for (int i = 0; i < looks; ++i) {
    auto before = term.rest().size();
    (void)term.has("\n");
    if (term.rest().size() != before)
      return false;
  }
  return true;
}

} // namespace

TEST_CASE("the shell tells of jobs, attempts, leases and actors of a node") {
  temp_dir dir;
  node_process node{dir.path()};
  auto name = node.facts().name;
  auto bad = node.enqueue("q", "9", "handler=fail&max_attempts=1");
  node.send(410, "GET", "/v1/jobs/" + bad + "/result?wait=30s");
  auto nap = node.enqueue("q", "1h", "handler=sleep&timeout=2h");
  REQUIRE(eventually([&] { return node.state_of(nap) == "leased"; }));
  auto job = answer_of(dir, {"job " + bad});
  CHECK(job["attempts"][0]["outcome"] == "failed");
  CHECK(job["payload"]["text"] == "9");
  // Lists are as of the last commit.
  REQUIRE(eventually([&] {
    return answer_of(dir, {"leases --queue=q"})["leases"].size() == 1;
  }));
  CHECK(answer_of(dir, {"leases"})["leases"][0]["id"] == nap);
  CHECK(answer_of(dir, {"jobs q --state=dead"})["jobs"][0]["id"] == bad);
  auto actors = answer_of(dir, {"actors --sort=name --limit=1000"});
  CHECK(actors["nodes"][0]["state"] == "ok");
  auto found = false;
  for (auto& each : actors["actors"])
    found = found || each["name"] == "node/manager";
  CHECK(found);
  CHECK(answer_of(dir, {"actor node/manager"})["node"] == name);
  CHECK(answer_of(dir, {"state node/manager"})["state"].is_object());
  CHECK(answer_of(dir, {"log --once"})["lines"].size() > 0);
  CHECK(answer_of(dir, {"log --set=debug --node=" + name})["level"] == "debug");
  CHECK(answer_of(dir, {"log --once"})["level"] == "debug");
  CHECK(answer_of(dir, {"trace node/manager 1 --for=5s"})["events"].is_array());
  CHECK(answer_of(dir, {"tree " + name})["supervisors"][0]["node"] == name);
  // The address at which other nodes find it does as well.
  auto elsewhere = run_program(
    dir.path(), {"shell", to_string(node.facts().node), "-c", "nodes"});
  INFO(elsewhere.errors);
  CHECK(elsewhere.status.ok());
  CHECK(elsewhere.out.find(name) != std::string::npos);
}

TEST_CASE("the shell restarts, stops and kills actors, and drains a node") {
  temp_dir dir;
  node_process node{dir.path()};
  auto worker = [&] {
    auto tree = answer_of(dir, {"tree"});
    for (auto& child : tree["supervisors"][0]["children"])
      if (child["id"] == "worker")
        return child;
    return json{};
  };
  CHECK(answer_of(dir, {"stop node/worker"})["done"] == true);
  CHECK(worker()["state"] == "stopped");
  CHECK(answer_of(dir, {"restart node/worker"})["done"] == true);
  CHECK(eventually([&] { return worker()["state"] == "running"; }));
  CHECK(answer_of(dir, {"kill node/worker"})["done"] == true);
  CHECK(eventually([&] {
    return worker()["state"] == "running" && worker()["restarts"] == 1;
  }));
  answer_of(dir, {"drain " + node.facts().name});
  auto status = node.child().wait(patience);
  REQUIRE(status);
  CHECK(status->ok());
}

TEST_CASE(
  "top, trace and log run at a terminal until a key or Ctrl-C ends them") {
  temp_dir dir;
  node_process node{dir.path()};
  auto prompt = node.facts().name + "> ";
  pseudo_terminal term{{dir.path(), {"shell", "--timeout=2s"}}};
  term.expect(prompt);
  term.type("top --every=200ms\r");
  term.expect("\x1b[?1049h");
  term.expect("by busy");
  term.expect("node/manager");
  CHECK_FALSE(term.is_cooked());
  // It looks again, by itself and after a key or another size.
  term.expect("by busy");
  term.type("m");
  term.expect("by mailbox");
  term.resize(60, 10);
  term.expect("by mailbox");
  {
    // A node that hangs is said to.
    node.child().kill(SIGSTOP);
    term.expect("did not answer");
    node.child().kill(SIGCONT);
  }
  term.expect("MAILBOX");
  term.type("q");
  term.expect("\x1b[?1049l");
  term.expect(prompt);
  term.type("top\r");
  term.expect("by busy");
  term.type("\x03");
  term.expect("\x1b[?1049l");
  term.expect(prompt);
  term.type("trace node/manager 1000 --for=5m\r");
  // Before it has begun there is nothing to see.
  CHECK(eventually([&] {
    node.enqueue("echo", "x");
    return term.has(" us");
  }));
  term.type("\x03");
  term.expect(prompt);
  term.type("log\r");
  term.expect("  info  ");
  term.type("\x03");
  term.expect(prompt);
  // The names of actors are completed.
  term.type("actor node/man\t");
  term.expect("ager");
  term.type("\r");
  term.expect("messages in");
  term.expect(prompt);
  term.type("\x04");
  CHECK(term.wait().ok());
  CHECK(term.is_cooked());
}

TEST_CASE("q and Ctrl-C end what waits for a node that hangs at once") {
  temp_dir dir;
  node_process node{dir.path()};
  auto prompt = node.facts().name + "> ";
  // Nobody waits so long.
  pseudo_terminal term{{dir.path(), {"shell", "--timeout=1h"}}};
  term.expect(prompt);
  term.type("top --every=200ms\r");
  term.expect("node/manager");
  node.child().kill(SIGSTOP);
  // What it showed it goes on showing.
  CHECK(eventually([&] { return is_still(term); }));
  term.type("m");
  term.expect("by mailbox");
  term.expect("node/manager");
  term.resize(60, 10);
  term.expect("by mailbox");
  CHECK(eventually([&] { return is_still(term); }));
  term.type("q");
  term.expect("\x1b[?1049l");
  term.expect(prompt);
  term.type("top\r");
  term.expect("by busy");
  term.type("\x03");
  term.expect(prompt);
  node.child().kill(SIGCONT);
  term.type("trace node/manager 1000 --for=1h\r");
  CHECK(eventually([&] {
    node.enqueue("echo", "x");
    return term.has(" us");
  }));
  node.child().kill(SIGSTOP);
  CHECK(eventually([&] { return is_still(term); }));
  term.type("\x03");
  term.expect(prompt);
  node.child().kill(SIGCONT);
  term.type("log\r");
  term.expect("  info  ");
  node.child().kill(SIGSTOP);
  CHECK(eventually([&] { return is_still(term); }));
  term.type("\x03");
  term.expect(prompt);
  node.child().kill(SIGCONT);
}

TEST_CASE("a log is followed over the node's restart") {
  temp_dir dir;
  std::optional<node_process> node;
  node.emplace(dir.path());
  pseudo_terminal term{{dir.path(), {"shell"}}};
  term.expect("> ");
  term.type("log\r");
  term.expect("  info  ");
  node->kill();
  term.expect("asked again until Ctrl-C");
  node.emplace(dir.path());
  term.expect("answers again");
  term.expect("  info  ");
  term.type("\x03");
  term.expect("> ");
  node->kill();
  term.type("log\r");
  // Nothing was followed yet.
  term.expect("cannot reach");
  term.expect("> ");
}
