#include "actors/cluster_actor.hpp"
#include "actors/supervisor_actor.hpp"

// What actors tell of their state, for people.

namespace muster {

void cluster_state::describe(state_report& out) const {
  out.add("manager", manager_);
  out.begin_list("peers");
  for (auto& [who, p] : peers_)
    out.begin()
      .add("name", who)
      .add("has_manager", p.facts.manager != nullptr)
      .add("asked", p.asked)
      .end();
  out.end();
}

void supervisor_state::describe(state_report& out) const {
  out.add("path", path_)
    .add("waiting_answers", waiting_.size())
    .add("finished", finished_);
  out.begin_list("children");
  for (auto& [number, body] : bodies_)
    out.begin()
      .add("id", body.spec.id)
      .add("state", body.state)
      .add("actor", body.handle ? body.handle.id() : 0)
      .end();
  out.end();
}

} // namespace muster
