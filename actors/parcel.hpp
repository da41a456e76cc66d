#pragma once

#include "actors/messages.hpp"

#include <caf/byte_buffer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

// Large messages between nodes, in pieces. A connection carries one message
// after the other: whatever is sent behind 16 MiB waits for all of them, and
// heartbeats must not wait.

namespace muster {

namespace limits {

/// What is larger travels as a parcel, in chunks of this size.
inline constexpr std::size_t parcel_chunk_bytes = std::size_t{256} << 10;
/// Chunks of one sender to one receiver that are under way, at most.
inline constexpr std::size_t parcel_window = 4;
/// The largest parcel that a receiver takes.
inline constexpr std::size_t parcel_bytes = std::size_t{1} << 30;

} // namespace limits

struct parcel_options {
  std::size_t chunk_bytes = limits::parcel_chunk_bytes;
  std::size_t window = limits::parcel_window;
  /// Without news of the receiver for this time, what it does not have is sent
  /// again.
  std::chrono::milliseconds answer_limit{10'000};
  /// Without news for this time there is no use in going on.
  std::chrono::milliseconds give_up_after{60'000};
};

/// What the sender of a parcel remembers of its content.
struct parcel_label {
  /// Of an `outcome_batch`.
  std::uint64_t batch = 0;
  /// Of a `lease_batch`.
  std::vector<lease_token> tokens;
};

/// Sends parcels to one receiver, in the order in which they are added, with
/// few chunks under way at a time:
///
///     waiting --begun--> under way --received--> (gone)
///                         ^      |
///                         +------+ no news for a while: again from where
///                                  the receiver is
///
/// Chunks and answers may be lost or come twice. Time is an argument; sending
/// is the caller's.
///
/// When a worker registers, a session ends on both sides, and what was not
/// through with it: whoever answers for the content sends it again.
class parcel_sender {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit parcel_sender(parcel_options options = {}) : options_(options) {
    // nop
  }

  /// `content` is 1 to `limits::parcel_bytes` long.
  void add(parcel_label label, caf::byte_buffer content);

  /// What to send now. To be called after `add` and `on_received`, and every so
  /// often.
  [[nodiscard]] std::vector<parcel_chunk> take_due(time_point now);

  /// Yields the parcels that are through.
  [[nodiscard]] std::vector<parcel_label>
  on_received(const parcel_received& msg, time_point now);

  /// Whether the receiver has not been heard of for too long.
  [[nodiscard]] bool is_stuck(time_point now) const;

  /// Forgets and yields the parcels of which nothing was sent yet.
  [[nodiscard]] std::vector<parcel_label> take_waiting();

  /// Begins a session; to be called before anything else. Yields what of the
  /// last one was not through, which is forgotten. `number` must be greater
  /// than any that this receiver was sent before by the same sender.
  std::vector<parcel_label> begin_session(std::uint64_t number);

  [[nodiscard]] bool empty() const noexcept {
    return parcels_.empty();
  }

  /// Of all parcels that are not through.
  [[nodiscard]] std::vector<lease_token> tokens() const;

  /// Whether a parcel that is not through holds it.
  [[nodiscard]] bool holds(lease_token token) const;

private:
  struct parcel {
    /// 0: not begun.
    std::uint64_t number = 0;
    parcel_label label;
    caf::byte_buffer content;
    /// Bytes that were sent, and those of them that were received.
    std::size_t sent = 0;
    std::size_t received = 0;
  };

  [[nodiscard]] std::size_t under_way() const noexcept;
  [[nodiscard]] parcel_chunk cut(parcel& from, std::size_t size);

  parcel_options options_;
  std::uint64_t session_ = 0;
  std::deque<parcel> parcels_;
  std::uint64_t last_number_ = 0;
  /// Of the last news, and before there was one, of the first chunk.
  time_point since_{};
  time_point again_at_{};
};

/// Puts the parcels of one sender together, one at a time. The first chunk of a
/// session ends the session before.
class parcel_receiver {
public:
  struct arrival {
    /// What to answer, after the parcel was dealt with; none for a chunk that
    /// breaks a rule.
    std::optional<parcel_received> answer;
    /// The whole parcel, if this was its last chunk.
    std::optional<std::string> content;
  };

  [[nodiscard]] arrival on_chunk(const parcel_chunk& chunk);

  /// Forgets everything, the session as well.
  void reset();

private:
  std::uint64_t session_ = 0;
  /// Parcels that are complete.
  std::uint64_t complete_ = 0;
  std::uint64_t total_ = 0;
  std::string content_;
};

} // namespace muster
