#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

using millis = std::chrono::milliseconds;

/// A point in time of the wall clock, in whole milliseconds since 1970 UTC.
using timestamp = std::chrono::sys_time<millis>;

// -- identity -----------------------------------------------------------------

/// Identifies a job within its store. Given out in increasing order from 1; 0
/// is no job.
enum class job_id : std::uint64_t { none = 0 };

/// The text form that people and clients see. Opaque to them.
[[nodiscard]] std::string to_string(job_id id);
[[nodiscard]] std::optional<job_id>
parse_job_id(std::string_view text) noexcept;

/// The right to settle one attempt of one job. An attempt's number only grows,
/// so that the token of an earlier attempt can be told from the current one.
struct lease_token {
  /// The job's.
  job_id id = job_id::none;
  /// From 1.
  std::uint32_t attempt = 0;

  /// By job, then by attempt.
  friend auto operator<=>(const lease_token&, const lease_token&) = default;
};

[[nodiscard]] std::string to_string(lease_token token);
[[nodiscard]] std::optional<lease_token>
parse_lease_token(std::string_view text) noexcept;

// -- state --------------------------------------------------------------------

/// Where a job is in its life. The numbers are on disk: append, never reorder.
///
///     scheduled --due--> ready --lease--> leased --complete--> succeeded
///         ^                ^                 |
///         |                +--- release -----+
///         +---- back-off after a failure ----+
///                                            +-- attempts used up --> dead
///     any of the first three --cancel, ttl--> cancelled
///     dead --retry--> ready
enum class job_state : std::uint8_t {
  scheduled = 0,
  ready = 1,
  leased = 2,
  succeeded = 3,
  dead = 4,
  cancelled = 5,
};

inline constexpr std::size_t job_state_count = 6;

[[nodiscard]] std::string_view to_string(job_state state) noexcept;
[[nodiscard]] std::optional<job_state>
parse_job_state(std::string_view text) noexcept;

/// Whether nothing happens to the job any more by itself.
[[nodiscard]] constexpr bool is_final(job_state state) noexcept {
  return state >= job_state::succeeded;
}

/// How far an attempt came, or how it ended. The numbers are on disk: append,
/// never reorder.
enum class attempt_status : std::uint8_t {
  /// Its lease is the current one.
  running = 0,
  succeeded = 1,
  /// The handler reported an error.
  failed = 2,
  /// The worker ended it because its time limit was over.
  timed_out = 3,
  /// Nobody extended its lease in time.
  expired = 4,
  /// Its worker was given up, or said that it knows nothing of it.
  lost = 5,
  /// Its worker handed the lease back.
  released = 6,
  /// The job was cancelled while it ran.
  cancelled = 7,
};

[[nodiscard]] std::string_view to_string(attempt_status status) noexcept;

/// How an attempt failed. The numbers are on disk: append, never reorder.
enum class failure_kind : std::uint8_t {
  /// The handler reported an error.
  error = 0,
  /// The attempt exceeded its time limit.
  timed_out = 1,
  /// The worker died, hung or was cut off.
  lost = 2,
};

// -- limits -------------------------------------------------------------------

namespace limits {

inline constexpr std::size_t queue_name = 128;
inline constexpr std::size_t handler_name = 128;
inline constexpr std::size_t idempotency_key = 255;
inline constexpr std::size_t worker_name = 255;
/// An error text or progress text beyond this is cut.
inline constexpr std::size_t text = 4096;
inline constexpr std::size_t jobs_per_batch = 10'000;
inline constexpr std::uint32_t max_attempts = 1'000'000;
/// Of how many attempts of a job is kept how they ended: the latest ones.
inline constexpr std::uint32_t attempts_kept = 16;
/// What is kept of an earlier attempt's error text.
inline constexpr std::size_t attempt_error = 512;
/// No duration of a job or queue exceeds ten years.
inline constexpr millis duration = std::chrono::hours{24 * 3653};

} // namespace limits

// -- options ------------------------------------------------------------------

namespace defaults {

inline constexpr std::uint8_t priority = 100;
inline constexpr std::uint32_t max_attempts = 5;
inline constexpr millis timeout = std::chrono::seconds{60};
/// How long a store answers a repeated idempotency key with the first job's id.
inline constexpr millis key_ttl = std::chrono::hours{24};
inline constexpr millis retention = std::chrono::hours{24};

} // namespace defaults

/// A queue's name is 1 to 128 characters of `A-Z a-z 0-9 . _ -`, and so is a
/// handler's.
[[nodiscard]] bool is_valid_name(std::string_view name) noexcept;

/// The pause before a failed job is tried again: `min * factor^(failures-1)`,
/// at most `max`, then spread by `jitter` (0.2: up to 20 % either way).
struct backoff_policy {
  /// After the first failure.
  millis min{1'000};
  /// However many failures there were.
  millis max{600'000};
  /// By which each pause is longer than the one before; at least 1.
  double factor = 2.0;
  /// The part of a pause by which it may be shorter or longer; 0 to 1.
  double jitter = 0.2;

  /// Memberwise.
  friend bool operator==(const backoff_policy&, const backoff_policy&)
    = default;
};

/// What can be set for a queue while it runs.
struct queue_settings {
  /// No job is leased while true.
  bool paused = false;
  /// How many jobs may wait (scheduled or ready); 0 is no limit.
  std::uint64_t max_depth = 0;
  /// How many jobs may be leased at once over all workers; 0 is no limit.
  std::uint64_t max_running = 0;
  /// How many leases may begin per second on average; 0 is no limit. A second's
  /// worth (at least one) may begin at once.
  double rate = 0;
  /// How long a final job and its result are kept.
  millis retention = defaults::retention;
  /// Before a failed job is tried again.
  backoff_policy backoff;
  /// The queue that gets a copy of each job that dies; empty is none.
  std::string dead_letter;

  /// Memberwise.
  friend bool operator==(const queue_settings&, const queue_settings&)
    = default;
};

} // namespace muster
