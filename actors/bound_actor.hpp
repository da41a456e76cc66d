#pragma once

#include "actors/actor_delivery.hpp"
#include "actors/caf_helpers.hpp"
#include "actors/child_specification.hpp"

#include <caf/actor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace muster {

/// Makes an application's actor.
using actor_factory = std::function<caf::actor(caf::actor_system&)>;

/// Puts an application's actor, which knows nothing of supervisors, under one:
/// it is made when the child starts and found in the slot from then on. When it
/// ends the child ends for the same reason, and its supervisor starts a
/// successor. It is asked to end when the child is.
[[nodiscard]] child_specification
bound_actor_child(std::string id, actor_factory make,
                  std::shared_ptr<actor_slot> slot);

/// Stands for an application's actor towards a supervisor.
class bound_actor_state {
public:
  static constexpr const char* name = "muster.bound_actor";

  bound_actor_state(caf::event_based_actor* self, actor_factory make,
                    std::shared_ptr<actor_slot> slot);
  ~bound_actor_state();
  bound_actor_state(const bound_actor_state&) = delete;
  bound_actor_state& operator=(const bound_actor_state&) = delete;

  caf::behavior make_behavior();

private:
  caf::result<void> start();
  /// The actor cannot be made.
  caf::error give_up(const char* why);

  caf::event_based_actor* self_;
  actor_factory make_;
  std::shared_ptr<actor_slot> slot_;
  caf::actor actor_;
};

} // namespace muster
