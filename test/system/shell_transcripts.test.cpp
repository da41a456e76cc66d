#include "node_process.hpp"
#include "transcripts.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

using namespace muster;

// The transcripts of docs/how-to/inspect-a-live-system.md are what the program
// says.

namespace {

/// Which messages there are, and which actors, differs from run to run: of a
/// list of actors only the head is compared, of a state that there is one, and
/// of a trace how it ends.
std::string comparable(const transcript& of, const std::string& text) {
  auto is = [&of](std::string_view name) {
    return of.command.find(name) != std::string::npos;
  };
  if (is("'state "))
    return text.substr(0, 1);
  if (is("'actors "))
    return normalised(text.substr(0, text.find('\n')));
  if (is("'trace ") && text.size() > 1)
    return normalised(text.substr(text.rfind('\n', text.size() - 2) + 1));
  return normalised(text);
}

/// The system that the document describes, with jobs to look at.
struct office {
  office()
    : manager(dir.path(),
              {"--name=office", "--queues=letters", "--concurrency=2"}),
      worker(worker_home(),
             {"--name=cellar", "--roles=worker", "--queues=naps",
              "--concurrency=2", "--join=" + to_string(manager.facts().node)}) {
    REQUIRE(eventually([this] {
      return manager.send(200, "GET", "/v1/workers").body.find("cellar")
             != std::string::npos;
    }));
    auto dead = manager.enqueue("letters", "9", "handler=fail&max_attempts=1");
    manager.send(410, "GET", "/v1/jobs/" + dead + "/result?wait=30s");
    auto good = manager.enqueue("letters", "dear reader", "handler=echo");
    manager.send(200, "GET", "/v1/jobs/" + good + "/result?wait=30s");
    auto running = manager.enqueue("naps", "1h", "handler=sleep&timeout=2h");
    REQUIRE(eventually([&] { return manager.state_of(running) == "leased"; }));
    // Lists are as of the last commit.
    REQUIRE(eventually([this] {
      return manager.send(200, "GET", "/v1/queues").body.find(R"("leased":1)")
             != std::string::npos;
    }));
  }

  std::filesystem::path worker_home() {
    auto result = dir.path() / "cellar";
    std::filesystem::create_directory(result);
    return result;
  }

  temp_dir dir;
  node_process manager;
  node_process worker;
};

} // namespace

TEST_CASE("the how-to's transcripts of the shell are what it says") {
  transcript_page page{"docs/how-to/inspect-a-live-system.md"};
  REQUIRE(page.transcripts().size() > 10);
  office system;
  std::vector<std::string> outputs;
  for (auto& each : page.transcripts()) {
    outputs.push_back(output_of(system.dir.path(), each.command));
    if (transcript_page::writing())
      continue;
    INFO(each.command);
    CHECK(comparable(each, outputs.back()) == comparable(each, each.shown));
  }
  if (transcript_page::writing())
    page.rewrite(outputs);
}
