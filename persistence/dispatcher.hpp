#pragma once

#include "persistence/journal.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Decides who gets the next jobs: demands take turns, so that no worker is
/// served twice while another that could take the job waits. Pure: no clock,
/// no I/O, no threads. The cost of a choice does not depend on how many demands
/// have no credit.
class dispatcher {
public:
  struct choice {
    demand_id demand = demand_id::none;
    std::uint32_t max = 0;
  };

  /// Adds a demand. `queues` empty: every queue. A `once` demand is not chosen
  /// again until `settle` says that it got nothing.
  void open(demand_id id, std::vector<std::string> queues, std::uint32_t credit,
            bool once);
  void close(demand_id id);
  void add_credit(demand_id id, std::uint32_t more);

  /// Spreads `available` jobs of a queue over the demands that serve it, each
  /// within its credit, which is taken at once.
  [[nodiscard]] std::vector<choice> choose(std::string_view queue,
                                           std::uint64_t available);

  /// Reports how many jobs a choice really brought; the rest of its credit
  /// comes back.
  void settle(const choice& chosen, std::uint32_t delivered);

  /// Whether anybody with credit serves this queue.
  [[nodiscard]] bool wanted(std::string_view queue);

  /// Whether anybody with credit serves every queue.
  [[nodiscard]] bool any_wanted();

  /// The queues that a demand names; empty for every queue or no demand.
  [[nodiscard]] const std::vector<std::string>& queues_of(demand_id id) const;

private:
  struct demand {
    std::vector<std::string> queues;
    std::uint32_t credit = 0;
    bool once = false;
    /// A `once` demand whose choice is not settled.
    bool busy = false;
    /// Whether the demand stands in the ring of each of its queues (or, with
    /// no queues, in the ring of all: one element).
    std::vector<bool> in_ring;
  };

  using ring = std::deque<demand_id>;

  void enter_rings(demand_id id, demand& d);
  demand* front_of(ring& r, std::string_view queue);
  static std::size_t slot_of(const demand& d, std::string_view queue);
  void take(ring& r, std::string_view queue, std::uint64_t& available,
            std::vector<choice>& out);

  std::map<demand_id, demand> demands_;
  std::map<std::string, ring, std::less<>> rings_;
  ring any_;
};

} // namespace muster
