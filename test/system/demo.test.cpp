#include "runtime/process.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <filesystem>
#include <string>

using namespace muster;

namespace {

constexpr millis limit{300'000};

process start(std::vector<std::string> arguments) {
  process_options options;
  options.command = {MUSTER_PROGRAM, "demo"};
  options.command.insert(options.command.end(), arguments.begin(),
                         arguments.end());
  auto child = process::start(options);
  REQUIRE(child);
  return std::move(*child);
}

} // namespace

TEST_CASE("the demo kills its node and loses nothing") {
  temp_dir dir;
  auto child = start({"--quick", "--dir=" + dir.path().string()});
  auto status = child.wait(limit);
  REQUIRE(status);
  std::string output;
  while (auto line = child.read_line(limit))
    output += *line + "\n";
  INFO(output);
  CHECK(*status == exit_status{});
  for (auto text :
       {"SIGKILL", "acknowledged", "lost                     0",
        "recorded twice           0", "recovery", "Nothing was lost"})
    CHECK(output.find(text) != std::string::npos);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("the demo cleans up when it is interrupted") {
  temp_dir dir;
  auto child = start({"--dir=" + dir.path().string()});
  std::string line;
  while (line.find("a node is up") == std::string::npos) {
    auto next = child.read_line(limit);
    REQUIRE(next);
    line = *next;
  }
  auto at = line.find("process ") + 8;
  auto node = std::stoi(line.substr(at));
  CHECK(::kill(node, 0) == 0);
  child.kill(SIGINT);
  auto status = child.wait(limit);
  REQUIRE(status);
  CHECK(*status == exit_status{false, 128 + SIGINT});
  CHECK(::kill(node, 0) != 0);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("a demo that is called wrongly says so") {
  auto child = start({"--jobs=1"});
  CHECK(child.wait(limit) == exit_status{false, 2});
}
