#include "runtime/process.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace muster;

namespace {

constexpr millis limit{300'000};

struct program_run {
  exit_status status;
  std::string output;
};

program_run run(std::vector<std::string> arguments) {
  process_options options;
  options.command = {MUSTER_PROGRAM};
  options.command.insert(options.command.end(), arguments.begin(),
                         arguments.end());
  auto child = process::start(options);
  REQUIRE(child);
  auto status = child->wait(limit);
  REQUIRE(status);
  program_run result{*status, {}};
  while (auto line = child->read_line(limit))
    result.output += *line + "\n";
  return result;
}

} // namespace

TEST_CASE("a quick benchmark measures every scenario and loses nothing") {
  temp_dir dir;
  auto json = (dir.path() / "rows.json").string();
  auto data = dir.path() / "data";
  auto result = run({"bench", "--quick",
                     "--only=alone,enqueue,batch,drain,e2e,deep,remote",
                     "--json=" + json, "--dir=" + data.string()});
  INFO(result.output);
  CHECK(result.status == exit_status{});
  CHECK(result.output.find("jobs/s") != std::string::npos);
  std::ifstream file{json};
  std::map<std::string, std::uint64_t> jobs;
  std::map<std::string, nlohmann::json> remote_rows;
  for (std::string line; std::getline(file, line);) {
    auto row = nlohmann::json::parse(line);
    jobs[row["scenario"]] += row["jobs"].get<std::uint64_t>();
    if (row["scenario"] == "remote")
      remote_rows[row["variant"]] = row;
    CHECK(row["errors"] == 0);
    CHECK(row["missing"] == 0);
  }
  for (auto name : {"disk", "journal", "enqueue", "batch", "drain", "e2e",
                    "deep", "remote"}) {
    INFO(name);
    CHECK(jobs[name] > 0);
  }
  CHECK(remote_rows.size() == 6);
  CHECK(remote_rows["idle, 2 workers"]["cpu_percent_of_a_core"] > 0);
  CHECK(remote_rows["worker killed, job moved"]["latencies"] == 2);
  // It takes its nodes and their data away.
  CHECK(std::filesystem::is_empty(data));
}

TEST_CASE("a benchmark that is called wrongly says so") {
  for (auto wrong : {"--only=everything", "--seconds=0", "--payload=1",
                     "--connections=0", "--http=nowhere", "--no-such-thing"}) {
    INFO(wrong);
    CHECK(run({"bench", wrong}).status == exit_status{false, 2});
  }
  CHECK(run({"bench", "--help"}).output.find("--json") != std::string::npos);
}

TEST_CASE("a benchmark that nobody reads clears up, and ends what it started") {
  temp_dir dir;
  process_options options;
  options.command
    = {"sh", "-c", R"("$0" bench --quick --only=enqueue --dir="$1" | head -n1)",
       MUSTER_PROGRAM, dir.path().string()};
  auto child = process::start(options);
  REQUIRE(child);
  CHECK(child->wait(limit) == exit_status{});
  // The shell waits for all of them.
  CHECK(std::filesystem::is_empty(dir.path()));
}
