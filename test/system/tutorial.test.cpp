#include "node_process.hpp"
#include "transcripts.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace muster;

// What pages of the documentation say is what happens to who does it.

namespace {

void replace_all(std::string& text, const std::string& what,
                 const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
    // Columns stay where they are.
    if (what.size() > with.size()
        && text.compare(at + with.size(), 2, "  ") == 0)
      text.insert(at + with.size(), what.size() - with.size(), ' ');
  }
}

/// Nodes in terminals of their own, and the ports that they would have if
/// nobody else were on the machine.
class desk {
public:
  std::string run(const transcript& what) {
    return what.terminal.empty() ? documented(
             output_of(dir_.path(), actual(what.command, "localhost:")))
                                 : start_node(what);
  }

private:
  /// Ctrl-C for the one before, if it still runs.
  std::string start_node(const transcript& what) {
    if (auto pos = terminals_.find(what.terminal); pos != terminals_.end()) {
      pos->second.kill(SIGINT);
      REQUIRE(pos->second.wait(patience));
      terminals_.erase(pos);
    }
    process_options options;
    options.command
      = {"sh", "-c",
         "exec " MUSTER_PROGRAM + actual(what.command, "").substr(6)
           + " --http-port=0 --node-port=0"};
    options.directory = dir_.path();
    // What commands of handlers say depends on it.
    options.environment = {"LC_ALL=C.UTF-8"};
    options.errors = dir_.path() / (what.terminal + ".log");
    auto child = process::start(options);
    REQUIRE(child);
    auto line = child->read_line(patience);
    REQUIRE(line);
    terminals_.emplace(what.terminal, std::move(*child));
    auto first = what.terminal == "node" ? 8420 : 8422;
    for (std::string key : {" http=", " node="}) {
      auto begin = line->find(key) + key.size();
      ports_["127.0.0.1:" + std::to_string(first++)]
        = line->substr(begin, line->find(' ', begin) - begin);
    }
    return documented(*line + "\n");
  }

  /// A command with the ports that there are.
  [[nodiscard]] std::string actual(std::string text,
                                   const std::string& local) const {
    for (auto& [documented, real] : ports_) {
      replace_all(text, documented, real);
      if (!local.empty())
        replace_all(text, local + documented.substr(10), real);
    }
    return text;
  }

  [[nodiscard]] std::string documented(std::string text) const {
    for (auto& [documented, real] : ports_)
      replace_all(text, real, documented);
    return text;
  }

  temp_dir dir_;
  std::map<std::string, std::string> ports_;
  std::map<std::string, process> terminals_;
};

/// What the shell shows changes from moment to moment, numbers at least.
bool is_live(const transcript& what) {
  return what.command.starts_with("muster shell")
         && what.command.find('|') == std::string::npos;
}

void check(desk& system, const transcript& what) {
  INFO(what.command);
  auto output = system.run(what);
  if (!is_live(what)) {
    CHECK(output == what.shown);
    return;
  }
  // Nodes may not have found each other yet.
  static_cast<void>(eventually([&] {
    return normalised(output) == normalised(what.shown)
           || (output = system.run(what), false);
  }));
  CHECK(normalised(output) == normalised(what.shown));
}

/// Does what a page says, and compares or writes what it shows.
void follow(const char* document) {
  if (std::system("curl --version >/dev/null 2>&1") != 0)
    SKIP("curl is not here");
  transcript_page page{document};
  REQUIRE(page.transcripts().size() > 10);
  desk system;
  std::vector<std::string> outputs;
  for (auto& each : page.transcripts())
    if (transcript_page::writing())
      outputs.push_back(system.run(each));
    else
      check(system, each);
  if (transcript_page::writing())
    page.rewrite(outputs);
}

} // namespace

TEST_CASE("the tutorial's transcripts are what happens") {
  follow("docs/tutorial.md");
}

TEST_CASE("the how-to's transcripts of external commands are what happens") {
  follow("docs/how-to/run-an-external-command.md");
}
