#pragma once

#include "persistence/lmdb.hpp"
#include "persistence/record.hpp"
#include "persistence/store.hpp"

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>

// The store's tables and their keys. Private to persistence/. All numbers in
// keys are big-endian; docs/data_format.md has the grammar.

namespace muster {

enum class table : std::uint8_t {
  /// Text -> facts about the store.
  meta,
  /// Queue id -> queue_record.
  queues,
  /// Name -> queue id.
  queue_names,
  /// Job id -> job_record.
  jobs,
  payloads,
  results,
  /// Queue id, 255 - priority, job id -> nothing: the order of leasing.
  ready,
  /// Queue id, state, order -> job id. Order is the job id for scheduled jobs
  /// and the finish sequence for final ones.
  states,
  /// Finish sequence -> job id.
  finished,
  /// Kind, time, id -> nothing, or what the kind needs.
  timers,
  /// Queue id, idempotency key -> key_record.
  keys,
  /// Job id, attempt -> attempt_record.
  attempts,
};

inline constexpr std::size_t table_count = 12;

[[nodiscard]] const char* name_of(table t) noexcept;

/// What a timer is for. On disk: append, never reorder.
enum class timer_kind : std::uint8_t {
  /// A scheduled job becomes ready. Id: the job.
  due = 1,
  /// A lease expires. Id: the job.
  lease = 2,
  /// A job that has not begun is cancelled. Id: the job.
  ttl = 3,
  /// An idempotency key is forgotten. Id: the job; value: the key in `keys`.
  key = 4,
  /// The oldest final jobs of a queue are looked at. Id: the queue.
  retention = 5,
};

inline constexpr std::array timer_kinds{timer_kind::due, timer_kind::lease,
                                        timer_kind::ttl, timer_kind::key,
                                        timer_kind::retention};

namespace keys {

inline lmdb::key of_job(job_id id) {
  return lmdb::key{}.u64(static_cast<std::uint64_t>(id));
}

inline lmdb::key of_attempt(job_id id, std::uint32_t attempt) {
  return lmdb::key{}.u64(static_cast<std::uint64_t>(id)).u32(attempt);
}

inline lmdb::key of_queue(std::uint32_t queue) {
  return lmdb::key{}.u32(queue);
}

inline lmdb::key of_ready(std::uint32_t queue, std::uint8_t priority,
                          job_id id) {
  return lmdb::key{}
    .u32(queue)
    .u8(static_cast<std::uint8_t>(255 - priority))
    .u64(static_cast<std::uint64_t>(id));
}

inline lmdb::key of_state(std::uint32_t queue, job_state state,
                          std::uint64_t order) {
  return lmdb::key{}.u32(queue).u8(static_cast<std::uint8_t>(state)).u64(order);
}

inline lmdb::key of_finished(std::uint64_t sequence) {
  return lmdb::key{}.u64(sequence);
}

inline lmdb::key of_timer(timer_kind kind, timestamp at, std::uint64_t id) {
  auto ms = static_cast<std::uint64_t>(at.time_since_epoch().count());
  return lmdb::key{}.u8(static_cast<std::uint8_t>(kind)).u64(ms).u64(id);
}

inline std::string of_idempotency(std::uint32_t queue, std::string_view text) {
  std::string result{std::string_view{lmdb::key{}.u32(queue)}};
  result += text;
  return result;
}

/// Of a key in `timers`.
inline timestamp time_of_timer(std::string_view key) {
  return timestamp{
    millis{static_cast<std::int64_t>(lmdb::number_at(key, 1, 8))}};
}

inline std::uint64_t id_of_timer(std::string_view key) {
  return lmdb::number_at(key, 9, 8);
}

inline bool is_timer(std::string_view key, timer_kind kind) {
  return lmdb::number_at(key, 0, 1) == static_cast<std::uint64_t>(kind);
}

/// Of a key in `queues`, `ready` or `states`, or a value in `queue_names`.
inline std::uint32_t queue_of(std::string_view key) {
  return static_cast<std::uint32_t>(lmdb::number_at(key, 0, 4));
}

/// Of a key in `ready`.
inline job_id job_of_ready(std::string_view key) {
  return job_id{lmdb::number_at(key, 5, 8)};
}

inline std::uint64_t order_of_ready(std::string_view key) {
  return lmdb::number_at(key, 4, 1);
}

/// Of a key in `states`.
inline bool is_state(std::string_view key, std::uint32_t queue,
                     job_state state) {
  return queue_of(key) == queue
         && lmdb::number_at(key, 4, 1) == static_cast<std::uint64_t>(state);
}

inline std::uint64_t order_of_state(std::string_view key) {
  return lmdb::number_at(key, 5, 8);
}

/// Of a key in `attempts`.
inline job_id job_of_attempt(std::string_view key) {
  return job_id{lmdb::number_at(key, 0, 8)};
}

inline std::uint32_t number_of_attempt(std::string_view key) {
  return static_cast<std::uint32_t>(lmdb::number_at(key, 8, 4));
}

/// Of a value in `states` or `finished`.
inline job_id job_of_index(std::string_view value) {
  return job_id{lmdb::number_at(value, 0, 8)};
}

} // namespace keys

struct store::impl {
  ~impl();

  [[nodiscard]] MDB_dbi operator[](table t) const noexcept {
    return tables[static_cast<std::size_t>(t)];
  }

  store_options options;
  int lock = -1;
  MDB_env* env = nullptr;
  std::array<MDB_dbi, table_count> tables{};
  std::uint64_t id = 0;

  /// The environment must not be closed while somebody reads.
  mutable std::mutex mutex;
  mutable std::condition_variable none_reads;
  mutable std::size_t readers = 0;
};

/// The key of the facts about the store in `meta`.
namespace meta_keys {

inline constexpr std::string_view magic = "muster";
inline constexpr std::string_view schema = "schema";
inline constexpr std::string_view store_id = "store_id";
inline constexpr std::string_view state = "state";

} // namespace meta_keys

} // namespace muster
