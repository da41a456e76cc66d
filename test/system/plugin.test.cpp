#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;

namespace {

std::string plugin_file(const std::string& name) {
  return std::string{MUSTER_PLUGIN_DIR} + "/lib" + name + ".so";
}

void check_refused(const std::string& files, int code, std::string_view part) {
  temp_dir dir;
  auto result
    = run_program(dir.path(), {"node", "--http-port=0", "--node-port=0",
                               "--handlers=" + files});
  INFO(result.errors);
  CHECK(result.status == exit_status{false, code});
  CHECK(result.out.empty());
  CHECK(result.errors.starts_with("muster node: handlers: "));
  CHECK(result.errors.find(part) != std::string::npos);
  CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
}

} // namespace

TEST_CASE(
  "a node runs the handlers of plug-ins, and outlives what they throw") {
  temp_dir dir;
  node_process node{dir.path(),
                    {"--handlers=" + plugin_file("muster_test_plugin") + ","
                     + plugin_file("muster_example_plugin")}};
  auto result_of = [&node](const std::string& id, int status) {
    return node.send(status, "GET", "/v1/jobs/" + id + "/result?wait=30s").body;
  };
  CHECK(result_of(node.enqueue("texts", "hello", "handler=shout"), 200)
        == "HELLO");
  auto bad
    = node.enqueue("texts", "exception", "handler=throws&max_attempts=1");
  CHECK(result_of(bad, 410).find("no luck") != std::string::npos);
  auto never = node.enqueue("texts", "", "handler=refuse");
  CHECK(result_of(never, 410).find("never") != std::string::npos);
  auto words
    = node.enqueue("texts", "to be or not to be", "handler=word_count");
  CHECK(result_of(words, 200) == "be 2, not 1, or 1, to 2");
  // Cancelled while it runs.
  auto waiting = node.enqueue("texts", "", "handler=wait");
  REQUIRE(eventually([&] { return node.state_of(waiting) == "leased"; }));
  node.send(200, "DELETE", "/v1/jobs/" + waiting);
  CHECK(node.stop().ok());
}

TEST_CASE("a plug-in that crashes takes no more than its process with it") {
  temp_dir dir;
  node_process node{dir.path(),
                    {"--handlers=" + plugin_file("muster_test_plugin")}};
  for (std::string how : {"segv", "abort"}) {
    auto id = node.enqueue("texts", how, "handler=crash&max_attempts=1");
    auto reply = node.send(410, "GET", "/v1/jobs/" + id + "/result?wait=60s");
    INFO(reply.body);
    CHECK(reply.body.find("signal") != std::string::npos);
  }
  auto id = node.enqueue("texts", "hello", "handler=shout");
  CHECK(node.send(200, "GET", "/v1/jobs/" + id + "/result?wait=60s").body
        == "HELLO");
}

TEST_CASE("a node does not start with files that are no plug-ins for it") {
  check_refused("absent.so", 2, "there is no file 'absent.so'");
  check_refused(plugin_file("muster_odd_plugin_1"), 1, "is no plug-in");
  check_refused(plugin_file("muster_odd_plugin_3"), 1, "newer than");
  auto good = plugin_file("muster_test_plugin");
  check_refused(good + "," + good, 1, "the name is taken");
}
