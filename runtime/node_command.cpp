#include "runtime/command_line.hpp"
#include "runtime/input_watch.hpp"
#include "runtime/node.hpp"
#include "runtime/service_manager.hpp"
#include "runtime/signals.hpp"
#include "runtime/worker_processes.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

namespace muster {

namespace {

constexpr millis failure_look{1'000};

/// Why the node ends.
struct end_cause {
  /// Empty if it can end in order.
  std::string failure;
  /// Because a handler does not stop.
  bool stuck = false;
};

/// Waits for a signal, or for a reason not to go on.
end_cause wait_for_end(signal_watch& signals,
                       const std::optional<input_watch>& input,
                       const node& self, bool is_process) {
  while (signals.wait(failure_look) == 0) {
    if (auto reason = self.failed())
      return {"gave up: " + reason->message};
    if (input && input->ended())
      return {"the standard input has ended, and so does the node"};
    if (!is_process)
      continue;
    self.keep_figures();
    if (self.has_stuck_handlers())
      return {{}, true};
  }
  return {};
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
  auto is_process = settings->worker_process;
  if (is_process)
    input.emplace(
      [note = settings->data_dir / running_note_name] { end_commands(note); });
  else if (settings->exit_with_stdin)
    input.emplace();
  if (is_process)
    prefer_for_oom_killer();
  logger log{settings->level, settings->json_log};
  warn_of_exposure(*settings, log);
  auto running = node::start(config, std::move(*settings), log);
  if (!running)
    return report_failure("node", running.error().message);
  auto& self = **running;
  signals.serving();
  // A process without its parent ends at once: what it has done is on disk, and
  // the parent's successor needs its place.
  if (input && !is_process)
    input->serving();
  fmt::print("{}\n", ready_line(self.facts()));
  std::fflush(stdout);
  tell(manager, "READY=1", log);
  auto end = wait_for_end(signals, input, self, is_process);
  if (!end.failure.empty()) {
    running->reset();
    return report_failure("node", end.failure);
  }
  if (end.stuck)
    log.warning("a handler does not stop: the process ends and is replaced",
                {{"worker", self.facts().name}});
  tell(manager, "STOPPING=1", log);
  self.shut_down();
  if (is_process)
    self.keep_figures();
  // Nothing else ends that handler's thread.
  if (end.stuck)
    ::_exit(1);
  return 0;
}

} // namespace muster
