// watchdog DIRECTORY PROGRAM [ARGUMENT...]
//
// Keeps a process running under Muster's supervisor: it is started again when
// it ends, and given up and started again when it does not say in time that it
// is ready. Ends with its standard input.

#include "actors/process_actor.hpp"
#include "runtime/runtime.hpp"

#include <chrono>
#include <cstdio>
#include <string_view>

namespace {

// [watchdog]
muster::child_specification kept_running(std::vector<std::string> command) {
  muster::process_actor_options options;
  options.process.command = std::move(command);
  options.is_ready = [](std::string_view line) {
    return line.find(" ready ") != std::string_view::npos;
  };
  auto child = muster::process_child("process", [options] { return options; });
  child.restart = muster::restart_kind::permanent;
  child.start_limit = std::chrono::seconds{2};
  return child;
}
// [watchdog]

int fail(const muster::error& why) {
  std::fprintf(stderr, "watchdog: %s\n", why.message.c_str());
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3)
    return std::fprintf(stderr, "usage: watchdog DIRECTORY PROGRAM...\n"), 2;
  muster::runtime_options options;
  options.directory = argv[1];
  options.worker = false;
  options.log = [](const muster::node_event& event) {
    std::fprintf(stderr, "%s\n", event.text.c_str());
  };
  auto runtime = muster::runtime::open(std::move(options));
  if (!runtime)
    return fail(runtime.error());
  if (auto up = runtime->supervise(kept_running({argv + 2, argv + argc})); !up)
    return fail(up.error());
  while (std::getchar() != EOF)
    ;
}
