#include "runtime/gateway_actor.hpp"

#include <utility>

namespace muster {

std::uint16_t gateway_slot::port() const {
  std::lock_guard guard{mutex_};
  return port_;
}

std::string gateway_slot::address() const {
  std::lock_guard guard{mutex_};
  return address_;
}

void gateway_slot::drain() {
  std::lock_guard guard{mutex_};
  draining_ = true;
  if (gateway_)
    gateway_->drain();
}

void gateway_slot::put(std::shared_ptr<gateway> now) {
  std::lock_guard guard{mutex_};
  gateway_ = std::move(now);
  if (!gateway_)
    return;
  port_ = gateway_->port();
  address_ = gateway_->address();
  if (draining_)
    gateway_->drain();
}

child_specification gateway_child(gateway_actor_options options) {
  child_specification result;
  result.id = "gateway";
  result.start = [opts = std::move(options)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_detached<gateway_actor_state>(system, opts);
  };
  return result;
}

gateway_actor_state::gateway_actor_state(caf::event_based_actor* self,
                                         gateway_actor_options options)
  : self_(self), options_(std::move(options)) {
  // nop
}

gateway_actor_state::~gateway_actor_state() {
  if (!gateway_)
    return;
  options_.slot->put(nullptr);
  gateway_->stop();
}

caf::behavior gateway_actor_state::make_behavior() {
  ignore_strangers(self_);
  return {
    [this](start_child) { return start(); },
    [this](clock_tick) { look(); },
  };
}

caf::result<void> gateway_actor_state::start() {
  auto settings = options_.settings;
  // Whoever knows the node's address relies on it.
  if (auto before = options_.slot->port(); before != 0) {
    settings.port = before;
    settings.strict_port = true;
  }
  auto started = gateway::start(std::move(settings), options_.backend);
  if (!started) {
    auto reason = to_caf(started.error());
    self_->quit(reason);
    return reason;
  }
  gateway_ = std::move(*started);
  options_.slot->put(gateway_);
  tell_self_later(self_, options_.interval, clock_tick{});
  return {};
}

void gateway_actor_state::look() {
  if (auto fault = gateway_->fault())
    return self_->quit(to_caf(*fault));
  // Looks are counted, not time: a process that was stopped for long goes on
  // as if nothing had happened.
  auto beats = std::exchange(beats_, gateway_->least_beats());
  silent_looks_ = beats == beats_ ? silent_looks_ + 1 : 0;
  if (silent_looks_ >= options_.patience && options_.on_stuck)
    options_.on_stuck(
      error{errc::internal, "a thread of the gateway does not come back"});
  tell_self_later(self_, options_.interval, clock_tick{});
}

} // namespace muster
