#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// A command is the only way to change a store. It travels through the log as
// bytes and is applied by `state_machine` in the log's order.
//
// All text and payloads in commands are views: whoever encodes a command keeps
// the bytes alive until the call returns, and a decoded command lives no longer
// than the buffer that it was decoded from.

namespace muster {

// -- commands -----------------------------------------------------------------

/// One job to put into a queue.
struct new_job {
  std::string_view handler;
  std::string_view payload;
  std::uint8_t priority = defaults::priority;
  /// How long the job stays `scheduled` before it becomes ready.
  millis delay{0};
  /// After this many failed attempts the job is dead. At least 1.
  std::uint32_t max_attempts = defaults::max_attempts;
  /// How long one attempt may run.
  millis timeout = defaults::timeout;
  /// A job that has not begun within this time is cancelled; 0 is no limit.
  millis ttl{0};
  /// Repeated within `key_ttl` in the same queue, the first job's id is the
  /// answer and no job is added. Empty is none.
  std::string_view idempotency_key;
  millis key_ttl = defaults::key_ttl;
};

/// Puts jobs into a queue, all in one step. The queue comes into being with
/// its first job.
struct enqueue_command {
  std::string_view queue;
  std::vector<new_job> jobs;
};

/// Leases up to `max` ready jobs of one queue, highest priority first, then
/// oldest. Fewer where the queue is paused, or its `max_running` or `rate` says
/// so.
struct lease_command {
  std::string_view queue;
  std::string_view worker;
  std::uint32_t max = 1;
  /// How long from now until the lease expires, unless it is extended.
  millis ttl{30'000};
  /// No further job is leased once the payloads have this many bytes together;
  /// 0 is no limit.
  std::uint64_t max_bytes = 0;
};

struct completion {
  lease_token token;
  std::string_view result;
};

/// Records results. Repeating it for an attempt that is recorded already
/// answers `ok` again and changes nothing. A result that comes after its lease
/// has expired, or its worker was given up, counts as long as the job waits for
/// its next attempt.
struct complete_command {
  std::vector<completion> items;
};

struct failure {
  lease_token token;
  failure_kind kind = failure_kind::error;
  std::string_view error;
  /// False: the job is dead at once, whatever attempts it has left.
  bool retry = true;
};

/// Records failed attempts: the job goes back to its queue after a back-off, or
/// is dead. The first lost attempt of a job goes back at once.
struct fail_command {
  std::vector<failure> items;
};

struct extension {
  lease_token token;
  /// From now.
  millis ttl{30'000};
  /// Replaces the job's progress text if present.
  std::optional<std::string_view> progress;
};

/// Extends leases: a worker's heartbeat.
struct extend_command {
  std::vector<extension> items;
};

/// Hands leases back: the jobs are ready at once and no attempt is counted
/// against `max_attempts`.
struct release_command {
  std::vector<lease_token> items;
};

/// Ends a job that is not final, also while it runs.
struct cancel_command {
  job_id id = job_id::none;
};

/// Makes a dead job ready again with all its attempts.
struct retry_command {
  job_id id = job_id::none;
};

/// Does what time asks for: promotes due jobs, expires leases, cancels jobs
/// whose ttl is over, drops final jobs after their retention and idempotency
/// keys after theirs; at most `max` of these, earliest first.
struct tick_command {
  std::uint32_t max = 1'000;
  /// Above 0: no lease expires; those that would within this time last until
  /// its end instead. For a leader that has just begun, or stood still: workers
  /// could not extend their leases meanwhile.
  millis spare_leases{0};
};

/// Changes a queue's settings; what is not given stays. The queue comes into
/// being if it does not exist.
struct configure_command {
  std::string_view queue;
  std::optional<bool> paused;
  std::optional<std::uint64_t> max_depth;
  std::optional<std::uint64_t> max_running;
  std::optional<double> rate;
  std::optional<millis> retention;
  std::optional<backoff_policy> backoff;
  std::optional<std::string_view> dead_letter;
};

/// Removes up to `max` jobs of one state for good, with payloads and results.
/// Leased jobs cannot be purged.
struct purge_command {
  std::string_view queue;
  job_state state = job_state::dead;
  std::uint32_t max = 1'000;
};

/// The order of the alternatives is on disk: append, never reorder.
using command
  = std::variant<enqueue_command, lease_command, complete_command, fail_command,
                 extend_command, release_command, cancel_command, retry_command,
                 tick_command, configure_command, purge_command>;

// -- outcomes -----------------------------------------------------------------

struct enqueued_job {
  job_id id = job_id::none;
  job_state state = job_state::ready;
  /// True if an earlier enqueue with the same idempotency key made this job.
  bool duplicate = false;
};

struct enqueue_outcome {
  /// In the order of the command's jobs.
  std::vector<enqueued_job> jobs;
};

/// What a worker needs to run one attempt.
struct leased_job {
  lease_token token;
  std::string queue;
  std::string handler;
  std::string payload;
  timestamp deadline;
  /// How long the attempt may run.
  millis timeout{0};
  std::uint8_t priority = 0;
  std::uint32_t max_attempts = 0;
};

struct lease_outcome {
  std::vector<leased_job> jobs;
};

enum class settle_status : std::uint8_t {
  ok = 0,
  /// The token is not the current one; nothing was changed.
  stale = 1,
  /// The token was the last one of a job that was cancelled; nothing was
  /// changed.
  cancelled = 2,
};

struct settled_lease {
  settle_status status = settle_status::ok;
  /// After an extension: when the lease expires now.
  timestamp deadline;
};

/// Of complete, fail, extend and release: one for each item, in order.
struct settle_outcome {
  std::vector<settled_lease> items;
};

/// Of cancel and retry.
struct change_outcome {
  /// `none`, `job_not_found` or `wrong_state`.
  errc code = errc::none;
  /// The job's state afterwards.
  job_state state = job_state::ready;
};

struct tick_outcome {
  std::uint32_t promoted = 0;
  std::uint32_t leases_expired = 0;
  std::uint32_t leases_spared = 0;
  std::uint32_t jobs_expired = 0;
  std::uint32_t dropped = 0;
  /// Whether something due was left for another tick.
  bool more = false;
};

struct configure_outcome {
  queue_settings settings;
};

struct purge_outcome {
  /// `none` or `queue_not_found`.
  errc code = errc::none;
  std::uint32_t removed = 0;
  bool more = false;
};

using outcome
  = std::variant<enqueue_outcome, lease_outcome, settle_outcome, change_outcome,
                 tick_outcome, configure_outcome, purge_outcome>;

// -- validation ---------------------------------------------------------------

/// Checks everything about a command that does not depend on the store: names,
/// lengths, ranges. The error's sentence names the field and the rule.
[[nodiscard]] expected<void> validate(const command& cmd);

// -- bytes --------------------------------------------------------------------

/// A command in the form in which it is submitted, with what the leader needs
/// to know of it before it enters the log.
struct encoded_command {
  /// See docs/data_format.md.
  std::string bytes;
  /// Index of the alternative in `command`.
  std::uint8_t kind = 0;
  /// The queue of enqueue, lease, configure and purge.
  std::string queue;
  /// How many jobs an enqueue adds, and how many of them are ready at once.
  std::uint32_t jobs = 0;
  std::uint32_t ready_jobs = 0;
};

/// Encodes a command. The result owns its bytes.
[[nodiscard]] encoded_command encode(const command& cmd);

// An entry of the log holds one or more commands that take effect in one step
// with one time stamp:
//
//     entry   := version(1 byte, = 1) now(8 bytes, big-endian, ms) command*
//     command := msgpack array [kind, fields...]

/// Begins an entry in `out`, which may be reused.
void begin_entry(std::string& out, timestamp now);

/// Walks the commands of one entry.
class entry_reader {
public:
  /// Fails with `malformed` or `store_newer`. `entry` must outlive the reader
  /// and every command that it yields.
  [[nodiscard]] static expected<entry_reader> open(std::string_view entry);

  [[nodiscard]] timestamp now() const noexcept {
    return now_;
  }

  [[nodiscard]] bool done() const noexcept {
    return offset_ == entry_.size();
  }

  /// The next command, or `malformed`.
  [[nodiscard]] expected<command> next();

private:
  entry_reader(std::string_view entry, timestamp now);

  std::string_view entry_;
  std::size_t offset_ = 0;
  timestamp now_;
};

} // namespace muster
