#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

using namespace muster;

namespace {

/// An example's program.
std::string example(const std::string& name) {
  return std::string{MUSTER_EXAMPLES_DIR} + "/muster_example_" + name;
}

process start(const temp_dir& dir, std::vector<std::string> command) {
  process_options options;
  options.command = std::move(command);
  options.directory = dir.path();
  auto result = process::start(options);
  if (!result)
    FAIL(result.error().message);
  return std::move(*result);
}

std::string result_of(node_process& node, const std::string& id,
                      int status = 200) {
  return node.send(status, "GET", "/v1/jobs/" + id + "/result?wait=30s").body;
}

} // namespace

TEST_CASE("example: a program with durable jobs and no server") {
  temp_dir dir;
  // The second time the queue is there already.
  for (int i = 0; i < 2; ++i) {
    auto program = start(dir, {example("prices"), "data"});
    CHECK(program.read_line(patience) == "tea: 750 cents");
    CHECK(program.wait(patience) == exit_status{});
  }
}

TEST_CASE("example: a worker in Python") {
  temp_dir dir;
  node_process node{dir.path(), {"--queues=none"}};
  auto url = fmt::format("--url=http://127.0.0.1:{}", node.facts().http.port);
  auto worker
    = start(dir, {"python3", MUSTER_SOURCE_DIR "/examples/python/worker.py",
                  url, "--count=3"});
  CHECK(result_of(node, node.enqueue("words", "three small words")) == "3");
  auto empty = node.enqueue("words", " ", "max_attempts=5");
  CHECK(result_of(node, empty, 410).find("there are no words")
        != std::string::npos);
  CHECK(result_of(node, node.enqueue("words", "two words")) == "2");
  CHECK(worker.wait(patience) == exit_status{});
}

TEST_CASE("example: a program that uses a node elsewhere") {
  temp_dir dir;
  node_process node{dir.path(), {"--queues=echo"}};
  auto program
    = start(dir, {example("mailer"), std::to_string(node.facts().http.port)});
  CHECK(program.read_line(patience) == "sending 'to: me'");
  CHECK(program.read_line(patience) == "echo says 'hello'");
  CHECK(program.wait(patience) == exit_status{});
}

TEST_CASE("example: an actor with a durable mailbox") {
  temp_dir dir;
  auto program = start(dir, {example("tally"), "data"});
  CHECK(program.read_line(patience) == "tea: 3");
  CHECK(program.read_line(patience) == "tea: 7");
  CHECK(program.wait(patience) == exit_status{});
}

TEST_CASE("example: a handler that does no harm when it runs again") {
  temp_dir dir;
  auto program = start(dir, {example("receipts"), "data"});
  CHECK(program.read_line(patience) == "order A-17: 750 cents");
  CHECK(program.read_line(patience) == "1 receipt");
  CHECK(program.wait(patience) == exit_status{});
}
