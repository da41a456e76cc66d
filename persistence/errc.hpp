#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Everything that can go wrong and that a caller may want to tell apart. The
/// numbers travel between nodes: append, never reorder.
enum class errc : std::uint8_t {
  /// No error.
  none = 0,
  /// The caller's input breaks a rule; the message names the field and the
  /// rule.
  invalid_argument = 1,
  /// No such job: its id was never given out, or its retention has passed.
  job_not_found = 2,
  /// No such queue: nothing was ever enqueued to it nor configured for it.
  queue_not_found = 3,
  /// The lease token is not the current one: the lease expired, was released,
  /// or the job ended otherwise.
  stale_lease = 4,
  /// A payload exceeds the limit.
  payload_too_large = 5,
  /// A result exceeds the limit.
  result_too_large = 6,
  /// The queue holds `max_depth` jobs already.
  queue_full = 7,
  /// The store's map is nearly full; what is kept in reserve serves complete,
  /// fail and purge.
  store_full = 8,
  /// The disk is nearly full.
  disk_full = 9,
  /// Too many commands wait already; try again shortly.
  busy = 10,
  /// The journal is starting, restarting or failed; try again.
  unavailable = 11,
  /// Another manager leads; try there.
  not_leader = 12,
  /// The node is draining and takes no new work.
  shutting_down = 13,
  /// A time limit passed. What was asked may still happen.
  timed_out = 14,
  /// The job was cancelled.
  cancelled = 15,
  /// The job's state does not allow what was asked.
  wrong_state = 16,
  /// A file of the store is damaged.
  store_corrupt = 17,
  /// A file in the data directory is not Muster's.
  store_foreign = 18,
  /// The store was written by a newer version of Muster.
  store_newer = 19,
  /// Another process uses the data directory.
  store_locked = 20,
  /// The operating system refused an operation on a file or socket.
  io_error = 21,
  /// The worker has no handler of that name.
  unknown_handler = 22,
  /// The handler returned an error or threw.
  handler_failed = 23,
  /// Bytes from outside do not follow their grammar.
  malformed = 24,
  /// A bug in Muster.
  internal = 25,
  /// The other node runs a version of Muster that this one cannot talk to.
  version_mismatch = 26,
  /// The other node does not want this one; the message says why.
  refused = 27,
  /// No such actor, node or trace.
  not_found = 28,
};

/// The greatest code.
inline constexpr errc last_errc = errc::not_found;

/// One sentence for a person about `code`.
[[nodiscard]] std::string_view describe(errc code) noexcept;

/// The code's name as written in logs and in problem documents, such as
/// `queue_full`.
[[nodiscard]] std::string_view to_string(errc code) noexcept;

/// Whether the same call may succeed later without the caller changing it.
[[nodiscard]] bool is_retryable(errc code) noexcept;

/// Whether what was asked may have happened in spite of the error.
[[nodiscard]] bool is_uncertain(errc code) noexcept;

/// Whether the component that reports it cannot go on.
[[nodiscard]] bool is_fatal(errc code) noexcept;

/// An error as a value: a code to branch on and a sentence to show.
struct error {
  /// To branch on.
  errc code = errc::none;
  /// For a person; one sentence.
  std::string message;

  error() = default;
  /// An error that says what its code says.
  explicit error(errc why);
  /// An error with a sentence of its own.
  error(errc why, std::string text) : code(why), message(std::move(text)) {
    // nop
  }

  /// Memberwise.
  friend bool operator==(const error&, const error&) = default;
};

} // namespace muster
