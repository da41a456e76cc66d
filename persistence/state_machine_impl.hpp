#pragma once

#include "persistence/state_machine.hpp"
#include "persistence/store_tables.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

// Private to state_machine*.cpp. Members throw `lmdb::failure`, which the
// public functions turn into values.

namespace muster {

/// A queue as the state machine keeps it between commits.
struct queue_entry {
  std::uint32_t id = 0;
  queue_record rec;
  bool dirty = false;

  [[nodiscard]] std::uint64_t& count(job_state state) noexcept {
    return rec.depth[static_cast<std::size_t>(state)];
  }
};

struct state_machine::impl {
  explicit impl(store& st) : outer(st), db(st.internals()) {
    // nop
  }

  // -- transaction ------------------------------------------------------------

  void load();
  void try_load() noexcept;
  void ensure_transaction();
  void flush();
  void drop_transaction() noexcept;

  void put(table t, std::string_view key, std::string_view value);
  void append(table t, std::string_view key, std::string_view value);
  bool erase(table t, std::string_view key);
  [[nodiscard]] std::optional<std::string_view> get(table t,
                                                    std::string_view key);

  // -- queues and jobs --------------------------------------------------------

  [[nodiscard]] queue_entry* find_queue(std::string_view name);
  [[nodiscard]] queue_entry& queue_by_id(std::uint32_t id);
  [[nodiscard]] queue_entry& make_queue(std::string_view name);
  queue_entry& keep(std::uint32_t id, queue_record rec);

  [[nodiscard]] std::optional<job_record> find_job(job_id id);
  void store_job(job_id id, const job_record& rec);

  void set_timer(timer_kind kind, timestamp at, std::uint64_t id,
                 std::string_view value = {});
  void clear_timer(timer_kind kind, timestamp at, std::uint64_t id);
  [[nodiscard]] std::optional<timestamp> next_wake();

  /// The job leaves the index of its state. The record is not stored.
  void leave_state(job_id id, job_record& rec, queue_entry& queue);
  /// The job enters `state`: index, counter, timer. The record is not stored.
  void enter_ready(job_id id, job_record& rec, queue_entry& queue);
  void enter_scheduled(job_id id, job_record& rec, queue_entry& queue,
                       timestamp due);
  void enter_final(job_id id, job_record& rec, queue_entry& queue,
                   job_state state);
  void drop_job(job_id id, const job_record& rec);

  // -- commands ---------------------------------------------------------------

  outcome apply(const enqueue_command& cmd);
  outcome apply(const lease_command& cmd);
  outcome apply(const complete_command& cmd);
  outcome apply(const fail_command& cmd);
  outcome apply(const extend_command& cmd);
  outcome apply(const release_command& cmd);
  outcome apply(const cancel_command& cmd);
  outcome apply(const retry_command& cmd);
  outcome apply(const tick_command& cmd);
  outcome apply(const configure_command& cmd);
  outcome apply(const purge_command& cmd);

  enqueued_job add_job(queue_entry& queue, const new_job& job);
  void remember_key(queue_entry& queue, const new_job& job, job_id id);
  [[nodiscard]] std::optional<enqueued_job> find_key(queue_entry& queue,
                                                     const new_job& job);
  [[nodiscard]] lease_capacity capacity(queue_entry& queue, timestamp at) const;
  [[nodiscard]] leased_job lease_job(queue_entry& queue, job_id id,
                                     const lease_command& cmd);

  settled_lease settle(const completion& item);
  settled_lease settle(const failure& item);
  settled_lease settle(const extension& item);
  settled_lease settle(lease_token token);
  /// What a token says about its job. `job` is set if the lease is current.
  struct token_check {
    settle_status status = settle_status::stale;
    std::optional<job_record> job;
  };
  [[nodiscard]] token_check check_token(lease_token token, attempt_end same);
  /// Of a lease that ended without its worker, if nobody has the job since: its
  /// result counts all the same.
  [[nodiscard]] std::optional<job_record> find_lost(lease_token token);
  void end_attempt(job_id id, job_record& rec, queue_entry& queue,
                   attempt_end how);

  /// Remembers the latest attempt, which ended just now and not by success, and
  /// forgets one that is too long ago.
  void keep_attempt(job_id id, const job_record& rec, attempt_status how,
                    std::string_view error = {});
  void drop_attempts(job_id id);

  /// After a failed attempt: back-off, dead, or cancelled by its ttl.
  void after_failure(job_id id, job_record& rec, queue_entry& queue,
                     failure_kind kind, std::string_view text, bool retry);
  void bury(job_id id, job_record& rec, queue_entry& queue);
  [[nodiscard]] bool ttl_is_over(const job_record& rec) const noexcept;
  void cancel_expired(job_id id, job_record& rec, queue_entry& queue);

  bool fire_timer(timer_kind kind, timestamp at, std::uint64_t id,
                  std::string_view value, tick_outcome& out,
                  std::uint32_t budget);
  void expire_lease(job_id id, tick_outcome& out);
  /// Has leases that would end before then end then; takes from the budget.
  std::uint32_t spare_leases(timestamp until, std::uint32_t& budget);
  std::uint32_t retire(queue_entry& queue, std::uint32_t budget);
  void arm_retention(queue_entry& queue, timestamp at);
  [[nodiscard]] std::optional<std::pair<job_id, timestamp>>
  oldest_final(queue_entry& queue);
  std::uint32_t purge_ready(queue_entry& queue, std::uint32_t max);
  std::uint32_t purge_state(queue_entry& queue, job_state state,
                            std::uint32_t max);

  store& outer;
  store::impl& db;
  MDB_txn* txn = nullptr;
  meta_record meta;
  bool meta_dirty = false;
  std::size_t written = 0;
  /// Why nothing could be loaded.
  std::optional<error> broken;
  /// Where `apply` reports to.
  effects* fx = nullptr;

  std::unordered_map<std::uint32_t, std::unique_ptr<queue_entry>> queues;
  std::unordered_map<std::string, queue_entry*> queue_names;
  std::vector<queue_entry*> dirty_queues;
  std::string scratch;

  /// What `next_wake` found; unknown after a timer went that it was.
  std::optional<std::optional<timestamp>> known_wake;

  void touch(queue_entry& queue) {
    if (!queue.dirty) {
      queue.dirty = true;
      dirty_queues.push_back(&queue);
    }
  }
};

} // namespace muster
