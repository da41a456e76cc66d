#include "actors/restart_policy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <deque>
#include <random>
#include <vector>

using namespace muster;
using std::chrono::seconds;

namespace {

using verdict = restart_policy::verdict;

constexpr auto permanent = restart_kind::permanent;
constexpr auto transient = restart_kind::transient;
constexpr auto temporary = restart_kind::temporary;

restart_policy::time_point at(millis since_start) {
  return restart_policy::time_point{} + std::chrono::hours{1} + since_start;
}

supervision_options without_jitter() {
  supervision_options result;
  result.backoff.jitter = 0;
  return result;
}

// One child and its policy.
struct fixture {
  explicit fixture(supervision_options options = without_jitter(),
                   restart_kind k = permanent)
    : policy(options), kind(k) {
    // nop
  }

  restart_policy::decision fail(millis when, double chance = 0.5) {
    return policy.on_end(kind, false, history, at(when), chance);
  }

  restart_policy policy;
  restart_kind kind;
  restart_policy::history history;
};

} // namespace

TEST_CASE("OTP: a child's kind says whether it is started again") {
  auto [kind, normal, expected] = GENERATE(table<restart_kind, bool, verdict>({
    {permanent, false, verdict::restart},
    {permanent, true, verdict::restart},
    {transient, false, verdict::restart},
    {transient, true, verdict::leave},
    {temporary, false, verdict::leave},
    {temporary, true, verdict::leave},
  }));
  restart_policy policy{without_jitter()};
  restart_policy::history history;
  CHECK(policy.on_end(kind, normal, history, at(millis{0}), 0.5).what
        == expected);
}

TEST_CASE("OTP: more restarts than the intensity within the period give up") {
  auto options = without_jitter();
  options.max_restarts = 3;
  options.period = seconds{10};
  fixture fix{options};
  for (int i = 0; i < 3; ++i)
    CHECK(fix.fail(seconds{i}).what == verdict::restart);
  CHECK(fix.fail(seconds{9}).what == verdict::give_up);
}

TEST_CASE("OTP: an intensity of 0 allows no restart") {
  auto options = without_jitter();
  options.max_restarts = 0;
  fixture fix{options};
  CHECK(fix.fail(millis{0}).what == verdict::give_up);
}

TEST_CASE("OTP: a restart counts until it is older than the period") {
  auto options = without_jitter();
  options.max_restarts = 1;
  options.period = seconds{10};
  fixture fix{options};
  for (int i = 0; i < 10; ++i)
    CHECK(fix.fail(millis{10'001 * i}).what == verdict::restart);
  fixture other{options};
  CHECK(other.fail(seconds{0}).what == verdict::restart);
  CHECK(other.fail(seconds{10}).what == verdict::give_up);
}

TEST_CASE("OTP: ends that need no restart do not count") {
  auto options = without_jitter();
  options.max_restarts = 0;
  restart_policy policy{options};
  restart_policy::history one;
  restart_policy::history two;
  auto now = at(millis{0});
  CHECK(policy.on_end(transient, true, one, now, 0.5).what == verdict::leave);
  CHECK(policy.on_end(temporary, false, two, now, 0.5).what == verdict::leave);
  CHECK(policy.on_end(transient, false, one, now, 0.5).what
        == verdict::give_up);
}

TEST_CASE("the pause grows with failures in a row up to its bound") {
  auto options = without_jitter();
  options.max_restarts = 100;
  options.backoff = {millis{50}, millis{1'000}, 2.0, 0};
  fixture fix{options};
  for (int pause : {50, 100, 200, 400, 800, 1'000, 1'000})
    CHECK(fix.fail(millis{0}).delay == millis{pause});
  // Of each child on its own.
  restart_policy::history other;
  CHECK(fix.policy.on_end(permanent, false, other, at(millis{0}), 0.5).delay
        == millis{50});
}

TEST_CASE("a child that ran quietly for long starts its row anew") {
  auto options = without_jitter();
  options.quiet = seconds{30};
  fixture fix{options};
  auto first = fix.fail(seconds{0}).delay;
  fix.history.up_since = at(seconds{1});
  CHECK(fix.fail(millis{30'999}).delay == 2 * first);
  fix.history.up_since = at(seconds{40});
  CHECK(fix.fail(seconds{70}).delay == first);
  // A child that never came up was not quiet.
  CHECK(fix.fail(seconds{200}).delay == 2 * first);
}

TEST_CASE("a quiet time counts, too, if a sibling's failure has ended it") {
  auto options = without_jitter();
  options.quiet = seconds{30};
  fixture fix{options};
  auto first = fix.fail(seconds{0}).delay;
  fix.history.up_since = at(seconds{1});
  fix.policy.on_stop(fix.history, at(seconds{31}));
  CHECK(!fix.history.up_since);
  CHECK(fix.fail(seconds{32}).delay == first);
}

TEST_CASE("chance spreads the pause either way") {
  auto options = without_jitter();
  options.backoff = {millis{1'000}, millis{1'000}, 2.0, 0.2};
  fixture fix{options};
  CHECK(fix.fail(millis{0}, 0.0).delay == millis{800});
  CHECK(fix.fail(millis{0}, 0.5).delay == millis{1'000});
  CHECK(fix.fail(millis{0}, 0.75).delay == millis{1'100});
}

TEST_CASE("whatever happens, the intensity is what it is defined to be") {
  auto seed = GENERATE(range(0u, 200u));
  CAPTURE(seed);
  std::minstd_rand random{seed + 1};
  auto pick = [&random](std::size_t n) { return random() % n; };
  supervision_options options;
  options.max_restarts = static_cast<std::uint32_t>(pick(5));
  options.period = seconds{1 + pick(20)};
  std::vector<restart_kind> kinds(1 + pick(6), permanent);
  for (auto& kind : kinds)
    kind = static_cast<restart_kind>(pick(3));
  std::vector<restart_policy::history> histories(kinds.size());
  restart_policy policy{options};
  std::deque<millis> restarts;
  auto now = millis{0};
  for (int event = 0; event < 100; ++event) {
    now += millis{pick(4'000)};
    auto child = pick(kinds.size());
    auto normal = pick(2) == 0;
    if (pick(2) == 0)
      histories[child].up_since = at(now);
    auto decision = policy.on_end(kinds[child], normal, histories[child],
                                  at(now), double(pick(100)) / 100);
    auto stays
      = kinds[child] == temporary || (kinds[child] == transient && normal);
    REQUIRE((decision.what == verdict::leave) == stays);
    if (stays)
      continue;
    // A model that is as simple as the definition.
    restarts.push_back(now);
    std::erase_if(restarts, [&](millis t) { return now - t > options.period; });
    REQUIRE((decision.what == verdict::give_up)
            == (restarts.size() > options.max_restarts));
    if (decision.what == verdict::give_up)
      break;
    REQUIRE(decision.delay <= options.backoff.max * 12 / 10);
  }
}
