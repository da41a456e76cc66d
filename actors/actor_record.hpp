#pragma once

#include "actors/actor_row.hpp"
#include "actors/message_trace.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/fwd.hpp>
#include <caf/local_actor.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace muster {

/// What is counted of one actor while it works, for others to read at any time
/// without asking it. Figures are written by whoever sends to the actor and by
/// the thread that runs it.
class actor_record {
public:
  using clock = std::chrono::steady_clock;

  actor_record(std::string type, std::uint64_t id, caf::weak_actor_ptr self);

  [[nodiscard]] std::uint64_t id() const noexcept {
    return id_;
  }

  /// The actor, or null.
  [[nodiscard]] caf::actor self() const;

  [[nodiscard]] bool is(const caf::strong_actor_ptr& other) const noexcept {
    return self_.get() == other.get();
  }

  [[nodiscard]] actor_row read(clock::time_point now, timestamp wall) const;

  // -- names (under the census' lock) -----------------------------------------

  std::string name;
  std::string parent;

  // -- for the probe ----------------------------------------------------------

  /// CAF keeps these figures where the actor has them.
  [[nodiscard]] caf::local_actor::metrics_t metrics() noexcept {
    return {&processing_, &waiting_, &mailbox_};
  }

  [[nodiscard]] std::uint64_t handled() const noexcept {
    return static_cast<std::uint64_t>(
      processing_.buckets().front().count.value());
  }

  /// Before a message enters the mailbox; from any thread.
  void on_enqueue() noexcept {
    if (waiting_since_.load(std::memory_order_relaxed) == 0)
      mark();
  }

  /// The actor begins with its next message. Returns what tells this time from
  /// others.
  std::int64_t begin() noexcept {
    auto now = ticks(clock::now());
    last_begun_.store(now, std::memory_order_relaxed);
    begun_.store(now, std::memory_order_relaxed);
    return now;
  }

  /// After a message.
  void look_at_mark() noexcept;

  /// The actor waits for messages or for a thread. It may be running again on
  /// another thread by now.
  void pause(std::int64_t begun) noexcept {
    begun_.compare_exchange_strong(begun, 0, std::memory_order_relaxed);
    look_at_mark();
  }

  /// By the thread that runs the actor.
  void count_sent() noexcept {
    sent_.store(sent_.load(std::memory_order_relaxed) + 1,
                std::memory_order_relaxed);
  }

  void set_error(const std::string& text);

  // -- traces -----------------------------------------------------------------

  [[nodiscard]] bool traced() const noexcept {
    return traced_.load(std::memory_order_relaxed);
  }

  void attach(std::shared_ptr<message_trace> trace);

  /// Those that want the message that comes now; forgets those that have ended.
  [[nodiscard]] std::vector<std::shared_ptr<message_trace>>
  wanting(clock::time_point now);

private:
  static std::int64_t ticks(clock::time_point at) noexcept {
    return at.time_since_epoch().count();
  }

  void mark() noexcept;

  const std::string type_;
  const std::uint64_t id_;
  const caf::weak_actor_ptr self_;
  const timestamp started_;
  caf::telemetry::dbl_histogram processing_{};
  caf::telemetry::dbl_histogram waiting_{};

  /// Written by the actor's thread.
  alignas(64) std::atomic<std::int64_t> begun_{0};
  std::atomic<std::int64_t> last_begun_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<bool> traced_{false};

  /// Written by senders. One of the messages that wait is marked, with its
  /// time and its number in the order of handling: the next one is marked when
  /// it has been handled, so that the clock is not read for each.
  alignas(64) caf::telemetry::int_gauge mailbox_;
  std::atomic<std::int64_t> waiting_since_{0};
  std::atomic<std::uint64_t> marked_{0};

  alignas(64) mutable std::mutex mutex_;
  std::string error_;
  std::vector<std::shared_ptr<message_trace>> traces_;
};

/// Of the actor that this thread runs at the moment; null if it runs none.
inline constinit thread_local actor_record* current_record = nullptr;

/// Remembers what the actor at hand complains of, to be shown with it.
void note_actor_error(const std::string& text);

} // namespace muster
