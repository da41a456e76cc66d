#pragma once

#include "actors/child_specification.hpp"
#include "actors/cluster_actor.hpp"
#include "actors/handler.hpp"
#include "actors/node_event.hpp"
#include "actors/supervisor_info.hpp"
#include "actors/worker_info.hpp"
#include "actors/worker_pool.hpp"
#include "persistence/expected.hpp"
#include "persistence/journal.hpp"

#include <caf/actor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caf {
class actor_system;
class actor_system_config;
} // namespace caf

namespace muster {

/// Registers Muster's message types and CAF's own. Once, before any actor
/// system is made; later calls do nothing.
void register_message_types();

/// Sets the scheduler up as Muster needs it; what the user configures
/// afterwards wins.
void set_scheduler_defaults(caf::actor_system_config& config);

struct local_node_options {
  /// Its callbacks may be set; they are called after Muster's own.
  journal_options journal;
  bool manager = true;
  bool worker = true;
  worker_options worker_settings;
  /// Processes that run jobs, too; they find a manager by themselves.
  std::vector<worker_process> worker_processes;
  /// How long such a process may take to end when it is asked to.
  millis worker_process_end{60'000};
  /// None is the same as an empty one.
  std::shared_ptr<handler_registry> handlers;
  /// How it talks to other nodes; none: it does not. What is this node's own
  /// matter (`own_manager`, `log`) is filled in.
  std::optional<cluster_options> cluster;
  /// What operators may want to read. May be empty.
  event_sink log;
};

/// The actors of one process: a supervisor with journal, manager and worker.
/// Thread-safe but for `start` and the destructor.
class local_node {
public:
  /// Starts everything and waits until it serves. The journal is attached to
  /// `port`, again and again if it has to be reopened. The system must outlive
  /// the node and be set up by `set_scheduler_defaults`. Errors: those of
  /// `journal::open`; `invalid_argument` for options.
  [[nodiscard]] static expected<std::unique_ptr<local_node>>
  start(caf::actor_system& system, local_node_options options,
        std::shared_ptr<journal_port> port);

  /// Stops if running.
  ~local_node();
  local_node(const local_node&) = delete;
  local_node& operator=(const local_node&) = delete;

  /// The workers that the manager knows, by name; some seconds old at most.
  [[nodiscard]] std::vector<worker_info> workers() const;

  /// Figures of this node's worker; all zero without one.
  [[nodiscard]] worker_counters counters() const;

  /// By path: those above others first.
  [[nodiscard]] std::vector<supervisor_info> supervisors() const;

  /// What became of supervised children.
  [[nodiscard]] std::vector<child_counters> child_figures() const;

  /// Puts a child of the caller's under the node's supervisor, behind all
  /// others, and waits until it serves. Errors: the child's; `invalid_argument`
  /// for its specification.
  [[nodiscard]] expected<void> add_child(child_specification spec);

  /// For tests: what no actor does by itself.
  void kill_supervisor();

  /// The names of all supervised children, such as `node/journal`.
  [[nodiscard]] std::vector<std::string> child_names() const;

  /// The supervised actor `journal`, `manager`, `cluster` or `worker` as it is
  /// now; null while it is down.
  [[nodiscard]] caf::actor find(std::string_view child) const;

  /// Whether the journal is open and the manager up. Of a node without a
  /// manager: whether its worker is up and a manager connected.
  [[nodiscard]] bool serving() const;

  /// Why the supervisor gave up, if it did.
  [[nodiscard]] std::optional<error> failed() const;

  /// The worker takes no new leases and hands back those that it has not begun;
  /// running jobs finish within `limit`, or are cancelled and handed back; all
  /// outcomes are recorded. Processes are asked to end, which is to do the same
  /// within a limit of their own. Blocks for a few seconds more than `limit` at
  /// most.
  void drain(millis limit);

  /// Stops the actors and closes the journal. Idempotent; blocks.
  void stop();

private:
  struct impl;
  explicit local_node(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
