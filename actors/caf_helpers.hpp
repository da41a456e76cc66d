#pragma once

#include "actors/inspected.hpp"
#include "actors/messages.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/response_promise.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/system_messages.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <utility>

// What changes between CAF 0.18 and 1.x, in one place. Actors are classes with
// a constructor that takes `caf::event_based_actor*` first, `make_behavior()`,
// and a static `name`; they never touch `.state`, `send`, `request` and the
// handlers of system messages themselves.

namespace muster {

// -- spawning -----------------------------------------------------------------

template <class State, class... Args>
caf::actor spawn_actor(caf::actor_system& system, Args&&... args) {
  return system.spawn<inspected_actor<State>>(std::forward<Args>(args)...);
}

/// For actors that block: gives it a thread of its own.
template <class State, class... Args>
caf::actor spawn_detached(caf::actor_system& system, Args&&... args) {
  return system.spawn<inspected_actor<State>, caf::detached>(
    std::forward<Args>(args)...);
}

// -- sending ------------------------------------------------------------------

/// Counts a message that goes to another process; those within this one are
/// counted where they arrive.
template <class Handle>
void count_if_remote(const caf::event_based_actor* self, const Handle& to) {
  if (current_record != nullptr && to && to.node() != self->node())
    current_record->count_sent();
}

template <class Handle, class... Args>
void tell(caf::event_based_actor* self, const Handle& to, Args&&... args) {
  count_if_remote(self, to);
  self->send(to, std::forward<Args>(args)...);
}

/// Sends from outside of any actor.
template <class... Args>
void tell_anonymously(const caf::actor& to, Args&&... args) {
  caf::anon_send(to, std::forward<Args>(args)...);
}

/// Answers whoever sent the message at hand.
template <class... Args>
void tell_sender(caf::event_based_actor* self, Args&&... args) {
  if (auto sender = caf::actor_cast<caf::actor>(self->current_sender()))
    tell(self, sender, std::forward<Args>(args)...);
}

/// Sends a message of one element, which cannot be called back: let it carry
/// what tells an old one.
template <class Duration, class Message>
void tell_self_later(caf::event_based_actor* self, Duration delay,
                     Message msg) {
  self->delayed_send(self, delay, std::move(msg));
}

/// Calls `on_answer(...)` or `on_error(const caf::error&)`, whichever comes
/// first. Other messages are handled meanwhile.
template <class Duration, class Message, class OnAnswer, class OnError>
void ask(caf::event_based_actor* self, const caf::actor& to, Duration limit,
         Message&& msg, OnAnswer on_answer, OnError on_error) {
  count_if_remote(self, to);
  self->request(to, limit, std::forward<Message>(msg))
    .then(std::move(on_answer), std::move(on_error));
}

/// Asks the middleman for a connection: `on_answer(const caf::actor&)` gets
/// what was published there, `on_error(const caf::error&)` what went wrong.
template <class Connector, class OnAnswer, class OnError>
void connect_through(caf::event_based_actor* self, const Connector& connector,
                     const std::string& host, std::uint16_t port, millis limit,
                     OnAnswer on_answer, OnError on_error) {
  self->request(connector, limit, caf::connect_atom_v, host, port)
    .then(
      [on_answer = std::move(on_answer)](const caf::node_id&,
                                         const caf::strong_actor_ptr& found,
                                         const std::set<std::string>&) mutable {
        on_answer(caf::actor_cast<caf::actor>(found));
      },
      std::move(on_error));
}

/// Whether messages to it leave this process.
[[nodiscard]] inline bool is_remote(const caf::event_based_actor* self,
                                    const caf::actor& other) {
  return other.node() != self->node();
}

// -- lifetime -----------------------------------------------------------------

inline void watch(caf::event_based_actor* self, const caf::actor& other) {
  self->monitor(other);
}

/// Down messages that are under way still arrive.
inline void unwatch(caf::event_based_actor* self, const caf::actor& other) {
  self->demonitor(other);
}

/// Calls `fn(const caf::actor_addr&, const caf::error&)` when a watched actor
/// has ended.
template <class F>
void on_down(caf::event_based_actor* self, F fn) {
  self->set_down_handler(
    [fn = std::move(fn)](const caf::down_msg& msg) mutable {
      fn(msg.source, msg.reason);
    });
}

/// Calls `fn(const caf::error&)` instead of ending when asked to end.
template <class F>
void on_exit_request(caf::event_based_actor* self, F fn) {
  self->set_exit_handler(
    [fn = std::move(fn)](const caf::exit_msg& msg) mutable { fn(msg.reason); });
}

/// Messages that the actor does not know, errors included, are dropped.
inline void ignore_strangers(caf::event_based_actor* self) {
  self->set_default_handler(caf::drop);
  self->set_error_handler([](caf::error&) {});
}

/// Asks an actor to end, ahead of what waits in its mailbox.
inline void ask_to_end(const caf::actor& other, caf::exit_reason reason) {
  caf::anon_send<caf::message_priority::high>(
    other, caf::exit_msg{other.address(), reason});
}

/// Whether an actor ended because it was asked to, or had nothing left to do.
[[nodiscard]] inline bool is_normal_end(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown;
}

// -- waking actors from other threads -----------------------------------------

/// Tells an actor that other threads left something for it, with at most one
/// `doorbell_rung` in its mailbox at a time. Thread-safe.
class doorbell {
public:
  /// Holds the actor until `disconnect`; rings if somebody rang before.
  void connect(caf::actor target) {
    std::lock_guard guard{mutex_};
    target_ = std::move(target);
    if (rung_)
      tell_anonymously(target_, doorbell_rung{});
  }

  void disconnect() {
    // The actor may end with its last handle: not while the door is locked.
    caf::actor last;
    std::lock_guard guard{mutex_};
    std::swap(last, target_);
  }

  void ring() {
    if (rung_.exchange(true))
      return;
    std::lock_guard guard{mutex_};
    if (target_)
      tell_anonymously(target_, doorbell_rung{});
  }

  /// To be called before looking at what was left.
  void answer() noexcept {
    rung_.store(false);
  }

private:
  std::atomic<bool> rung_{false};
  std::mutex mutex_;
  caf::actor target_;
};

} // namespace muster
