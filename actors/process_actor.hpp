#pragma once

#include "actors/child_process.hpp"
#include "actors/child_specification.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// What is run as a supervisor's child, and who hears of it.
struct process_actor_options {
  /// Its command, and where and with what that runs.
  child_process_options process;
  /// Whether a line of its standard output says that it serves; it must come
  /// within the child's start limit. Empty: it serves as soon as it runs.
  std::function<bool(std::string_view line)> is_ready;
  /// Whether SIGTERM goes to the process alone and not to its group, for one
  /// that ends what it has started itself.
  bool asks_leader_only = false;
  /// Called on the actor's thread with its process id once it serves. May be
  /// empty; must neither block nor throw.
  std::function<void(pid_t pid)> on_ready;
  /// Likewise, with each end of it.
  std::function<void(pid_t pid, exit_status status)> on_end;
};

/// A process of this machine as a child of a supervisor: asked to end with
/// SIGTERM to its process group, killed with SIGKILL when its time is over. Its
/// start function never blocks. `options` may be made anew for each start.
[[nodiscard]] child_specification
process_child(std::string id, std::function<process_actor_options()> options);

/// Runs one process. Ends when the process does: normally after exit status 0
/// or when it was asked to, else with `unavailable` and how it ended, such as
/// `killed by signal 11`.
class process_state {
public:
  static constexpr const char* name = "muster.process";

  process_state(caf::event_based_actor* self, process_actor_options options);
  ~process_state();
  process_state(const process_state&) = delete;
  process_state& operator=(const process_state&) = delete;

  caf::behavior make_behavior();

private:
  caf::result<void> start();
  void look();
  void on_line(std::string_view line);
  void on_process_end(exit_status status);
  void ready();

  caf::event_based_actor* self_;
  process_actor_options options_;
  std::shared_ptr<doorbell> bell_ = std::make_shared<doorbell>();
  std::unique_ptr<child_process> process_;
  caf::response_promise started_;
  bool ending_ = false;
};

} // namespace muster
