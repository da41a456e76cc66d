#pragma once

#include "persistence/dispatcher.hpp"
#include "persistence/journal.hpp"
#include "persistence/state_machine.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster {

/// Matches ready jobs with those who want them: knows which queues may have
/// something to lease, asks the dispatcher who is next, and follows every lease
/// until it is delivered. Lives on the journal's thread.
class lease_desk {
public:
  /// A lease that should enter the log.
  struct order {
    dispatcher::choice chosen;
    std::string queue;
    std::string worker;
    millis ttl{0};
  };

  /// Jobs that become ready with the entry that is being made.
  using fresh_jobs = std::vector<std::pair<std::string_view, std::uint64_t>>;

  // -- demands ----------------------------------------------------------------

  void open(demand_id id, lease_demand demand);
  void add_credit(demand_id id, std::uint32_t more);
  void withdraw(demand_id id);
  /// Ends every demand.
  void withdraw_all();

  // -- queues -----------------------------------------------------------------

  /// The queue may have something to lease.
  void wake(std::string_view queue);

  /// What to lease with the next entry. The orders' credit and jobs are taken
  /// until `settle`.
  [[nodiscard]] std::vector<order>
  compose(state_machine& machine, timestamp now, const fresh_jobs& fresh);

  /// Delivers what an order brought.
  void settle(const order& done, std::vector<leased_job> jobs);

  /// Whether `compose` may have something to say.
  [[nodiscard]] bool has_work();

  /// When a queue that is held back by its rate may lease again.
  [[nodiscard]] std::optional<timestamp> retry_at() const;

private:
  struct client {
    lease_demand demand;
    std::uint32_t in_flight = 0;
    bool withdrawn = false;
  };

  void offer(const std::string& queue, state_machine& machine, timestamp now,
             std::uint64_t fresh, std::vector<order>& out);
  void mark(demand_id id);
  void finish(demand_id id);

  dispatcher dispatcher_;
  std::unordered_map<demand_id, client> clients_;
  /// Every queue that may have something to lease is here or in `throttled_`.
  std::set<std::string, std::less<>> hot_;
  /// Hot queues that somebody asked for by name since they were last offered.
  std::set<std::string, std::less<>> asked_;
  std::map<std::string, timestamp, std::less<>> throttled_;
  std::map<std::string, std::uint64_t, std::less<>> in_flight_;
  /// The queue after which the next turn of those who take any begins.
  std::string cursor_;
};

} // namespace muster
