#include "fault_schedule.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace muster::fault {

namespace {

constexpr std::array<std::string_view, fault_kinds> names{
  "kill_worker",  "restart_worker", "stop_worker",      "fill_disk",
  "cut_link",     "cut_to_manager", "cut_from_manager", "slow_link",
  "kill_manager", "move_manager",   "stop_manager"};

class planner {
public:
  explicit planner(const schedule_options& options)
    : options_(options), random_(options.seed) {
    // nop
  }

  /// All faults of one worker or of the manager, one after the other.
  void plan(std::size_t worker, bool manager) {
    std::vector<fault_kind> kinds;
    for (auto kind : options_.kinds)
      if (is_for_manager(kind) == manager)
        kinds.push_back(kind);
    if (kinds.empty())
      return;
    auto time = pause();
    while (true) {
      planned_fault next;
      next.kind = kinds[below(kinds.size())];
      next.worker = worker;
      next.at = time;
      next.duration = duration_of(next.kind);
      if (next.at + next.duration > options_.length)
        return;
      result.push_back(next);
      time = next.at + next.duration + pause();
    }
  }

  std::vector<planned_fault> result;

private:
  // The same on every machine, other than the standard's distributions.
  std::uint64_t below(std::uint64_t bound) {
    return random_() % bound;
  }

  millis between(millis low, millis high) {
    return low
           + millis{static_cast<std::int64_t>(
             below(static_cast<std::uint64_t>((high - low).count() + 1)))};
  }

  millis pause() {
    return between(millis{1}, 2 * options_.mean_pause);
  }

  millis duration_of(fault_kind kind) {
    switch (kind) {
      case fault_kind::kill_worker:
      case fault_kind::restart_worker:
      case fault_kind::kill_manager:
      case fault_kind::move_manager:
        return between(millis{0}, millis{1'500});
      default:
        break;
    }
    switch (below(3)) {
      case 0:
        return between(millis{20}, options_.node_timeout / 2);
      case 1:
        return between(options_.node_timeout / 2, 2 * options_.node_timeout);
      default:
        return between(options_.lease_ttl, 2 * options_.lease_ttl);
    }
  }

  const schedule_options& options_;
  std::mt19937_64 random_;
};

} // namespace

std::string_view to_string(fault_kind kind) noexcept {
  return names.at(static_cast<std::size_t>(kind));
}

std::vector<fault_kind> parse_kinds(std::string_view text) {
  std::vector<fault_kind> result;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    auto found = std::find(names.begin(), names.end(), text.substr(0, end));
    if (found == names.end())
      return {};
    result.push_back(static_cast<fault_kind>(found - names.begin()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

bool is_for_manager(fault_kind kind) noexcept {
  return kind >= fault_kind::kill_manager;
}

bool needs_network(fault_kind kind) noexcept {
  return kind >= fault_kind::cut_link && kind <= fault_kind::slow_link;
}

std::vector<planned_fault> plan_faults(const schedule_options& options) {
  planner all{options};
  all.plan(0, true);
  for (std::size_t i = 0; i < options.workers; ++i)
    all.plan(i, false);
  std::stable_sort(all.result.begin(), all.result.end(),
                   [](auto& x, auto& y) { return x.at < y.at; });
  return std::move(all.result);
}

} // namespace muster::fault
