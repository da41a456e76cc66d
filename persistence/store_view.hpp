#pragma once

#include "persistence/job.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct MDB_txn;

namespace muster {

class store;

/// Everything about a job but its payload and result.
struct job_info {
  /// As `to_string` and `parse_job_id` write and read it.
  job_id id = job_id::none;
  /// Where it waits or waited.
  std::string queue;
  /// Who runs it, by name.
  std::string handler;
  /// As it is at the moment.
  job_state state = job_state::ready;
  /// The number of the latest attempt; 0 before the first.
  std::uint32_t attempt = 0;
  /// How many attempts failed; the job is dead when they reach `max_attempts`.
  std::uint32_t failures = 0;
  /// How many failed attempts make it dead.
  std::uint32_t max_attempts = 0;
  /// 0 to 255; higher ones are leased first.
  std::uint8_t priority = 0;
  /// How long an attempt may take.
  millis timeout{0};
  /// When it was accepted.
  timestamp enqueued_at;
  /// When a scheduled job becomes ready.
  std::optional<timestamp> due_at;
  /// When the latest attempt was leased.
  std::optional<timestamp> started_at;
  /// When the job became final.
  std::optional<timestamp> finished_at;
  /// When the current lease expires.
  std::optional<timestamp> lease_deadline;
  /// When an unfinished job is cancelled by itself.
  std::optional<timestamp> expires_at;
  /// Of the latest attempt.
  std::string worker;
  /// What the latest attempt last said of its progress.
  std::string progress;
  /// Why the latest failed attempt failed, or why the job was cancelled.
  std::string error;
  /// Position in the order of finished jobs; 0 unless final.
  std::uint64_t finish_sequence = 0;
};

/// One attempt of a job.
struct attempt_info {
  /// Its number: the first one is 1.
  std::uint32_t attempt = 0;
  /// How it ended, if it has.
  attempt_status outcome = attempt_status::running;
  /// Whose it was.
  std::string worker;
  /// When it was leased.
  std::optional<timestamp> started_at;
  /// None while it runs, and where a store of an older version did not keep it.
  std::optional<timestamp> ended_at;
  /// Of an attempt that failed; at most `limits::attempt_error` bytes.
  std::string error;
};

/// The latest attempts of a job.
struct attempt_list {
  /// Oldest first, at most `limits::attempts_kept`.
  std::vector<attempt_info> attempts;
  /// How many earlier ones there were.
  std::uint32_t dropped = 0;
};

/// A queue's settings and what is in it.
struct queue_info {
  std::string name;
  queue_settings settings;
  /// How many jobs are in each state; index by `job_state`.
  std::array<std::uint64_t, job_state_count> depth{};
  // Totals since the store was made.
  std::uint64_t enqueued_total = 0;
  std::uint64_t leased_total = 0;
  std::uint64_t succeeded_total = 0;
  /// Failed attempts.
  std::uint64_t failed_total = 0;
  std::uint64_t dead_total = 0;
  std::uint64_t cancelled_total = 0;
  std::uint64_t expired_leases_total = 0;
  /// When the oldest ready job of the highest waiting priority was enqueued.
  std::optional<timestamp> oldest_ready;

  [[nodiscard]] std::uint64_t count(job_state state) const noexcept {
    return depth[static_cast<std::size_t>(state)];
  }
};

/// Which finished jobs to list.
struct completed_query {
  /// Only of this queue; all if empty.
  std::string_view queue;
  /// At most this many.
  std::uint32_t limit = 100;
  /// With a cursor: jobs that finished after this sequence number, oldest
  /// first. Without: the newest, newest first.
  std::optional<std::uint64_t> after;
  /// Only jobs that succeeded; else dead and cancelled ones too.
  bool succeeded_only = false;
};

/// Where a job stood in the index that it was listed from. A list goes on after
/// it, whatever has become of the job.
struct list_position {
  /// Which index: of leased, ready or scheduled jobs, or of final ones.
  job_state state = job_state::ready;
  /// Leased: the deadline in ms. Ready: 255 - priority. Scheduled: 0. Final:
  /// the finish sequence.
  std::uint64_t order = 0;
  /// Orders jobs of the same `order`; none for final ones.
  job_id id = job_id::none;
};

/// Which jobs of a queue to list.
struct job_query {
  std::string_view queue;
  /// Unset: all, leased ones first, then ready, scheduled and final ones.
  std::optional<job_state> state;
  /// At most this many.
  std::size_t limit = 100;
  /// Of an earlier answer to the same query.
  std::optional<list_position> after;
};

/// Which leases to list.
struct lease_query {
  /// Only of this queue; all if empty.
  std::string_view queue;
  /// Only of this worker; all if empty.
  std::string_view worker;
  /// At most this many.
  std::size_t limit = 100;
  /// Of an earlier answer to the same query.
  std::optional<list_position> after;
};

/// A part of a list of jobs.
struct job_page {
  struct row {
    job_info job;
    list_position at;
  };

  std::vector<row> rows;
  /// Set if there may be more, also where there are fewer rows than asked for:
  /// a page ends after so many looks, too.
  std::optional<list_position> next;
};

/// Reads one consistent state of a store. Valid as long as the transaction
/// that it looks through; not thread-safe. No function fails for a reason of
/// the caller's; a damaged record is reported as absent and logged by nobody:
/// `state_machine` refuses such a store.
class store_view {
public:
  store_view(const store& st, MDB_txn* txn) noexcept : store_(&st), txn_(txn) {
    // nop
  }

  [[nodiscard]] std::optional<job_info> job(job_id id) const;
  [[nodiscard]] std::optional<std::string> payload(job_id id) const;
  /// The first `max` bytes of the payload.
  [[nodiscard]] std::optional<std::string>
  payload_preview(job_id id, std::size_t max) const;
  [[nodiscard]] std::optional<std::size_t> payload_bytes(job_id id) const;
  /// Empty for a job that is not there or never began.
  [[nodiscard]] attempt_list attempts(job_id id) const;
  /// Only of a job that succeeded.
  [[nodiscard]] std::optional<std::string> result(job_id id) const;

  [[nodiscard]] std::optional<queue_info> queue(std::string_view name) const;
  /// By name, beginning after `after`.
  [[nodiscard]] std::vector<queue_info>
  queues(std::string_view after = {}, std::size_t limit = SIZE_MAX) const;

  /// Jobs of one queue: leased ones by deadline, ready ones in the order in
  /// which they would be leased, scheduled ones by id, final ones newest first.
  /// The cost depends on the limit and not on how many jobs there are. None if
  /// the queue is unknown.
  [[nodiscard]] std::optional<job_page> jobs(const job_query& q) const;
  /// Leased jobs of all queues by deadline, at the same cost. A lease that is
  /// extended meanwhile may come again on a later page; none is left out.
  [[nodiscard]] job_page leases(const lease_query& q) const;
  /// All leased jobs by deadline, at most `limit`.
  [[nodiscard]] std::vector<job_info> leases(std::size_t limit) const;
  [[nodiscard]] std::vector<job_info> completed(const completed_query& q) const;

  /// When the next tick has something to do; none if never.
  [[nodiscard]] std::optional<timestamp> next_wake() const;
  /// How many entries of the log this state includes.
  [[nodiscard]] std::uint64_t applied() const;

private:
  const store* store_;
  MDB_txn* txn_;
};

} // namespace muster
