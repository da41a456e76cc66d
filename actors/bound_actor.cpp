#include "actors/bound_actor.hpp"

#include <exception>
#include <utility>

namespace muster {

child_specification bound_actor_child(std::string id, actor_factory make,
                                      std::shared_ptr<actor_slot> slot) {
  child_specification result;
  result.id = std::move(id);
  result.start = [make = std::move(make), slot = std::move(slot)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_actor<bound_actor_state>(system, make, slot);
  };
  return result;
}

bound_actor_state::bound_actor_state(caf::event_based_actor* self,
                                     actor_factory make,
                                     std::shared_ptr<actor_slot> slot)
  : self_(self), make_(std::move(make)), slot_(std::move(slot)) {
  // nop
}

bound_actor_state::~bound_actor_state() {
  slot_->put(nullptr);
  if (actor_)
    ask_to_end(actor_, caf::exit_reason::user_shutdown);
}

caf::behavior bound_actor_state::make_behavior() {
  ignore_strangers(self_);
  on_down(self_, [this](const caf::actor_addr& who, const caf::error& reason) {
    if (!actor_ || actor_.address() != who)
      return;
    slot_->put(nullptr);
    actor_ = nullptr;
    self_->quit(reason);
  });
  return {[this](start_child) { return start(); }};
}

caf::result<void> bound_actor_state::start() {
  try {
    actor_ = make_(self_->system());
  } catch (const std::exception& ex) {
    return give_up(ex.what());
  } catch (...) {
    return give_up("its function threw");
  }
  if (!actor_)
    return give_up("its function returned no actor");
  watch(self_, actor_);
  slot_->put(actor_);
  return {};
}

caf::error bound_actor_state::give_up(const char* why) {
  auto reason = to_caf(
    error{errc::unavailable, std::string{"the actor cannot be made: "} + why});
  self_->quit(reason);
  return reason;
}

} // namespace muster
