#pragma once

#include "persistence/command.hpp"
#include "persistence/expected.hpp"
#include "persistence/histogram.hpp"
#include "persistence/state_machine.hpp"
#include "persistence/store.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace muster {

struct journal_options {
  /// The data directory: holds `store.mdb`, `lock` and the folder `log`.
  std::filesystem::path directory;
  /// See `store_options`.
  std::size_t map_size = std::size_t{1} << 40;
  unsigned max_readers = 512;
  /// Size of the log's preallocated files.
  std::size_t segment_size = std::size_t{32} << 20;
  /// The log is cut when it holds this many bytes or entries that the store
  /// has made durable. Bounds start-up time and the log's memory.
  std::size_t snapshot_bytes = std::size_t{48} << 20;
  std::uint32_t snapshot_entries = 50'000;
  /// The store's transaction is committed at the latest after this time, or
  /// when it holds this many bytes; also after `idle` without a command.
  millis commit_interval{100};
  std::size_t commit_bytes = std::size_t{16} << 20;
  millis idle{10};
  /// Commands beyond these are refused with `busy`.
  std::size_t max_waiting = 16'384;
  std::size_t max_waiting_bytes = std::size_t{256} << 20;
  /// A log entry is closed at this size; commands are never split.
  std::size_t entry_bytes = std::size_t{1} << 20;
  /// Payloads that one delivery of leases may bring together, but for the last
  /// of them; less where there are many deliveries at once.
  std::size_t lease_bytes = std::size_t{32} << 20;
  /// New jobs are refused with `store_full` when less than this is left of the
  /// map, so that completions and purges still fit; 0: an eighth of the map,
  /// at most 256 MiB.
  std::size_t store_reserve = 0;
  /// New jobs are refused with `disk_full` when the file system has less than
  /// this; 0: three segments, and 64 MiB.
  std::size_t disk_reserve = 0;
  /// After its opening no lease ends within this time, so that workers can find
  /// the manager again and extend those that they hold; nor after a time of a
  /// second or more in which the journal's thread did not run, because the
  /// process was stopped, say. 0: leases end when their time is over.
  millis lease_grace{5'000};
  /// Called on the journal's thread when it has failed and takes no more
  /// commands. Close it and open it again.
  std::function<void(const error&)> on_failure;
  /// Called on the journal's thread with leases that ended otherwise than by
  /// their holder.
  std::function<void(std::vector<effects::revoked_lease>)> on_revoked;
  /// Likewise: these queues were paused just now.
  std::function<void(std::vector<std::string>)> on_paused;
};

/// Checks an options struct; the error names the field and the rule.
[[nodiscard]] expected<void> validate(const journal_options& options);

/// A standing wish for leases: of a worker that has room, or of a client that
/// waits. Jobs are handed out as they become ready, fairly among demands.
struct lease_demand {
  /// Named in the lease, see `job_info::worker`.
  std::string worker;
  /// Empty: every queue.
  std::vector<std::string> queues;
  /// How many more jobs may be delivered now; see `journal::add_credit`.
  std::uint32_t credit = 0;
  /// Of each lease.
  millis ttl{30'000};
  /// True: the demand ends with its first delivery.
  bool once = false;
  /// Called on the journal's thread with jobs whose lease is durable. A `once`
  /// demand is called exactly once, with an empty list if it was withdrawn or
  /// the journal closed or failed before; any other is called with an empty
  /// list only at its end, exactly once.
  std::function<void(std::vector<leased_job>)> deliver;
};

enum class demand_id : std::uint64_t { none = 0 };
enum class watch_id : std::uint64_t { none = 0 };

/// Figures since the journal was opened. Durations in microseconds.
struct journal_stats {
  /// How many entries the store includes, from the store's beginning on,
  /// committed or not. Never behind what was answered.
  std::uint64_t applied = 0;
  std::uint64_t entries = 0;
  std::uint64_t commands = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t commits = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t waiting = 0;
  std::uint64_t refused = 0;
  std::uint64_t leases_expired = 0;
  histogram::snapshot log_write_us;
  histogram::snapshot log_write_bytes;
  histogram::snapshot commands_per_entry;
  histogram::snapshot apply_us;
  histogram::snapshot commit_us;
};

/// The one writer of a data directory: takes commands from any thread, has
/// them on disk in the log, applies them in order to the store, answers.
///
/// One thread of its own runs the log and the store's write transaction.
/// Callbacks run on that thread: they must be quick and must not block; they
/// may call any member but `close` and the destructor. Members are thread-safe.
class journal {
public:
  using submit_callback = std::function<void(expected<outcome>)>;
  using read_callback = std::function<void(expected<store_view>)>;
  using watch_callback = std::function<void(std::optional<job_state>)>;

  /// Opens or creates a data directory, applies what the log holds beyond the
  /// store, and starts the thread. Returns when it serves. Errors are those of
  /// `store::open`, and `unavailable` with a sentence if the log cannot start.
  [[nodiscard]] static expected<std::unique_ptr<journal>>
  open(journal_options options);

  /// Closes if open.
  ~journal();
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  /// Submits a command. `done` is called exactly once: after the command is
  /// durable and applied, or with why it was refused. `unavailable` after the
  /// journal failed leaves open whether the command took effect.
  void submit(encoded_command cmd, submit_callback done);

  /// Calls `fn` on the journal's thread with a view that sees every command
  /// that was answered before, valid during the call only.
  void read(read_callback fn);

  /// The last commit, at most about `commit_interval` old, for lists and
  /// statistics; on the caller's thread.
  [[nodiscard]] expected<read_transaction> snapshot() const;

  /// Opens a demand; it may be served before this returns.
  demand_id open_demand(lease_demand demand);
  void add_credit(demand_id id, std::uint32_t more);
  /// Ends a demand. Leases that are under way are still delivered before the
  /// final call with an empty list (a `once` demand: that delivery is the
  /// final call).
  void withdraw(demand_id id);

  /// Calls `fn` exactly once: with the job's state as soon as it is final (at
  /// once if it is), or with nothing when unwatched, unknown, or closed.
  watch_id watch(job_id id, watch_callback fn);
  void unwatch(watch_id id);

  /// See `store::copy_to`; commits first. Blocks the caller, not the journal.
  [[nodiscard]] expected<void> backup(const std::filesystem::path& file);

  [[nodiscard]] expected<store_usage> usage() const;
  [[nodiscard]] journal_stats stats() const;

  /// Takes no more commands, finishes those that wait, commits, ends the
  /// thread. Idempotent; blocks.
  void close();

private:
  struct impl;
  explicit journal(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

/// A stable address for a journal that may be closed and opened again behind
/// it. Thread-safe. Without a journal everything is answered `unavailable`.
class journal_port {
public:
  void attach(std::shared_ptr<journal> target);
  /// Returns the journal that was attached, if any.
  std::shared_ptr<journal> detach();
  [[nodiscard]] std::shared_ptr<journal> get() const;

  // As in `journal`.
  void submit(encoded_command cmd, journal::submit_callback done);
  void read(journal::read_callback fn);
  [[nodiscard]] expected<read_transaction> snapshot() const;
  demand_id open_demand(lease_demand demand);
  void add_credit(demand_id id, std::uint32_t more);
  void withdraw(demand_id id);
  watch_id watch(job_id id, journal::watch_callback fn);
  void unwatch(watch_id id);
  [[nodiscard]] expected<void> backup(const std::filesystem::path& file);
  [[nodiscard]] expected<store_usage> usage() const;
  [[nodiscard]] journal_stats stats() const;

private:
  mutable std::mutex mutex_;
  std::shared_ptr<journal> target_;
};

} // namespace muster
