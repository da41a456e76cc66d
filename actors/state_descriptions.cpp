#include "actors/cluster_actor.hpp"
#include "actors/manager_actor.hpp"
#include "actors/supervisor_actor.hpp"
#include "actors/worker_actor.hpp"

#include <array>
#include <string_view>

// What actors tell of their state, for people.

namespace muster {

namespace {

template <class Phase, std::size_t N>
std::string_view name_of(Phase phase,
                         const std::array<std::string_view, N>& names) {
  return names.at(static_cast<std::size_t>(phase));
}

} // namespace

void manager_state::describe(state_report& out) const {
  constexpr std::array<std::string_view, 3> phases{"absent", "loading", "open"};
  out.add("journal", name_of(phase_, phases))
    .add("lost_leases", lost_.size())
    .add("undelivered_leases", undelivered_.size());
  out.begin_list("workers");
  for (auto& [who, id] : by_name_) {
    auto& w = workers_.at(id);
    out.begin()
      .add("name", who)
      .add("credit", w.credit)
      .add("has_demand", w.demand != 0)
      .add("stopping", w.stopping)
      .add("batches_under_way", w.recordings.size())
      .add("heartbeats_under_way", w.heartbeats_under_way)
      .end();
  }
  out.end();
}

void worker_state::describe(state_report& out) const {
  constexpr std::array<std::string_view, 3> phases{"searching", "registering",
                                                   "serving"};
  out.add("phase", name_of(phase_, phases))
    .add("credit", credit_)
    .add("draining", drain_ != nullptr)
    .add("finished", finished_)
    .add("failed", failed_)
    .add("outbox_empty", outbox_.empty());
  if (!runner_)
    return;
  auto now = runner_->look();
  out.add("running", now.running)
    .add("waiting", now.waiting)
    .add("blocked", now.blocked);
}

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
