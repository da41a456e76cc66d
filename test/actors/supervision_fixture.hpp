#pragma once

#include "actors/supervision.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// What a test wants of a child.
struct child_script {
  /// Starts that fail, from the first; `none` succeeds, and so do those after.
  std::vector<errc> starts;
  /// Does not answer when it is started.
  bool mute = false;
  /// Does not end when asked to.
  bool deaf = false;
  /// Does not even end when killed.
  bool immortal = false;
};

/// Carries out what a supervision decides, at once and on paper, under a clock
/// that only the test moves.
class supervision_stage {
public:
  using trace = std::vector<std::string>;

  static supervision_options options(restart_strategy strategy
                                     = restart_strategy::one_for_one) {
    supervision_options result;
    result.strategy = strategy;
    result.backoff = {millis{100}, millis{10'000}, 2.0, 0};
    return result;
  }

  static child_rules child(std::string id,
                           restart_kind kind = restart_kind::permanent) {
    child_rules result;
    result.id = std::move(id);
    result.restart = kind;
    result.shutdown = millis{1'000};
    return result;
  }

  static std::vector<child_rules>
  children(const std::vector<std::string>& ids) {
    std::vector<child_rules> result;
    for (auto& id : ids)
      result.push_back(child(id));
    return result;
  }

  supervision_stage(supervision_options opts, std::vector<child_rules> rules)
    : core{opts, std::move(rules)} {
    // nop
  }

  void start() {
    run(core.start(now));
  }

  void stop() {
    run(core.stop(std::nullopt, now));
  }

  /// The child ends by itself.
  void end(const std::string& id, bool normal = false,
           errc code = errc::internal) {
    auto reason = normal ? error{} : error{code};
    run(core.on_end(number_of(id), normal, reason, now, 0.5));
  }

  void advance(millis time) {
    auto until = now + time;
    while (true) {
      auto next = core.wake_at();
      if (!next || *next > until)
        break;
      now = std::max(now, *next);
      run(core.on_time(now, 0.5));
    }
    now = until;
  }

  [[nodiscard]] child_number number_of(const std::string& id) const {
    auto* found = core.find(id);
    return found ? found->number : child_number{};
  }

  /// Empty if there is no such child.
  [[nodiscard]] std::string state(const std::string& id) const {
    auto* found = core.find(id);
    return found ? std::string{state_of(*found)} : std::string{};
  }

  /// What was carried out since the last call, such as `start a`.
  trace happened() {
    return std::exchange(trace_, {});
  }

  /// In order: what follows from an action comes behind what waits already.
  void run(supervision_actions actions) {
    for (auto& each : core.children())
      names_[each.number] = each.rules.id;
    for (auto& action : actions)
      waiting_.push_back(std::move(action));
    if (std::exchange(busy_, true))
      return;
    while (!waiting_.empty()) {
      auto action = std::move(waiting_.front());
      waiting_.pop_front();
      std::visit([this](auto& act) { carry_out(act); }, action);
    }
    busy_ = false;
  }

  /// Changes the children while they run; empty if that was done.
  std::string change(expected<supervision::change> result) {
    if (!result)
      return result.error().message;
    run(std::move(result->actions));
    return {};
  }

  supervision core;
  supervision::time_point now{std::chrono::hours{1}};
  std::map<std::string, child_script> scripts;
  std::vector<supervision_report> reports;
  bool announced = false;
  bool finished = false;
  std::optional<error> failure;

private:
  std::string id_of(child_number number) const {
    return names_.at(number);
  }

  void carry_out(const todo::start& act) {
    auto id = id_of(act.child);
    trace_.push_back("start " + id);
    auto& script = scripts[id];
    if (script.mute)
      return;
    auto code = errc::none;
    if (!script.starts.empty()) {
      code = script.starts.front();
      script.starts.erase(script.starts.begin());
    }
    if (code == errc::none)
      run(core.on_up(act.child, now));
    else
      run(core.on_start_failed(act.child, error{code}, now, 0.5));
  }

  void carry_out(const todo::ask_to_end& act) {
    trace_.push_back("end " + id_of(act.child));
    auto& script = scripts[id_of(act.child)];
    if (!script.deaf && !script.immortal)
      run(core.on_end(act.child, true, {}, now, 0.5));
  }

  void carry_out(const todo::kill& act) {
    trace_.push_back("kill " + id_of(act.child));
    if (!scripts[id_of(act.child)].immortal)
      run(core.on_end(act.child, false, error{errc::internal}, now, 0.5));
  }

  void carry_out(const todo::abandon& act) {
    trace_.push_back("abandon " + id_of(act.child));
  }

  void carry_out(const todo::forget& act) {
    trace_.push_back("forget " + id_of(act.child));
  }

  void carry_out(const todo::announce_start&) {
    announced = true;
  }

  void carry_out(const todo::finish& act) {
    trace_.push_back("finish");
    finished = true;
    if (act.failure.code != errc::none)
      failure = act.failure;
  }

  void carry_out(const supervision_report& report) {
    reports.push_back(report);
  }

  std::map<child_number, std::string> names_;
  std::deque<supervision_action> waiting_;
  bool busy_ = false;
  trace trace_;
};

} // namespace muster::test
