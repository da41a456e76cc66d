#pragma once

#include "actors/child_rules.hpp"

#include <caf/actor.hpp>

#include <functional>

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

/// All that a supervisor needs to make a child, again and again.
struct child_specification : child_rules {
  /// Makes the child's actor, quickly: it begins its work with `start_child`.
  /// Called from the supervisor's thread.
  std::function<expected<caf::actor>(caf::actor_system&)> start;
  /// How long it may take to answer `start_child`.
  millis start_limit{30'000};
};

} // namespace muster
