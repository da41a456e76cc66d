#pragma once

#include "actors/handler.hpp"

#include <caf/actor.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace muster {

/// Where an actor is found through all its restarts. Thread-safe.
class actor_slot {
public:
  /// Null while there is none.
  void put(caf::actor now) {
    // An actor may end with its last handle: not under the lock.
    std::lock_guard guard{mutex_};
    std::swap(actor_, now);
  }

  [[nodiscard]] caf::actor get() const {
    std::lock_guard guard{mutex_};
    return actor_;
  }

private:
  mutable std::mutex mutex_;
  caf::actor actor_;
};

/// A handler whose jobs are messages (see `message_bytes.hpp`) to whatever
/// actor is in the slot. The job has succeeded when the actor has answered,
/// also by a response promise; the answer, as a message's bytes, is its result.
/// It failed when the answer is an error, when the actor ends before it, and at
/// the time limit. While the slot is empty the job waits, within its time
/// limit. A message that the actor does not take fails its job for good.
[[nodiscard]] handler_function
deliver_to(std::shared_ptr<const actor_slot> slot);

} // namespace muster
