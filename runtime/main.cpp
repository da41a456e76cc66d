#include "runtime/cli.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string_view>

namespace {

using muster::arguments;

struct command {
  std::string_view name;
  std::string_view purpose;
  int (*run)(arguments);
};

constexpr command commands[] = {
  {"node", "start a node", muster::run_node},
  {"enqueue", "put jobs into a queue (files or standard input)",
   muster::run_enqueue},
  {"backup", "consistent copy of a live or stopped store", muster::run_backup},
  {"demo", "a local node, real work, a crash in the middle", muster::run_demo},
  {"bench", "measure a running node or a private one", muster::run_bench},
  {"version", "print versions", muster::run_version},
};

void print_overview() {
  fmt::print("muster COMMAND [--help] [--SETTING=VALUE ...]\n\n");
  for (auto& each : commands)
    fmt::print("  {:<8} {}\n", each.name, each.purpose);
}

} // namespace

int main(int argc, char** argv) {
  std::string_view name = argc > 1 ? argv[1] : "help";
  if (name == "help" || name == "--help" || name == "-h") {
    print_overview();
    return 0;
  }
  if (name == "--version")
    name = "version";
  for (auto& each : commands) {
    if (each.name != name)
      continue;
    try {
      return each.run({argv + 2, argv + argc});
    } catch (const std::exception& e) {
      fmt::print(stderr, "muster {}: {}\n", name, e.what());
      return 1;
    }
  }
  fmt::print(stderr, "muster: unknown command '{}' (see 'muster help')\n",
             name);
  return 2;
}
