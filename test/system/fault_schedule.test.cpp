#include "fault_schedule.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <set>

using namespace muster;
using namespace muster::fault;

namespace {

schedule_options all_kinds(std::uint64_t seed) {
  schedule_options result;
  result.seed = seed;
  result.length = millis{600'000};
  for (std::size_t i = 0; i < fault_kinds; ++i)
    result.kinds.push_back(static_cast<fault_kind>(i));
  return result;
}

} // namespace

TEST_CASE("a schedule of faults depends on its seed and nothing else") {
  CHECK(plan_faults(all_kinds(1)) == plan_faults(all_kinds(1)));
  CHECK(plan_faults(all_kinds(1)) != plan_faults(all_kinds(2)));
}

TEST_CASE("a schedule has every kind, in time, and one at a time for a node") {
  auto options = all_kinds(7);
  auto faults = plan_faults(options);
  std::set<fault_kind> kinds;
  std::map<std::size_t, millis> free_at;
  std::set<std::size_t> workers;
  for (auto& each : faults) {
    kinds.insert(each.kind);
    auto node = is_for_manager(each.kind) ? options.workers : each.worker;
    workers.insert(node);
    CHECK(each.at > free_at[node]);
    free_at[node] = each.at + each.duration;
    CHECK(free_at[node] <= options.length);
  }
  CHECK(kinds.size() == fault_kinds);
  CHECK(workers.size() == options.workers + 1);
  CHECK(std::is_sorted(faults.begin(), faults.end(),
                       [](auto& x, auto& y) { return x.at < y.at; }));
}

TEST_CASE("a schedule keeps to the kinds that are asked for") {
  auto options = all_kinds(3);
  options.kinds = parse_kinds("stop_worker,move_manager");
  REQUIRE(options.kinds.size() == 2);
  for (auto& each : plan_faults(options))
    CHECK((each.kind == fault_kind::stop_worker
           || each.kind == fault_kind::move_manager));
  CHECK(parse_kinds("stop_worker,earthquake").empty());
}
