#include "runtime/command_line.hpp"
#include "runtime/node.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>
#include <unistd.h>

namespace muster {

namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

/// Waits for SIGTERM or SIGINT, or until the node fails. Returns the signal, or
/// 0.
int wait_for_end(const node& running) {
  auto set = ending_signals();
  timespec pause{0, 200'000'000};
  while (true) {
    auto got = ::sigtimedwait(&set, nullptr, &pause);
    if (got > 0)
      return got;
    if (running.failed())
      return 0;
  }
}

} // namespace

int run_node(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", node_config::help());
    return 0;
  }
  register_message_types();
  node_config config;
  if (auto ok = config.read(args); !ok)
    return usage_error("node", ok.error().message);
  if (config.only_printed())
    return 0;
  auto settings = config.settings();
  if (!settings)
    return usage_error("node", settings.error().message);
  // Before any thread is made, so that every thread leaves them to this one.
  auto set = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  logger log{settings->level, settings->json_log};
  if (settings->insecure)
    log.warning("insecure: anybody who can reach this node can use it");
  auto running = node::start(config, std::move(*settings), log);
  if (!running)
    return report_failure("node", running.error().message);
  auto& self = **running;
  fmt::print("{}\n", ready_line(self.facts()));
  std::fflush(stdout);
  if (auto got = wait_for_end(self); got != 0) {
    std::thread{[set] {
      int again = 0;
      ::sigwait(&set, &again);
      ::_exit(128 + again);
    }}.detach();
    self.shut_down();
    return 0;
  }
  auto reason = self.failed();
  running->reset();
  return report_failure("node", "gave up: " + reason->message);
}

} // namespace muster
