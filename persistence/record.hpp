#pragma once

#include "persistence/job.hpp"
#include "persistence/token_bucket.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The records of the store's tables as values. Their bytes are described in
// docs/data_format.md. Private to persistence/.

namespace muster {

/// How the latest attempt of a job ended. On disk: append, never reorder.
enum class attempt_end : std::uint8_t {
  /// It has not, or there was none.
  open = 0,
  succeeded = 1,
  failed = 2,
  released = 3,
  /// Its lease expired.
  expired = 4,
  cancelled = 5,
  /// Its worker was given up.
  lost = 6,
};

struct job_record {
  std::uint32_t queue = 0;
  std::string handler;
  job_state state = job_state::ready;
  std::uint8_t priority = defaults::priority;
  std::uint32_t attempt = 0;
  std::uint32_t failures = 0;
  std::uint32_t max_attempts = defaults::max_attempts;
  millis timeout = defaults::timeout;
  timestamp enqueued_at;
  std::optional<timestamp> due_at;
  std::optional<timestamp> started_at;
  std::optional<timestamp> finished_at;
  std::optional<timestamp> lease_deadline;
  std::optional<timestamp> expires_at;
  attempt_end ended = attempt_end::open;
  std::uint64_t finish_sequence = 0;
  std::string worker;
  std::string progress;
  std::string error;
};

/// Whether records of attempts may exist for the job. A job that succeeds at
/// once has none, and costs no look.
[[nodiscard]] inline bool may_have_history(const job_record& rec) noexcept {
  return rec.attempt > 1
         || (rec.attempt == 1 && rec.ended != attempt_end::open
             && rec.ended != attempt_end::succeeded);
}

struct queue_record {
  std::string name;
  queue_settings settings;
  std::array<std::uint64_t, job_state_count> depth{};
  std::uint64_t enqueued_total = 0;
  std::uint64_t leased_total = 0;
  std::uint64_t succeeded_total = 0;
  std::uint64_t failed_total = 0;
  std::uint64_t dead_total = 0;
  std::uint64_t cancelled_total = 0;
  std::uint64_t expired_leases_total = 0;
  token_bucket bucket;
  /// When the queue's oldest final jobs are looked at; none if it has none.
  std::optional<timestamp> retention_at;
};

/// An attempt that did not succeed.
struct attempt_record {
  attempt_status outcome = attempt_status::failed;
  std::string worker;
  std::optional<timestamp> started_at;
  std::optional<timestamp> ended_at;
  std::string error;
};

/// What the store knows of itself.
struct meta_record {
  std::uint64_t applied = 0;
  std::uint64_t next_job = 1;
  std::uint32_t next_queue = 1;
  std::uint64_t next_finish = 1;
  timestamp now;
};

/// What an idempotency key leads to.
struct key_record {
  job_id id = job_id::none;
  timestamp expires;
};

/// Cuts text to the limit, at the border of a UTF-8 character.
[[nodiscard]] std::string_view
cut_text(std::string_view text, std::size_t limit = limits::text) noexcept;

// Encoding replaces what `out` holds. Decoding gives nothing for bytes that are
// damaged or of a newer version.
void encode_record(const job_record& rec, std::string& out);
void encode_record(const queue_record& rec, std::string& out);
void encode_record(const attempt_record& rec, std::string& out);
void encode_record(const meta_record& rec, std::string& out);
void encode_record(const key_record& rec, std::string& out);

bool decode_record(std::string_view bytes, job_record& rec);
bool decode_record(std::string_view bytes, queue_record& rec);
bool decode_record(std::string_view bytes, attempt_record& rec);
bool decode_record(std::string_view bytes, meta_record& rec);
bool decode_record(std::string_view bytes, key_record& rec);

} // namespace muster
