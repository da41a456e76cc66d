#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/child_directory.hpp"
#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "actors/restart_policy.hpp"
#include "persistence/expected.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace muster {

/// What a supervisor must know of a child.
struct child_specification {
  std::string id;
  /// Makes the child's actor, quickly: it begins its work with `start_child`.
  std::function<expected<caf::actor>(caf::actor_system&)> start;
  restart_kind restart = restart_kind::permanent;
  /// How long it may take to answer `start_child`.
  millis start_limit{30'000};
  /// How long it may take to end when it is asked to; then it is killed.
  millis shutdown{5'000};
};

struct supervisor_options {
  std::string id;
  supervision_options supervision;
  /// In the order in which they start.
  std::vector<child_specification> children;
  std::shared_ptr<child_directory> directory;
  event_sink log;
};

/// Starts its children one after the other, starts again what ends, as its
/// policy says, and stops them in reverse order. When the policy gives up, or a
/// child cannot be started at first, it stops all and ends with the reason; so
/// it does when a restart meets an error that will not go away by itself.
///
/// Of each child:
///
///     down --wanted, no pause--> starting --answered--> up
///      ^                            |                   |
///      +---------- ended -----------+-------------------+
///      +-- ended -- stopping <-- to stop ---------------+
class supervisor_state {
public:
  static constexpr const char* name = "muster.supervisor";

  supervisor_state(caf::event_based_actor* self, supervisor_options options);

  caf::behavior make_behavior();

private:
  enum class child_phase : std::uint8_t { down, starting, up, stopping };

  struct child {
    child_specification spec;
    child_phase phase = child_phase::down;
    caf::actor handle;
    /// To be started once it is down and its pause is over.
    bool wanted = false;
    /// To be stopped once those started after it are down.
    bool unwanted = false;
    /// 0 is none.
    std::uint64_t pause = 0;
    /// What waits for this child's start or end; a later one replaces it.
    std::uint64_t step = 0;
    bool killed = false;
    std::uint64_t restarts = 0;
    std::string last_error;
    timestamp since;
  };

  /// Does the next thing that can be done: stops what is unwanted, then starts
  /// what is wanted.
  void go_on();
  [[nodiscard]] bool stop_next();
  void start_next();

  void start(std::size_t index);
  void on_started(std::size_t index);
  void on_start_failed(std::size_t index, const error& reason);
  void on_child_down(const caf::actor_addr& who, const caf::error& reason);
  void on_child_end(std::size_t index, bool normal, const error& reason);
  void stop(std::size_t index);
  void on_stop_limit(std::uint64_t step);
  void stop_all(std::optional<error> reason);
  void finish();

  [[nodiscard]] restart_policy::time_point now() const;
  void enter(child& c, child_phase phase);
  void publish() const;
  void log(node_event::severity level, std::string text) const;

  caf::event_based_actor* self_;
  supervisor_options options_;
  std::vector<child> children_;
  restart_policy policy_;
  std::minstd_rand chance_;
  std::uint64_t last_number_ = 0;
  caf::response_promise started_;
  /// All children were up once.
  bool complete_ = false;
  bool ending_ = false;
  std::optional<error> failure_;
};

} // namespace muster
