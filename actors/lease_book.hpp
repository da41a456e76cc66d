#pragma once

#include "persistence/job.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace muster {

/// Which worker holds which lease, so that a manager knows what to give to
/// others when a worker is gone. No time, no I/O.
///
/// Leases that the store knows but nobody presented yet, those of an earlier
/// run, are kept apart as orphans under the name of the worker that they were
/// leased to.
class lease_book {
public:
  using worker_id = std::uint64_t;
  using stored_lease = std::pair<std::string, lease_token>;

  /// A worker that is there to stay until `take`.
  void add(worker_id worker);

  /// Ignored for a worker that was not added.
  void grant(worker_id worker, lease_token token);

  /// The worker does not hold it any more.
  void settle(worker_id worker, lease_token token);

  [[nodiscard]] bool holds(worker_id worker, lease_token token) const;

  /// A worker said what it holds. Yields the leases that it should hold and did
  /// not name twice in a row: the first time they may have been on their way.
  [[nodiscard]] std::vector<lease_token>
  compare(worker_id worker, const std::vector<lease_token>& named);

  [[nodiscard]] std::vector<lease_token> leases_of(worker_id worker) const;

  /// Forgets a worker and yields what it held.
  [[nodiscard]] std::vector<lease_token> take(worker_id worker);

  void add_orphan(const std::string& name, lease_token token);

  /// Orphans of a worker name, without those in `held`; they are orphans no
  /// longer.
  [[nodiscard]] std::vector<lease_token>
  take_orphans(std::string_view name, const std::vector<lease_token>& held);

  /// All orphans; they are orphans no longer.
  [[nodiscard]] std::vector<lease_token> take_orphans();

  void drop_orphans();

private:
  struct grant_state {
    std::uint32_t attempt = 0;
    /// How many times in a row the worker did not name it.
    std::uint32_t missed = 0;
  };

  // A worker holds at most one attempt of a job.
  using attempts = std::unordered_map<std::uint64_t, grant_state>;

  std::unordered_map<worker_id, attempts> workers_;
  std::map<std::string, std::vector<lease_token>, std::less<>> orphans_;
};

} // namespace muster
