#pragma once

#include "runtime/routes.hpp"

#include <atomic>
#include <memory>
#include <utility>

namespace muster {

/// Ties what a request waits for to the time at which it waits no longer. What
/// is waited for may happen on another thread, before `begin` even.
class long_poll {
public:
  explicit long_poll(std::shared_ptr<gateway_state> state)
    : state_(std::move(state)) {
    // nop
  }

  /// Has `stop` called after `wait`, unless `finish` comes first; at once if
  /// too many requests wait, or the node is draining.
  void begin(millis wait, const std::function<void()>& stop) {
    auto id = state_->waits.add(wait_list::clock::now() + wait, stop);
    id_ = id;
    if (finished_)
      state_->waits.remove(id);
    // Looked at after the wait is in the list: else it could miss the end of
    // all waits.
    if (id == wait_list::wait_id::none || state_->draining)
      stop();
  }

  void finish() {
    finished_ = true;
    state_->waits.remove(id_);
  }

private:
  std::shared_ptr<gateway_state> state_;
  std::atomic<wait_list::wait_id> id_{wait_list::wait_id::none};
  std::atomic<bool> finished_{false};
};

} // namespace muster
