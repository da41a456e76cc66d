#pragma once

#include "actors/bound_actor.hpp"
#include "actors/message_bytes.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "persistence/job_settings.hpp"
#include "runtime/runtime.hpp"

#include <caf/actor.hpp>
#include <caf/message.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace muster {

/// How messages are kept and delivered.
struct actor_queue_options {
  /// Of each message as a job: `timeout` is how long the actor may take for it,
  /// `max_attempts` how often it is delivered. `handler` is not used.
  job_settings message = {};
  /// Messages that the actor has at once. With 1 it gets them strictly in order
  /// of priority, then of arrival; more than the runtime's `concurrency` is of
  /// no use.
  std::uint32_t in_flight = 1;
  /// The pause before a message whose delivery failed is delivered again.
  backoff_policy backoff{millis{100}, millis{60'000}, 2.0, 0.2};
};

/// An actor of the program's own with a queue as its durable mailbox.
///
///     sender --message--> mailbox --on disk--> queue --> actor
///            <----id-----                        <--answer-- (the job's
///            result)
///
/// A message is acknowledged to its sender when it is on disk, delivered at
/// least once, and done when the actor has answered it (with a response
/// promise: when that is delivered). The actor is supervised: if it crashes,
/// its successor gets the message again. The actor may be event-based or
/// blocking, typed
/// (`caf::actor_cast<caf::actor>(handle)`) or not. The types of its messages
/// and answers must be registered, and keep their ids for as long as messages
/// wait.
///
/// Add it to the options before the runtime is opened, and open it afterwards.
/// Must not be used by several threads at once; may end before the runtime.
class actor_queue {
public:
  /// `make` is called for each start of the actor, on a thread of CAF's.
  actor_queue(std::string queue, actor_factory make,
              actor_queue_options options = {});

  /// Has the runtime's worker deliver the queue's messages.
  void add_to(runtime_options& options) const;

  /// Starts the actor and returns the mailbox: send any message to it, and the
  /// job's id, a `std::string`, is the answer, or an error. It is the same for
  /// as long as the runtime is open. Blocks. Errors: those of
  /// `runtime::supervise`.
  [[nodiscard]] expected<caf::actor> open(runtime& in) const;

  /// Puts a message into the queue with settings of its own, without the
  /// mailbox. Blocks. Errors: those of `runtime::enqueue`.
  [[nodiscard]] expected<job_id> post(runtime& in, const caf::message& what,
                                      const job_settings& settings) const;

  /// Waits for the actor's answer to a message. Errors: those of
  /// `runtime::wait`.
  [[nodiscard]] static expected<caf::message> answer(runtime& in, job_id id,
                                                     millis limit);

private:
  [[nodiscard]] expected<void> configure(runtime& in) const;

  std::string queue_;
  actor_factory make_;
  actor_queue_options options_;
  std::shared_ptr<actor_slot> actor_ = std::make_shared<actor_slot>();
  std::shared_ptr<actor_slot> mailbox_ = std::make_shared<actor_slot>();
};

} // namespace muster
