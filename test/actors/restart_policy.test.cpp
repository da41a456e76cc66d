#include "actors/restart_policy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <deque>
#include <random>

using namespace muster;
using std::chrono::seconds;

namespace {

using kinds = std::vector<restart_kind>;
using indexes = std::vector<std::size_t>;
using verdict = restart_policy::verdict;

constexpr auto permanent = restart_kind::permanent;
constexpr auto transient = restart_kind::transient;
constexpr auto temporary = restart_kind::temporary;

restart_policy::time_point at(millis since_start) {
  return restart_policy::time_point{} + std::chrono::hours{1} + since_start;
}

supervision_options with(restart_strategy strategy) {
  supervision_options result;
  result.strategy = strategy;
  result.backoff.jitter = 0;
  return result;
}

} // namespace

TEST_CASE("the strategy says who is stopped and started") {
  auto [strategy, stop, start]
    = GENERATE(table<restart_strategy, indexes, indexes>({
      {restart_strategy::one_for_one, {}, {1}},
      {restart_strategy::one_for_all, {3, 2, 0}, {0, 1, 2, 3}},
      {restart_strategy::rest_for_one, {3, 2}, {1, 2, 3}},
    }));
  CAPTURE(to_string(strategy));
  restart_policy policy{with(strategy), kinds(4, permanent)};
  auto decision = policy.on_end(1, false, at(millis{0}), 0.5);
  CHECK(decision.what == verdict::restart);
  CHECK(decision.stop == stop);
  CHECK(decision.start == start);
}

TEST_CASE("a child's kind says whether it is started again") {
  auto [kind, normal, expected] = GENERATE(table<restart_kind, bool, verdict>({
    {permanent, false, verdict::restart},
    {permanent, true, verdict::restart},
    {transient, false, verdict::restart},
    {transient, true, verdict::leave},
    {temporary, false, verdict::leave},
    {temporary, true, verdict::leave},
  }));
  restart_policy policy{with(restart_strategy::one_for_all), {kind, permanent}};
  CHECK(policy.on_end(0, normal, at(millis{0}), 0.5).what == expected);
}

TEST_CASE("a temporary child is stopped with its siblings, but not started") {
  restart_policy policy{with(restart_strategy::one_for_all),
                        {permanent, temporary, transient}};
  auto decision = policy.on_end(0, false, at(millis{0}), 0.5);
  CHECK(decision.stop == indexes{2, 1});
  CHECK(decision.start == indexes{0, 2});
}

TEST_CASE("more restarts than the intensity allows are given up") {
  auto options = with(restart_strategy::one_for_all);
  options.max_restarts = 3;
  options.period = seconds{10};
  restart_policy policy{options, kinds(5, permanent)};
  // One event counts once, however many children it concerns.
  for (int i = 0; i < 3; ++i)
    CHECK(policy.on_end(0, false, at(seconds{i}), 0.5).what
          == verdict::restart);
  auto decision = policy.on_end(4, false, at(seconds{9}), 0.5);
  CHECK(decision.what == verdict::give_up);
  CHECK(decision.start.empty());
}

TEST_CASE("restarts beyond the period are forgotten") {
  auto options = with(restart_strategy::one_for_one);
  options.max_restarts = 1;
  options.period = seconds{10};
  restart_policy policy{options, kinds(1, permanent)};
  for (int i = 0; i < 10; ++i)
    CHECK(policy.on_end(0, false, at(seconds{10 * i}), 0.5).what
          == verdict::restart);
  CHECK(policy.on_end(0, false, at(millis{99'999}), 0.5).what
        == verdict::give_up);
}

TEST_CASE("ends that are no failure do not count") {
  auto options = with(restart_strategy::one_for_one);
  options.max_restarts = 0;
  restart_policy policy{options, {transient, temporary}};
  CHECK(policy.on_end(0, true, at(millis{0}), 0.5).what == verdict::leave);
  CHECK(policy.on_end(1, false, at(millis{1}), 0.5).what == verdict::leave);
  CHECK(policy.on_end(0, false, at(millis{2}), 0.5).what == verdict::give_up);
}

TEST_CASE("the pause grows with failures in a row up to its bound") {
  auto options = with(restart_strategy::one_for_one);
  options.max_restarts = 100;
  options.backoff = {millis{50}, millis{1'000}, 2.0, 0};
  restart_policy policy{options, kinds(2, permanent)};
  for (int pause : {50, 100, 200, 400, 800, 1'000, 1'000})
    CHECK(policy.on_end(0, false, at(millis{0}), 0.5).delay == millis{pause});
  // Of each child on its own.
  CHECK(policy.on_end(1, false, at(millis{0}), 0.5).delay == millis{50});
}

TEST_CASE("a child that ran quietly for long starts its row anew") {
  auto options = with(restart_strategy::one_for_one);
  options.quiet = seconds{30};
  restart_policy policy{options, kinds(1, permanent)};
  auto first = policy.on_end(0, false, at(seconds{0}), 0.5).delay;
  policy.on_start(0, at(seconds{1}));
  CHECK(policy.on_end(0, false, at(millis{30'999}), 0.5).delay == 2 * first);
  policy.on_start(0, at(seconds{40}));
  CHECK(policy.on_end(0, false, at(seconds{70}), 0.5).delay == first);
  // A child that never came up was not quiet.
  CHECK(policy.on_end(0, false, at(seconds{200}), 0.5).delay == 2 * first);
}

TEST_CASE("chance spreads the pause either way") {
  auto options = with(restart_strategy::one_for_one);
  options.backoff = {millis{1'000}, millis{1'000}, 2.0, 0.2};
  options.max_restarts = 10;
  restart_policy policy{options, kinds(1, permanent)};
  CHECK(policy.on_end(0, false, at(millis{0}), 0.0).delay == millis{800});
  CHECK(policy.on_end(0, false, at(millis{0}), 0.5).delay == millis{1'000});
  CHECK(policy.on_end(0, false, at(millis{0}), 0.75).delay == millis{1'100});
}

TEST_CASE("whatever happens, the rules of restarting hold") {
  auto seed = GENERATE(range(0u, 200u));
  CAPTURE(seed);
  std::minstd_rand random{seed + 1};
  auto pick = [&random](std::size_t n) { return random() % n; };
  supervision_options options;
  options.strategy = static_cast<restart_strategy>(pick(3));
  options.max_restarts = static_cast<std::uint32_t>(pick(5));
  options.period = seconds{1 + pick(20)};
  kinds all(1 + pick(6), permanent);
  for (auto& kind : all)
    kind = static_cast<restart_kind>(pick(3));
  restart_policy policy{options, all};
  std::deque<millis> restarts;
  auto now = millis{0};
  for (int event = 0; event < 100; ++event) {
    now += millis{pick(4'000)};
    auto child = pick(all.size());
    auto normal = pick(2) == 0;
    if (pick(2) == 0)
      policy.on_start(child, at(now));
    auto decision
      = policy.on_end(child, normal, at(now), double(pick(100)) / 100);
    auto stays = all[child] == temporary || (all[child] == transient && normal);
    REQUIRE((decision.what == verdict::leave) == stays);
    if (stays)
      continue;
    // A model of the intensity that is as simple as its definition.
    restarts.push_back(now);
    std::erase_if(restarts,
                  [&](millis t) { return now - t >= options.period; });
    REQUIRE((decision.what == verdict::give_up)
            == (restarts.size() > options.max_restarts));
    if (decision.what == verdict::give_up)
      break;
    REQUIRE(std::is_sorted(decision.start.begin(), decision.start.end()));
    REQUIRE(std::is_sorted(decision.stop.rbegin(), decision.stop.rend()));
    REQUIRE(std::count(decision.stop.begin(), decision.stop.end(), child) == 0);
    for (auto i : decision.start) {
      REQUIRE(all[i] != temporary);
      if (i != child)
        REQUIRE(std::count(decision.stop.begin(), decision.stop.end(), i) == 1);
    }
    REQUIRE(decision.delay <= options.backoff.max * 12 / 10);
  }
}
