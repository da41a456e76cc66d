#include "runtime/command_line.hpp"
#include "runtime/input_watch.hpp"
#include "runtime/node.hpp"
#include "runtime/service_manager.hpp"
#include "runtime/signals.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

namespace {

constexpr millis failure_look{1'000};

/// Waits for a signal, or for a reason not to go on, which it returns.
std::optional<std::string> wait_for_end(signal_watch& signals,
                                        const std::optional<input_watch>& input,
                                        const node& self) {
  while (signals.wait(failure_look) == 0) {
    if (auto reason = self.failed())
      return "gave up: " + reason->message;
    if (input && input->ended())
      return "the standard input has ended, and so does the node";
  }
  return std::nullopt;
}

void warn_of_exposure(const node_settings& settings, const logger& log) {
  if (settings.insecure)
    log.warning(
      "insecure: whoever reaches this node can use it",
      {{"http", settings.http.address}, {"node", settings.node_address}});
  else if (!is_loopback(settings.http.address)
           && settings.http.certificate.empty())
    log.warning("HTTP is not encrypted: others on its way can read tokens and "
                "payloads",
                {{"http", settings.http.address}});
}

void tell(const service_manager& manager, std::string_view state,
          const logger& log) {
  if (auto ok = manager.tell(state); !ok)
    log.warning(ok.error().message);
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
  const service_manager manager;
  signal_watch signals;
  std::optional<input_watch> input;
  if (settings->exit_with_stdin)
    input.emplace();
  logger log{settings->level, settings->json_log};
  warn_of_exposure(*settings, log);
  auto running = node::start(config, std::move(*settings), log);
  if (!running)
    return report_failure("node", running.error().message);
  auto& self = **running;
  signals.serving();
  if (input)
    input->serving();
  fmt::print("{}\n", ready_line(self.facts()));
  std::fflush(stdout);
  tell(manager, "READY=1", log);
  if (auto reason = wait_for_end(signals, input, self)) {
    running->reset();
    return report_failure("node", *reason);
  }
  tell(manager, "STOPPING=1", log);
  self.shut_down();
  return 0;
}

} // namespace muster
