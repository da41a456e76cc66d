#include "runtime/cli.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace {

using muster::arguments;

struct command {
  /// Ends with a zero, like `purpose`.
  std::string_view name;
  std::string_view purpose;
  int (*run)(arguments);
};

constexpr command commands[] = {
  {"node", "start a node", muster::run_node},
  {"shell", "inspect and steer a live system", muster::run_shell},
  {"enqueue", "put jobs into a queue (files or standard input)",
   muster::run_enqueue},
  {"backup", "consistent copy of a live or stopped store", muster::run_backup},
  {"demo", "a local node, real work, a crash in the middle", muster::run_demo},
  {"bench", "measure a running node or a private one", muster::run_bench},
  {"certs", "make certificates for TLS", muster::run_certs},
  {"version", "print versions", muster::run_version},
};

void print_overview() {
  std::puts("Muster keeps jobs until they are done.\n\n"
            "usage: muster COMMAND [--SETTING=VALUE ...] [ARGUMENT ...]\n");
  for (auto& each : commands)
    std::printf("  %-8s %s\n", each.name.data(), each.purpose.data());
  std::puts("\n'muster COMMAND --help' tells more. A first job:\n\n"
            "  muster node &\n"
            "  echo hello | muster enqueue --handler=echo --wait greetings");
}

} // namespace

int main(int argc, char** argv) {
  std::string_view name = argc > 1 ? argv[1] : "help";
  auto help = name == "help" || name == "--help" || name == "-h";
  if (help && argc <= 2) {
    print_overview();
    return 0;
  }
  // `muster help node` is `muster node --help`.
  static constexpr const char* ask_for_help = "--help";
  arguments words{argv + std::min(argc, 2), argv + argc};
  if (help) {
    name = argv[2];
    words = {&ask_for_help, 1};
  }
  if (name == "--version")
    name = "version";
  for (auto& each : commands) {
    if (each.name != name)
      continue;
    try {
      return each.run(words);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "muster %s: %s\n", each.name.data(), e.what());
      return 1;
    }
  }
  std::fprintf(stderr, "muster: unknown command '%s' (see 'muster help')\n",
               std::string{name}.c_str());
  return 2;
}
