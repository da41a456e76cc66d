#include "actors/supervision.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// A world of children that do what chance says, and a judge of what the
/// supervisor has done to them.
class world {
public:
  explicit world(unsigned seed) : random_(seed + 1), core_(make()) {
    REQUIRE(core_.check());
  }

  void live(int events) {
    run(core_.start(now_));
    for (int i = 0; i < events && !finished_; ++i) {
      pass_time(millis{pick(400)});
      one_event();
    }
  }

  /// Nothing fails any more: what is to run must run before long.
  void calm_down() {
    for (int i = 0; i < 100 && !finished_; ++i) {
      answer_all();
      pass_time(1s);
    }
    for (auto& child : core_.children()) {
      INFO(child.rules.id << " is " << state_of(child));
      CHECK((child.phase == child_phase::up || state_of(child) == "stopped"));
    }
  }

  void stop() {
    stopped_ = true;
    run(core_.stop(std::nullopt, now_));
    // Each takes its second and is killed, or is left after two more.
    for (int i = 0; i < 1'000 && !finished_; ++i)
      pass_time(100ms);
    CHECK(finished_);
  }

private:
  enum class condition { down, starting, up, asked, killed };

  struct living {
    condition is = condition::down;
    int starts = 0;
    supervision::time_point asked_at{};
  };

  std::size_t pick(std::size_t n) {
    return random_() % n;
  }

  child_rules some_rules(std::string id) {
    child_rules rules;
    rules.id = std::move(id);
    rules.restart = static_cast<restart_kind>(pick(3));
    rules.shutdown = pick(4) == 0 ? shutdown_rule::kill() : shutdown_rule{1s};
    rules.significant = options_.shutdown != auto_shutdown::never
                        && rules.restart != restart_kind::permanent
                        && pick(3) == 0;
    return rules;
  }

  supervision make() {
    options_.strategy = static_cast<restart_strategy>(pick(4));
    options_.max_restarts = static_cast<std::uint32_t>(pick(30));
    options_.period = millis{1'000 * (1 + pick(20))};
    options_.shutdown = static_cast<auto_shutdown>(pick(3));
    auto count = options_.strategy == restart_strategy::simple_one_for_one
                   ? 1
                   : 1 + pick(5);
    std::vector<child_rules> rules;
    for (std::size_t i = 0; i < count; ++i)
      rules.push_back(some_rules(std::string(1, static_cast<char>('a' + i))));
    return {options_, rules};
  }

  bool in_groups() const {
    return options_.strategy == restart_strategy::one_for_all
           || options_.strategy == restart_strategy::rest_for_one;
  }

  // -- what happens -----------------------------------------------------------

  void one_event() {
    auto& all = core_.children();
    if (all.empty() || pick(12) == 0)
      return change();
    auto& child = all[pick(all.size())];
    auto number = child.number;
    switch (bodies_[number].is) {
      case condition::starting:
        if (pick(8) == 0)
          return run(
            core_.on_start_refused(number, error{errc::timed_out}, now_));
        if (pick(4) == 0)
          return die(number,
                     pick(8) == 0 ? errc::store_corrupt : errc::io_error);
        bodies_[number].is = condition::up;
        return run(core_.on_up(number, now_));
      case condition::up:
        if (pick(3) == 0)
          die(number, pick(3) == 0 ? errc::none : errc::internal);
        return;
      case condition::asked:
      case condition::killed:
        return die(number, errc::none);
      case condition::down:
        return;
    }
  }

  void change() {
    auto& all = core_.children();
    auto id
      = all.empty() ? std::string{"none"} : all[pick(all.size())].rules.id;
    expected<supervision::change> result = fail_with(errc::none);
    switch (pick(4)) {
      case 0:
        result = core_.add(some_rules('x' + std::to_string(pick(1'000))), now_);
        break;
      case 1:
        by_hand_ = true;
        result = core_.terminate(id, now_);
        break;
      case 2:
        result = core_.restart(id, now_);
        break;
      default:
        result = core_.remove(id);
    }
    if (result)
      run(std::move(result->actions));
  }

  void die(child_number number, errc code) {
    auto& body = bodies_[number];
    auto was_starting = body.is == condition::starting;
    body.is = condition::down;
    auto chance = static_cast<double>(pick(100)) / 100;
    if (was_starting && code != errc::none)
      run(core_.on_start_failed(number, error{code}, now_, chance));
    else
      run(core_.on_end(number, code == errc::none, error{code}, now_, chance));
  }

  void answer_all() {
    for (auto& [number, body] : std::map{bodies_}) {
      if (body.is == condition::starting) {
        bodies_[number].is = condition::up;
        run(core_.on_up(number, now_));
      } else if (body.is == condition::asked || body.is == condition::killed) {
        die(number, errc::none);
      }
    }
  }

  void pass_time(millis time) {
    auto until = now_ + time;
    while (true) {
      auto next = core_.wake_at();
      if (!next || *next > until)
        break;
      // It must not ask to be woken in the past, for ever.
      REQUIRE(*next >= now_);
      auto before = now_;
      now_ = *next;
      run(core_.on_time(now_, 0.5));
      wakes_ = now_ == before ? wakes_ + 1 : 0;
      REQUIRE(wakes_ < 100);
    }
    now_ = until;
  }

  // -- what it does -----------------------------------------------------------

  void run(supervision_actions actions) {
    for (auto& action : actions) {
      INFO(action.index());
      REQUIRE(!finished_);
      std::visit([this](auto& act) { judge(act); }, action);
    }
  }

  std::size_t position(child_number number) const {
    auto& all = core_.children();
    auto pos = std::find_if(all.begin(), all.end(), [number](auto& child) {
      return child.number == number;
    });
    REQUIRE(pos != all.end());
    return static_cast<std::size_t>(pos - all.begin());
  }

  void judge(const todo::start& act) {
    REQUIRE(!stopped_);
    auto& body = bodies_[act.child];
    REQUIRE(body.is == condition::down);
    body.is = condition::starting;
    auto index = position(act.child);
    auto& rules = core_.children()[index].rules;
    if (rules.restart == restart_kind::temporary)
      REQUIRE(++body.starts == 1);
    if (!in_groups())
      return;
    for (std::size_t i = 0; i < index; ++i) {
      auto& earlier = core_.children()[i];
      REQUIRE(
        (earlier.phase == child_phase::up || state_of(earlier) == "stopped"));
    }
  }

  void judge(const todo::ask_to_end& act) {
    auto& body = bodies_[act.child];
    REQUIRE((body.is == condition::up || body.is == condition::starting));
    body.is = condition::asked;
    body.asked_at = now_;
    judge_order(act.child);
  }

  void judge(const todo::kill& act) {
    auto& body = bodies_[act.child];
    if (body.is == condition::asked) {
      REQUIRE(now_ - body.asked_at >= 1s);
    } else if (body.is != condition::starting) {
      REQUIRE(!shutdown_of(core_.children()[position(act.child)].rules).asks());
      judge_order(act.child);
    }
    body.is = condition::killed;
    body.asked_at = now_;
  }

  // The last started is stopped first, and those before it wait.
  void judge_order(child_number number) {
    auto ordered = options_.strategy != restart_strategy::simple_one_for_one
                   && (in_groups() || core_.ending());
    if (!in_groups() && !core_.ending())
      REQUIRE(by_hand_);
    if (!ordered || by_hand_)
      return;
    auto& all = core_.children();
    for (auto i = position(number) + 1; i < all.size(); ++i)
      REQUIRE(all[i].phase == child_phase::down);
  }

  void judge(const todo::abandon& act) {
    auto& body = bodies_[act.child];
    REQUIRE(body.is == condition::killed);
    REQUIRE(now_ - body.asked_at >= 2s);
    body.is = condition::down;
  }

  void judge(const todo::forget& act) {
    REQUIRE(bodies_[act.child].is == condition::down);
    bodies_.erase(act.child);
  }

  void judge(const todo::announce_start&) {
    REQUIRE(!std::exchange(announced_, true));
  }

  void judge(const todo::finish&) {
    finished_ = true;
    for (auto& [number, body] : bodies_)
      REQUIRE(body.is == condition::down);
  }

  void judge(const supervision_report& report) {
    if (report.what != supervision_report::kind::restarting)
      return;
    restarts_.push_back(now_);
    std::erase_if(restarts_,
                  [this](auto when) { return now_ - when > options_.period; });
    REQUIRE(restarts_.size() <= options_.max_restarts);
  }

  std::minstd_rand random_;
  supervision_options options_;
  supervision core_;
  supervision::time_point now_{1h};
  std::map<child_number, living> bodies_;
  std::deque<supervision::time_point> restarts_;
  int wakes_ = 0;
  bool stopped_ = false;
  /// Some child was terminated by hand, which keeps to no order.
  bool by_hand_ = false;
  bool announced_ = false;
  bool finished_ = false;
};

} // namespace

TEST_CASE("whatever happens to children, a supervisor keeps to its rules") {
  auto seed = GENERATE(range(0u, 1'000u));
  CAPTURE(seed);
  world model{seed};
  model.live(200);
  model.calm_down();
  model.stop();
}
