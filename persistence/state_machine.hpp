#pragma once

#include "persistence/command.hpp"
#include "persistence/expected.hpp"
#include "persistence/store.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What applying an entry brought about, for those who wait for it. May be
/// forgotten without harm: everything in it is in the store too.
struct effects {
  struct final_job {
    job_id id;
    job_state state;
  };

  struct revoked_lease {
    lease_token token;
    std::string worker;
    /// `cancelled`: stop the handler. `stale_lease`: the lease expired.
    errc reason;
  };

  /// Jobs that became final, in order.
  std::vector<final_job> finished;
  /// Leases that ended otherwise than by their holder.
  std::vector<revoked_lease> revoked;
  /// Queues in which a job became ready, or which may lease again. Without
  /// order; a name may stand more than once.
  std::vector<std::string> wakened;
  /// Queues that were paused: what was leased and is not begun should not be.
  std::vector<std::string> paused;

  void clear();
};

/// How many jobs of a queue a lease command would get now.
struct lease_capacity {
  std::uint64_t jobs = 0;
  /// How many it would get at most if enough were ready: 0 while the queue is
  /// paused, at its `max_running`, or held back by its `rate`.
  std::uint64_t room = UINT64_MAX;
  /// Where `rate` alone is in the way: when to look again.
  std::optional<timestamp> retry_at;
};

/// Applies commands to a store, deterministically: the same state and the same
/// command have the same outcome on every replica. Owns the store's one write
/// transaction, which stays open until `commit`. Every call must come from the
/// same thread.
///
/// The cost of a command does not depend on how many jobs the store holds.
/// Queue counters are kept in memory between commits and written with them.
class state_machine {
public:
  explicit state_machine(store& st);
  ~state_machine();
  state_machine(const state_machine&) = delete;
  state_machine& operator=(const state_machine&) = delete;

  /// Whether the store could be read when this was made or aborted.
  [[nodiscard]] expected<void> loaded() const;

  /// Applies one command. An error is the store's (`store_full`, `disk_full`,
  /// `io_error`, `store_corrupt`) and fatal for this object: abort, and start
  /// again from the last commit. Refusals are outcomes, not errors. `now` is
  /// clamped so that it never runs backwards from one command to the next.
  [[nodiscard]] expected<outcome> apply(const command& cmd, timestamp now,
                                        effects& out);

  /// Applies every command of an entry of the log and counts the entry as
  /// applied.
  [[nodiscard]] expected<std::vector<outcome>>
  apply_entry(std::string_view entry, effects& out);

  /// Makes everything applied so far durable (with flush) and visible to
  /// readers. Does nothing when nothing was applied.
  [[nodiscard]] expected<void> commit();

  /// Forgets everything since the last commit.
  void abort() noexcept;

  /// How many entries the state includes, those not yet committed too.
  [[nodiscard]] std::uint64_t applied() const noexcept;

  /// About how many bytes the open transaction has put into pages.
  [[nodiscard]] std::size_t uncommitted_bytes() const noexcept;

  /// The time of the latest command.
  [[nodiscard]] timestamp now() const noexcept;

  /// Sees what is applied but not committed too. Valid until the next call of
  /// a non-const member.
  [[nodiscard]] expected<store_view> view();

  /// What the leader asks before it composes commands; all O(1) or of the cost
  /// of one look-up.
  [[nodiscard]] lease_capacity capacity(std::string_view queue, timestamp now);
  /// Scheduled plus ready jobs, and the limit; none if the queue is unknown.
  struct queue_depth {
    std::uint64_t waiting = 0;
    std::uint64_t max_depth = 0;
  };
  [[nodiscard]] std::optional<queue_depth> depth(std::string_view queue);
  /// Whether a job is leased. Its cost grows with the number of queues.
  [[nodiscard]] bool has_leases() const;
  /// Names of queues that have ready jobs and are not paused.
  [[nodiscard]] std::vector<std::string> leasable_queues();
  /// When a tick has something to do next.
  [[nodiscard]] std::optional<timestamp> next_wake();

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace muster
