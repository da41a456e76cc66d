#pragma once

#include "persistence/store_tables.hpp"
#include "persistence/store_view.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// What the parts of `store_view` read tables with. Private to persistence/.

namespace muster {

/// Runs a look-up; what LMDB refuses or a damaged record is "nothing".
template <class Look>
auto looked_up(Look look) -> std::invoke_result_t<Look> {
  try {
    return look();
  } catch (const lmdb::failure&) {
    return {};
  }
}

/// One read of several tables.
class table_reader {
public:
  table_reader(const store& st, MDB_txn* txn) : db_(st.internals()), txn_(txn) {
    // nop
  }

  [[nodiscard]] std::optional<std::string_view>
  get(table t, std::string_view key) const {
    return lmdb::get(txn_, db_[t], key);
  }

  [[nodiscard]] lmdb::cursor cursor(table t) const {
    return {txn_, db_[t]};
  }

  [[nodiscard]] std::optional<queue_record> queue(std::uint32_t id) const {
    queue_record rec;
    auto bytes = get(table::queues, keys::of_queue(id));
    if (bytes && decode_record(*bytes, rec))
      return rec;
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::uint32_t>
  queue_id(std::string_view name) const {
    if (name.empty())
      return std::nullopt;
    if (auto bytes = get(table::queue_names, name))
      return keys::queue_of(*bytes);
    return std::nullopt;
  }

  [[nodiscard]] std::optional<job_record> record(job_id id) const {
    job_record rec;
    auto bytes = get(table::jobs, keys::of_job(id));
    if (bytes && decode_record(*bytes, rec))
      return rec;
    return std::nullopt;
  }

  /// Names of queues are looked up once.
  std::optional<job_info> job(job_id id) {
    auto rec = record(id);
    if (!rec)
      return std::nullopt;
    if (!known_queue_ || known_queue_id_ != rec->queue) {
      known_queue_ = queue(rec->queue);
      known_queue_id_ = rec->queue;
    }
    job_info info;
    info.id = id;
    info.queue = known_queue_ ? known_queue_->name : std::string{};
    info.handler = std::move(rec->handler);
    info.state = rec->state;
    info.attempt = rec->attempt;
    info.failures = rec->failures;
    info.max_attempts = rec->max_attempts;
    info.priority = rec->priority;
    info.timeout = rec->timeout;
    info.enqueued_at = rec->enqueued_at;
    info.due_at = rec->due_at;
    info.started_at = rec->started_at;
    info.finished_at = rec->finished_at;
    info.lease_deadline = rec->lease_deadline;
    info.expires_at = rec->expires_at;
    info.worker = std::move(rec->worker);
    info.progress = std::move(rec->progress);
    info.error = std::move(rec->error);
    info.finish_sequence = rec->finish_sequence;
    return info;
  }

private:
  store::impl& db_;
  MDB_txn* txn_;
  std::uint32_t known_queue_id_ = 0;
  std::optional<queue_record> known_queue_;
};

} // namespace muster
