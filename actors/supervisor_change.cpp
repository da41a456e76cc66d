#include "actors/supervisor_actor.hpp"

#include <utility>

// How a supervisor's children are changed while it runs.

namespace muster {

caf::result<std::string> supervisor_state::add(const add_child& msg) {
  if (!msg.specification)
    return to_caf(error{errc::invalid_argument, "there is no specification"});
  auto spec = *msg.specification;
  // The model of `simple_one_for_one` makes those that do not make themselves.
  auto& model = core_.model();
  if (model && !options_.children.empty()) {
    spec.start_limit = options_.children.front().start_limit;
    if (!spec.start)
      spec.start = options_.children.front().start;
  }
  if (!spec.start)
    return to_caf(error{errc::invalid_argument, "nothing makes the child"});
  auto added = core_.add(spec, now());
  if (!added)
    return to_caf(added.error());
  auto& rules = core_.children().back().rules;
  static_cast<child_rules&>(spec) = rules;
  auto id = spec.id;
  bodies_[added->child].spec = std::move(spec);
  // It starts with the others.
  if (!core_.begun())
    return id;
  auto promise = wait_for(added->child, true, std::move(id));
  run(std::move(added->actions));
  return promise;
}

caf::result<void> supervisor_state::terminate(const terminate_child& msg) {
  auto ended = core_.terminate(msg.id, now());
  if (!ended)
    return to_caf(ended.error());
  auto promise = wait_for(ended->child, false, msg.id);
  run(std::move(ended->actions));
  return promise;
}

caf::result<std::string> supervisor_state::restart(const restart_child& msg) {
  auto begun = core_.restart(msg.id, now());
  if (!begun)
    return to_caf(begun.error());
  auto promise = wait_for(begun->child, true, msg.id);
  run(std::move(begun->actions));
  return promise;
}

caf::result<void> supervisor_state::remove(const remove_child& msg) {
  auto removed = core_.remove(msg.id);
  if (!removed)
    return to_caf(removed.error());
  run(std::move(removed->actions));
  return {};
}

caf::response_promise supervisor_state::wait_for(child_number child, bool up,
                                                 std::string id) {
  auto promise = self_->make_response_promise();
  waiting_.push_back({child, up, std::move(id), promise, std::nullopt});
  return promise;
}

void supervisor_state::note_failure(child_number child, const error& reason) {
  for (auto& each : waiting_)
    if (each.child == child && !each.failure)
      each.failure = reason;
}

// Whoever waits is answered as soon as it is clear what has become of the
// child.
void supervisor_state::answer_waiting() {
  auto is_answered = [this](waiting_answer& each) {
    auto* child = core_.find(each.child);
    auto gone = !child || finished_;
    auto down = gone || (child->phase == child_phase::down && !child->due);
    if (each.up && !gone && child->phase == child_phase::up)
      each.promise.deliver(each.id);
    else if (each.up && down)
      each.promise.deliver(to_caf(each.failure.value_or(
        error{errc::unavailable, "the child was ended"})));
    else if (!each.up && down)
      each.promise.deliver();
    else
      return false;
    return true;
  };
  std::erase_if(waiting_, is_answered);
}

} // namespace muster
