#include "actors/supervision.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

/// How long a killed child may take before it is left to itself.
constexpr millis kill_limit{2'000};

bool is_down(const supervised_child& child) noexcept {
  return child.phase == child_phase::down;
}

bool is_active(const supervised_child& child) noexcept {
  return child.phase == child_phase::starting || child.phase == child_phase::up;
}

/// Errors that stay until somebody does something about them.
bool is_hopeless(errc code) noexcept {
  return is_fatal(code) && code != errc::internal;
}

} // namespace

std::string_view state_of(const supervised_child& child) noexcept {
  switch (child.phase) {
    case child_phase::starting:
      return "starting";
    case child_phase::up:
      return "running";
    case child_phase::ending:
      return "stopping";
    case child_phase::down:
      break;
  }
  return child.due ? "waiting" : "stopped";
}

supervision::supervision(supervision_options options,
                         std::vector<child_rules> children)
  : options_(options), policy_(options) {
  if (is_simple() && !children.empty()) {
    model_ = children.front();
    return;
  }
  for (auto& rules : children)
    put(std::move(rules));
}

bool supervision::is_simple() const noexcept {
  return options_.strategy == restart_strategy::simple_one_for_one;
}

bool supervision::restarts_groups() const noexcept {
  return options_.strategy == restart_strategy::one_for_all
         || options_.strategy == restart_strategy::rest_for_one;
}

// -- starting -----------------------------------------------------------------

supervision_actions supervision::start(time_point now) {
  if (!std::exchange(begun_, true) && !ending_)
    for (auto& child : children_)
      child.due = now;
  go_on(now);
  return take();
}

supervision_actions supervision::on_up(child_number number, time_point now) {
  auto* child = get(number);
  if (!child || child->phase != child_phase::starting)
    return {};
  child->phase = child_phase::up;
  child->settled = true;
  child->history.up_since = now;
  report(kind::started, *child);
  go_on(now);
  return take();
}

supervision_actions supervision::on_start_failed(child_number number,
                                                 const error& reason,
                                                 time_point now,
                                                 double chance) {
  auto* child = get(number);
  if (!child || child->phase != child_phase::starting)
    return {};
  start_failed(*child, reason, now, chance);
  go_on(now);
  return take();
}

supervision_actions supervision::on_start_refused(child_number number,
                                                  const error& reason,
                                                  time_point now) {
  auto* child = get(number);
  if (!child || child->phase != child_phase::starting)
    return {};
  child->start_failure = reason;
  child->phase = child_phase::ending;
  child->killed = true;
  child->limit = now + kill_limit;
  actions_.push_back(todo::kill{number});
  go_on(now);
  return take();
}

void supervision::start_failed(supervised_child& child, const error& reason,
                               time_point now, double chance) {
  using cause = supervised_child::start_cause;
  child.phase = child_phase::down;
  child.limit.reset();
  child.start_failure.reset();
  child.last_error = reason.message;
  report(kind::start_failed, child, reason.message);
  auto stopped_anyway = std::exchange(child.unwanted, false);
  if (ending_ || stopped_anyway)
    return;
  if (child.cause == cause::first)
    stop_all(reason);
  else if (child.cause == cause::restart)
    restart_or_give_up(child, false, reason, now, chance);
}

// Starts what is due, in order where the order matters: at first, and where
// children are restarted together.
void supervision::start_due(time_point now) {
  auto in_order = !complete_ || restarts_groups();
  auto to_end = [](const supervised_child& child) {
    return child.unwanted || child.phase == child_phase::ending;
  };
  if (in_order && std::any_of(children_.begin(), children_.end(), to_end))
    return;
  for (auto& child : children_) {
    if (is_down(child) && child.due && *child.due <= now) {
      child.due.reset();
      child.phase = child_phase::starting;
      actions_.push_back(todo::start{child.number});
    }
    if (in_order && (child.due || child.phase == child_phase::starting))
      return;
  }
  auto settled = [](const supervised_child& child) { return child.settled; };
  if (begun_ && !complete_
      && std::all_of(children_.begin(), children_.end(), settled)) {
    complete_ = true;
    actions_.push_back(todo::announce_start{});
  }
}

// -- ending -------------------------------------------------------------------

supervision_actions supervision::on_end(child_number number, bool normal,
                                        const error& reason, time_point now,
                                        double chance) {
  auto* child = get(number);
  if (!child || is_down(*child))
    return {};
  if (child->phase == child_phase::starting)
    return on_start_failed(
      number,
      normal ? error{errc::unavailable, "it ended before it was up"} : reason,
      now, chance);
  if (auto why = child->start_failure) {
    start_failed(*child, *why, now, chance);
    go_on(now);
    return take();
  }
  auto by_itself = child->phase == child_phase::up && !child->unwanted;
  child->phase = child_phase::down;
  child->unwanted = false;
  child->limit.reset();
  if (by_itself) {
    ended_by_itself(*child, normal, reason, now, chance);
  } else {
    policy_.on_stop(child->history, now);
    report(kind::stopped, *child,
           normal || child->killed ? std::string{} : reason.message);
  }
  go_on(now);
  return take();
}

void supervision::ended_by_itself(supervised_child& child, bool normal,
                                  const error& reason, time_point now,
                                  double chance) {
  if (!normal)
    child.last_error = reason.message;
  report(normal ? kind::ended : kind::failed, child,
         normal ? std::string{} : reason.message);
  restart_or_give_up(child, normal, reason, now, chance);
}

void supervision::restart_or_give_up(supervised_child& child, bool normal,
                                     const error& reason, time_point now,
                                     double chance) {
  using cause = supervised_child::start_cause;
  // Of a restart that failed in the same way the next would, too.
  if (child.cause == cause::restart && !child.history.up_since
      && is_hopeless(reason.code))
    return stop_all(reason);
  auto decision
    = policy_.on_end(child.rules.restart, normal, child.history, now, chance);
  switch (decision.what) {
    case restart_policy::verdict::leave:
      return check_auto_shutdown(child);
    case restart_policy::verdict::give_up:
      return stop_all(
        error{errc::unavailable,
              child.rules.id + " fails too often: " + reason.message});
    case restart_policy::verdict::restart:
      restart_group_of(child, now + decision.delay);
      report(kind::restarting, child, reason.message, decision.delay);
  }
}

void supervision::restart_group_of(const supervised_child& ended,
                                   time_point due) {
  auto position = &ended - children_.data();
  auto is_concerned = [&](std::ptrdiff_t other) {
    switch (options_.strategy) {
      case restart_strategy::one_for_all:
        return true;
      case restart_strategy::rest_for_one:
        return other >= position;
      default:
        return other == position;
    }
  };
  for (std::ptrdiff_t i = 0; i < std::ssize(children_); ++i) {
    auto& child = children_[static_cast<std::size_t>(i)];
    if (!is_concerned(i))
      continue;
    child.unwanted = is_active(child);
    if (child.rules.restart == restart_kind::temporary)
      continue;
    child.due = due;
    child.cause = supervised_child::start_cause::restart;
    ++child.restarts;
  }
}

void supervision::check_auto_shutdown(const supervised_child& ended) {
  if (!ended.rules.significant || options_.shutdown == auto_shutdown::never)
    return;
  auto is_left = [](const supervised_child& child) {
    return child.rules.significant && (!is_down(child) || child.due);
  };
  if (options_.shutdown == auto_shutdown::all_significant
      && std::any_of(children_.begin(), children_.end(), is_left))
    return;
  report(kind::auto_shutdown, ended);
  stop_all(std::nullopt);
}

supervision_actions supervision::stop(std::optional<error> reason,
                                      time_point now) {
  stop_all(std::move(reason));
  go_on(now);
  return take();
}

void supervision::stop_all(std::optional<error> reason) {
  if (std::exchange(ending_, true))
    return;
  failure_ = std::move(reason);
  if (failure_)
    actions_.push_back(
      supervision_report{kind::gave_up, {}, failure_->message, 0, {}});
  for (auto& child : children_) {
    child.due.reset();
    child.unwanted = is_active(child);
  }
}

// In reverse order, one after the other, where the order matters.
void supervision::stop_unwanted(time_point now) {
  auto one_by_one = !is_simple() && (ending_ || restarts_groups());
  for (auto pos = children_.rbegin(); pos != children_.rend(); ++pos) {
    if (std::exchange(pos->unwanted, false))
      end(*pos, now);
    if (one_by_one && pos->phase == child_phase::ending)
      return;
  }
}

void supervision::end(supervised_child& child, time_point now) {
  auto rule = shutdown_of(child.rules);
  child.phase = child_phase::ending;
  child.killed = !rule.asks();
  child.limit.reset();
  if (child.killed) {
    child.limit = now + kill_limit;
    actions_.push_back(todo::kill{child.number});
    return;
  }
  if (rule.limit())
    child.limit = now + *rule.limit();
  actions_.push_back(todo::ask_to_end{child.number});
}

// -- time ---------------------------------------------------------------------

supervision_actions supervision::on_time(time_point now, double chance) {
  check_limits(now, chance);
  go_on(now);
  return take();
}

void supervision::check_limits(time_point now, double chance) {
  for (auto& child : children_) {
    if (child.phase != child_phase::ending || !child.limit
        || *child.limit > now)
      continue;
    if (!std::exchange(child.killed, true)) {
      child.limit = now + kill_limit;
      report(kind::killed, child);
      actions_.push_back(todo::kill{child.number});
      continue;
    }
    child.limit.reset();
    child.phase = child_phase::down;
    report(kind::abandoned, child);
    actions_.push_back(todo::abandon{child.number});
    if (auto why = child.start_failure)
      start_failed(child, *why, now, chance);
  }
}

std::optional<supervision::time_point> supervision::wake_at() const {
  std::optional<time_point> result;
  auto consider = [&result](time_point when) {
    result = result ? std::min(*result, when) : when;
  };
  for (auto& child : children_) {
    if (child.phase == child_phase::ending && child.limit)
      consider(*child.limit);
    // What is due already waits for something else than time.
    if (child.due && *child.due > now_)
      consider(*child.due);
  }
  return result;
}

// -- what follows from it -----------------------------------------------------

void supervision::go_on(time_point now) {
  now_ = now;
  if (finished_)
    return;
  stop_unwanted(now);
  if (!ending_) {
    start_due(now);
    forget_gone();
  } else if (std::all_of(children_.begin(), children_.end(), is_down)) {
    finished_ = true;
    actions_.push_back(todo::finish{failure_.value_or(error{})});
  }
}

// Those that nothing can bring back.
void supervision::forget_gone() {
  std::erase_if(children_, [this](const supervised_child& child) {
    using cause = supervised_child::start_cause;
    auto one_time = child.rules.restart == restart_kind::temporary
                    || is_simple()
                    || (child.cause == cause::added && !child.settled);
    auto gone = begun_ && one_time && is_down(child) && !child.due;
    if (gone)
      actions_.push_back(todo::forget{child.number});
    return gone;
  });
}

supervised_child* supervision::get(child_number number) {
  for (auto& child : children_)
    if (child.number == number)
      return &child;
  return nullptr;
}

const supervised_child* supervision::find(child_number number) const {
  for (auto& child : children_)
    if (child.number == number)
      return &child;
  return nullptr;
}

const supervised_child* supervision::find(std::string_view id) const {
  for (auto& child : children_)
    if (child.rules.id == id)
      return &child;
  return nullptr;
}

void supervision::report(kind what, const supervised_child& child,
                         std::string reason, millis delay) {
  actions_.push_back(supervision_report{what, child.rules.id, std::move(reason),
                                        child.restarts, delay});
}

supervision_actions supervision::take() {
  return std::exchange(actions_, {});
}

} // namespace muster
