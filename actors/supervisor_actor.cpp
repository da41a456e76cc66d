#include "actors/supervisor_actor.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster {

namespace {

/// How long a killed child may take before it is left to itself.
constexpr millis kill_limit{2'000};

std::vector<restart_kind>
kinds_of(const std::vector<child_specification>& specs) {
  std::vector<restart_kind> result;
  result.reserve(specs.size());
  for (auto& spec : specs)
    result.push_back(spec.restart);
  return result;
}

// No exception may leave it: it would end the supervisor.
expected<caf::actor> make_child(const child_specification& spec,
                                caf::actor_system& system) {
  try {
    return spec.start(system);
  } catch (const std::exception& ex) {
    return fail_with(errc::unavailable, ex.what());
  }
}

// Errors that stay until somebody does something about them.
bool is_hopeless(errc code) noexcept {
  return is_fatal(code) && code != errc::internal;
}

} // namespace

supervisor_state::supervisor_state(caf::event_based_actor* self,
                                   supervisor_options options)
  : self_(self),
    options_(std::move(options)),
    policy_(options_.supervision, kinds_of(options_.children)),
    chance_(std::random_device{}()) {
  for (auto& spec : options_.children) {
    children_.push_back({});
    children_.back().spec = std::move(spec);
  }
  publish();
}

caf::behavior supervisor_state::make_behavior() {
  ignore_strangers(self_);
  on_down(self_, [this](const caf::actor_addr& who, const caf::error& reason) {
    on_child_down(who, reason);
  });
  on_exit_request(self_, [this](const caf::error& reason) {
    stop_all(is_normal_end(reason) ? std::optional<error>{} : from_caf(reason));
  });
  return {
    [this](start_children) -> caf::result<void> {
      started_ = self_->make_response_promise();
      auto promise = started_;
      for (auto& c : children_)
        c.wanted = true;
      go_on();
      return promise;
    },
    [this](stop_children) { stop_all(std::nullopt); },
    [this](restart_due msg) {
      for (auto& c : children_)
        if (c.pause == msg.number)
          c.pause = 0;
      go_on();
    },
    [this](clock_tick msg) { on_stop_limit(msg.number); },
  };
}

void supervisor_state::go_on() {
  if (!stop_next())
    return;
  if (ending_)
    finish();
  else
    start_next();
}

// -- starting -----------------------------------------------------------------

void supervisor_state::start_next() {
  auto in_order
    = !complete_
      || options_.supervision.strategy != restart_strategy::one_for_one;
  for (std::size_t i = 0; i < children_.size() && !ending_; ++i) {
    auto& c = children_[i];
    if (c.phase == child_phase::down && c.wanted && c.pause == 0)
      start(i);
    if (in_order && c.phase == child_phase::starting)
      return;
  }
  auto is_done = [](const child& c) { return c.phase == child_phase::up; };
  if (complete_ || !std::all_of(children_.begin(), children_.end(), is_done))
    return;
  complete_ = true;
  if (started_.pending())
    started_.deliver();
}

void supervisor_state::start(std::size_t index) {
  auto& c = children_[index];
  auto made = make_child(c.spec, self_->system());
  c.step = ++last_number_;
  c.wanted = false;
  enter(c, child_phase::starting);
  if (!made)
    return on_start_failed(index, made.error());
  c.handle = std::move(*made);
  watch(self_, c.handle);
  ask(
    self_, c.handle, c.spec.start_limit, start_child{},
    [this, index, step = c.step] {
      if (children_[index].step == step)
        on_started(index);
    },
    [this, index, step = c.step](const caf::error& reason) {
      if (children_[index].step == step)
        on_start_failed(index, from_caf(reason));
    });
}

void supervisor_state::on_started(std::size_t index) {
  auto& c = children_[index];
  if (c.phase != child_phase::starting)
    return;
  options_.directory->put(c.spec.id, c.handle);
  policy_.on_start(index, now());
  enter(c, child_phase::up);
  log(node_event::severity::info, c.spec.id + " is up");
  go_on();
}

void supervisor_state::on_start_failed(std::size_t index, const error& reason) {
  auto& c = children_[index];
  if (c.phase != child_phase::starting)
    return;
  if (c.handle) {
    unwatch(self_, c.handle);
    ask_to_end(c.handle, caf::exit_reason::kill);
    c.handle = nullptr;
  }
  c.last_error = reason.message;
  enter(c, child_phase::down);
  log(node_event::severity::error,
      c.spec.id + " could not be started: " + reason.message);
  if (!complete_ || is_hopeless(reason.code))
    stop_all(reason);
  else
    on_child_end(index, false, reason);
}

// -- ending -------------------------------------------------------------------

void supervisor_state::on_child_down(const caf::actor_addr& who,
                                     const caf::error& reason) {
  auto pos
    = std::find_if(children_.begin(), children_.end(), [&who](const child& c) {
        return c.handle && c.handle.address() == who;
      });
  if (pos == children_.end())
    return;
  auto index = static_cast<std::size_t>(pos - children_.begin());
  auto before = pos->phase;
  auto err = from_caf(reason);
  pos->handle = nullptr;
  options_.directory->put(pos->spec.id, nullptr);
  if (before == child_phase::starting)
    return on_start_failed(index, err);
  enter(*pos, child_phase::down);
  if (before == child_phase::stopping)
    return go_on();
  pos->last_error = err.message;
  auto normal = is_normal_end(reason);
  log(normal ? node_event::severity::info : node_event::severity::error,
      pos->spec.id + " ended: " + (normal ? "normally" : err.message));
  on_child_end(index, normal, err);
}

void supervisor_state::on_child_end(std::size_t index, bool normal,
                                    const error& reason) {
  auto chance = std::uniform_real_distribution<double>{}(chance_);
  auto decision = policy_.on_end(index, normal, now(), chance);
  auto& id = children_[index].spec.id;
  if (decision.what == restart_policy::verdict::leave)
    return go_on();
  if (decision.what == restart_policy::verdict::give_up)
    return stop_all(
      error{errc::unavailable, id + " fails too often: " + reason.message});
  for (auto i : decision.stop)
    children_[i].unwanted = true;
  auto pause = ++last_number_;
  for (auto i : decision.start) {
    children_[i].wanted = true;
    children_[i].pause = pause;
    ++children_[i].restarts;
  }
  publish();
  log(node_event::severity::warning, id + " is restarted in "
                                       + std::to_string(decision.delay.count())
                                       + " ms");
  tell_self_later(self_, decision.delay, restart_due{pause});
  go_on();
}

// True if nothing is left to stop.
bool supervisor_state::stop_next() {
  for (auto i = children_.size(); i > 0; --i) {
    auto& c = children_[i - 1];
    if (c.phase == child_phase::stopping)
      return false;
    if (!std::exchange(c.unwanted, false) || c.phase == child_phase::down)
      continue;
    stop(i - 1);
    return false;
  }
  return true;
}

void supervisor_state::stop(std::size_t index) {
  auto& c = children_[index];
  c.step = ++last_number_;
  c.killed = false;
  enter(c, child_phase::stopping);
  ask_to_end(c.handle, caf::exit_reason::user_shutdown);
  tell_self_later(self_, c.spec.shutdown, clock_tick{c.step});
}

void supervisor_state::on_stop_limit(std::uint64_t step) {
  for (auto& c : children_) {
    if (c.step != step || c.phase != child_phase::stopping)
      continue;
    if (!std::exchange(c.killed, true)) {
      ask_to_end(c.handle, caf::exit_reason::kill);
      tell_self_later(self_, kill_limit, clock_tick{c.step});
      return;
    }
    // Only the end of the process ends it.
    log(node_event::severity::error, c.spec.id + " does not end");
    unwatch(self_, c.handle);
    c.handle = nullptr;
    options_.directory->put(c.spec.id, nullptr);
    enter(c, child_phase::down);
    return go_on();
  }
}

void supervisor_state::stop_all(std::optional<error> reason) {
  if (std::exchange(ending_, true))
    return;
  failure_ = std::move(reason);
  if (failure_)
    log(node_event::severity::error, "gives up: " + failure_->message);
  for (auto& c : children_) {
    c.wanted = false;
    c.unwanted = true;
  }
  go_on();
}

void supervisor_state::finish() {
  auto reason = failure_ ? to_caf(*failure_)
                         : caf::error{caf::exit_reason::user_shutdown};
  if (failure_)
    options_.directory->set_failure(*failure_);
  if (started_.pending())
    started_.deliver(reason);
  self_->quit(reason);
}

// -- reports ------------------------------------------------------------------

restart_policy::time_point supervisor_state::now() const {
  return self_->clock().now();
}

void supervisor_state::enter(child& c, child_phase phase) {
  c.phase = phase;
  c.since = std::chrono::floor<millis>(std::chrono::system_clock::now());
  publish();
}

void supervisor_state::publish() const {
  supervisor_info info;
  info.id = options_.id;
  info.strategy = to_string(options_.supervision.strategy);
  for (auto& c : children_) {
    child_info entry;
    entry.id = c.spec.id;
    entry.restarts = c.restarts;
    entry.last_error = c.last_error;
    entry.since = c.since;
    switch (c.phase) {
      case child_phase::down:
        entry.state = c.wanted ? "waiting" : "stopped";
        break;
      case child_phase::starting:
        entry.state = "starting";
        break;
      case child_phase::up:
        entry.state = "running";
        break;
      case child_phase::stopping:
        entry.state = "stopping";
        break;
    }
    info.children.push_back(std::move(entry));
  }
  options_.directory->publish(std::move(info));
}

void supervisor_state::log(node_event::severity level, std::string text) const {
  if (options_.log)
    options_.log({level, "supervisor " + options_.id, std::move(text)});
}

} // namespace muster
