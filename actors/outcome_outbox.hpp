#pragma once

#include "actors/messages.hpp"

#include <caf/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace muster {

/// Outcomes that the manager has not acknowledged, in numbered batches that are
/// sent until they are. Time is an argument; sending is the caller's.
class outcome_outbox {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Batches under way before further outcomes are held back: what finishes
  /// meanwhile makes the next batch the larger.
  static constexpr std::size_t window = 2;

  /// Without an answer a batch is sent again after this time.
  static constexpr std::chrono::seconds answer_limit{10};

  /// After a refusal, by how often it was refused.
  static constexpr std::chrono::milliseconds min_pause{50};
  static constexpr std::chrono::milliseconds max_pause{2'000};

  [[nodiscard]] bool has_room() const noexcept {
    return batches_.size() < window;
  }

  /// Returns the batch that it made, which holds an `outcome_batch`; empty if
  /// there are no items.
  caf::message add(std::vector<attempt_outcome> items);

  /// What to send now, of the `window` oldest: each message holds an
  /// `outcome_batch`.
  [[nodiscard]] std::vector<caf::message> take_due(time_point now);

  /// All is to be sent again: there is a new manager.
  void send_again();

  /// The batch is on its way in pieces: it is not due until `on_carried` or
  /// `send_again`.
  void on_carrying(std::uint64_t number);

  /// It has arrived: now its answer is waited for.
  void on_carried(std::uint64_t number, time_point now);

  struct progress {
    /// Recorded outcomes, those that came too late included.
    std::size_t acknowledged = 0;
    std::size_t stale = 0;
    /// Outcomes that cannot be recorded at all.
    std::size_t dropped = 0;
    /// The batch that need not be kept any more; empty if there is none.
    caf::message settled;
    /// What stands for it now.
    std::vector<caf::message> replaced;
  };

  /// A batch that is refused for its content is split until the outcome that
  /// cannot be recorded stands alone; that becomes a failure.
  progress on_ack(const outcome_ack& ack, time_point now);

  [[nodiscard]] bool empty() const noexcept {
    return batches_.empty();
  }

  /// How many outcomes it holds.
  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  [[nodiscard]] std::vector<lease_token> tokens() const;

  /// How many batches were sent more than once.
  [[nodiscard]] std::uint64_t resent() const noexcept {
    return resent_;
  }

private:
  struct batch {
    /// Shared with messages under way, never copied.
    caf::message content;
    std::size_t items = 0;
    time_point due{};
    std::uint32_t refusals = 0;
    bool sent = false;
    /// Stands for an outcome that could not be recorded as it was.
    bool replaced = false;
  };

  caf::message add_batch(std::vector<attempt_outcome> items, bool replaced);
  void postpone(batch& b, time_point now);
  void split(const batch& refused, errc code, progress& out);
  [[nodiscard]] static const outcome_batch& content_of(const batch& b);

  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, batch> batches_;
  std::size_t size_ = 0;
  std::uint64_t resent_ = 0;
};

} // namespace muster
