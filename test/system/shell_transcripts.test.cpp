#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using namespace muster;

// The transcripts of docs/how-to/inspect-a-live-system.md are what the program
// says. They are written anew by
//
//     MUSTER_WRITE_TRANSCRIPTS=1 muster_system_tests "*transcripts*"

namespace {

const std::filesystem::path document = std::filesystem::path{MUSTER_SOURCE_DIR}
                                       / "docs/how-to/inspect-a-live-system.md";

constexpr std::string_view indent = "    ";
constexpr std::string_view call = "    $ muster shell ";

/// A command of the document and what it shows below it.
struct transcript {
  /// Of the command's line.
  std::size_t line = 0;
  std::string command;
  std::string shown;
};

std::vector<std::string> lines_of(std::istream& in) {
  std::vector<std::string> result;
  for (std::string line; std::getline(in, line);)
    result.push_back(line);
  return result;
}

std::vector<transcript> transcripts_of(const std::vector<std::string>& lines) {
  std::vector<transcript> result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with(call))
      continue;
    transcript next{i, lines[i].substr(indent.size() + 2), {}};
    // Blank lines within it are followed by more.
    for (auto j = i + 1; j < lines.size(); ++j) {
      if (lines[j].starts_with(call)
          || (!lines[j].empty() && !lines[j].starts_with(indent)))
        break;
      next.shown
        += lines[j].empty() ? "\n" : lines[j].substr(indent.size()) + "\n";
    }
    while (next.shown.ends_with("\n\n"))
      next.shown.pop_back();
    if (next.shown == "\n")
      next.shown.clear();
    result.push_back(std::move(next));
  }
  return result;
}

/// What changes from run to run made the same: times, ports, loads, counts,
/// what is not known yet, and the blanks before them.
std::string normalised(std::string text) {
  const std::pair<const char*, const char*> rules[] = {
    {R"(\d{4}-\d\d-\d\dT[0-9:.]+Z)", "N"},
    {R"(127\.0\.0\.1:(?!1:)\d+)", "N"},
    {R"(\b\d+(\.\d)?s\b|\b\d+[mh]\d\d[sm]?\b|\b\d+(\.\d+)?(ms|us| us)\b)", "N"},
    {R"(\b\d[0-9.,]*(e[+-]?\d+)?)", "N"},
    {R"( -(?= |\n))", " N"},
    {R"( +)", " "},
    {R"( \n)", "\n"},
  };
  for (auto& [pattern, with] : rules)
    text = std::regex_replace(text, std::regex{pattern}, with);
  return text;
}

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

/// Runs the command as a shell would, `muster` being ours.
std::string output_of(const std::filesystem::path& dir,
                      const std::string& command) {
  process_options options;
  options.command
    = {"sh", "-c",
       "muster() { \"" MUSTER_PROGRAM "\" \"$@\"; }\n" + command + " 2>&1"};
  options.directory = dir;
  auto child = process::start(options);
  REQUIRE(child);
  REQUIRE(child->wait(patience));
  std::string result;
  while (auto line = child->read_line(patience))
    result += *line + "\n";
  return result;
}

void rewrite(std::vector<std::string> lines,
             const std::vector<transcript>& found,
             const std::vector<std::string>& outputs) {
  std::ofstream out{document};
  std::size_t next = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out << lines[i] << '\n';
    if (next == found.size() || found[next].line != i)
      continue;
    std::istringstream text{outputs[next]};
    for (auto& line : lines_of(text))
      out << (line.empty() ? "" : indent) << line << '\n';
    // What stood there.
    while (i + 1 < lines.size()
           && (lines[i + 1].empty() || lines[i + 1].starts_with(indent))
           && !lines[i + 1].starts_with(call))
      ++i;
    out << '\n';
    ++next;
  }
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
  std::ifstream in{document};
  auto lines = lines_of(in);
  auto found = transcripts_of(lines);
  REQUIRE(found.size() > 10);
  office system;
  std::vector<std::string> outputs;
  auto writing = std::getenv("MUSTER_WRITE_TRANSCRIPTS") != nullptr;
  for (auto& each : found) {
    outputs.push_back(output_of(system.dir.path(), each.command));
    if (writing)
      continue;
    INFO(each.command);
    CHECK(comparable(each, outputs.back()) == comparable(each, each.shown));
  }
  if (writing)
    rewrite(lines, found, outputs);
}
