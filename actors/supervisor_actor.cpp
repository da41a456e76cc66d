#include "actors/supervisor_actor.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster {

namespace {

/// Each of its children has its own limit.
constexpr std::chrono::hours supervisor_start_limit{24};

std::vector<child_rules>
rules_of(const std::vector<child_specification>& children) {
  return {children.begin(), children.end()};
}

// No exception may leave it: it would end the supervisor.
expected<caf::actor> make_child(const child_specification& spec,
                                caf::actor_system& system) {
  try {
    return spec.start(system);
  } catch (const std::exception& ex) {
    return fail_with(errc::unavailable, ex.what());
  } catch (...) {
    return fail_with(errc::internal, "the start function threw no exception "
                                     "of the standard library");
  }
}

} // namespace

std::string path_of(const supervisor_options& options) {
  return options.parent.empty() ? options.id
                                : options.parent + '/' + options.id;
}

child_specification supervisor_child(supervisor_options options,
                                     restart_kind restart) {
  child_specification result;
  result.id = options.id;
  result.restart = restart;
  result.type = child_type::supervisor;
  result.start_limit = supervisor_start_limit;
  result.start = [opts = std::move(options)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_actor<supervisor_state>(system, opts);
  };
  return result;
}

supervisor_state::supervisor_state(caf::event_based_actor* self,
                                   supervisor_options options)
  : self_(self),
    options_(std::move(options)),
    path_(path_of(options_)),
    core_(options_.supervision, rules_of(options_.children)),
    random_(std::random_device{}()) {
  auto spec = options_.children.begin();
  for (auto& child : core_.children())
    bodies_[child.number].spec = *spec++;
  publish();
}

supervisor_state::~supervisor_state() {
  // Where it ended by itself none is left.
  for (auto& [number, body] : bodies_) {
    if (body.handle)
      ask_to_end(body.handle, caf::exit_reason::kill);
    options_.directory->remove(name_of(body));
  }
  if (!options_.parent.empty())
    options_.directory->withdraw(path_);
  else if (!finished_)
    options_.directory->set_failure(
      {errc::internal, "the supervisor " + path_ + " was killed"});
}

caf::behavior supervisor_state::make_behavior() {
  actor_census::of(self_->system())->name(self_->id(), path_, options_.parent);
  ignore_strangers(self_);
  on_down(self_, [this](const caf::actor_addr& who, const caf::error& reason) {
    on_child_down(who, reason);
  });
  on_exit_request(self_, [this](const caf::error& reason) {
    run(core_.stop(is_normal_end(reason) ? std::optional<error>{}
                                         : from_caf(reason),
                   now()));
  });
  return {
    [this](start_children) { return begin(); },
    [this](start_child) { return begin(); },
    [this](stop_children) { run(core_.stop(std::nullopt, now())); },
    [this](const add_child& msg) { return add(msg); },
    [this](const terminate_child& msg) { return terminate(msg); },
    [this](const restart_child& msg) { return restart(msg); },
    [this](const remove_child& msg) { return remove(msg); },
    [this](restart_due msg) {
      if (msg.number != alarm_number_)
        return;
      alarm_.reset();
      run(core_.on_time(now(), chance()));
    },
  };
}

caf::result<void> supervisor_state::begin() {
  started_ = self_->make_response_promise();
  auto promise = started_;
  if (auto valid = core_.check(); !valid)
    run(core_.stop(valid.error(), now()));
  else
    run(core_.start(now()));
  return promise;
}

// -- what the supervision decides ---------------------------------------------

void supervisor_state::run(supervision_actions actions) {
  for (auto& action : actions)
    actions_.push_back(std::move(action));
  if (std::exchange(busy_, true))
    return;
  while (!actions_.empty()) {
    auto action = std::move(actions_.front());
    actions_.pop_front();
    std::visit([this](auto& act) { carry_out(act); }, action);
  }
  busy_ = false;
  publish();
  answer_waiting();
  set_alarm();
}

void supervisor_state::carry_out(const todo::start& act) {
  auto& body = bodies_[act.child];
  auto made = make_child(body.spec, self_->system());
  body.step = ++last_step_;
  if (!made) {
    note_failure(act.child, made.error());
    return run(core_.on_start_failed(act.child, made.error(), now(), chance()));
  }
  body.handle = std::move(*made);
  actor_census::of(self_->system())
    ->name(body.handle.id(), name_of(body), path_);
  numbers_[body.handle.address()] = act.child;
  watch(self_, body.handle);
  ask(
    self_, body.handle, body.spec.start_limit, start_child{},
    [this, child = act.child, step = body.step] { on_answer(child, step); },
    [this, child = act.child, step = body.step](const caf::error& reason) {
      on_refusal(child, step, from_caf(reason));
    });
}

void supervisor_state::carry_out(const todo::ask_to_end& act) {
  ask_to_end(bodies_[act.child].handle, caf::exit_reason::user_shutdown);
}

void supervisor_state::carry_out(const todo::kill& act) {
  ask_to_end(bodies_[act.child].handle, caf::exit_reason::kill);
}

// Only the end of the process ends it.
void supervisor_state::carry_out(const todo::abandon& act) {
  auto& body = bodies_[act.child];
  if (!body.handle)
    return;
  unwatch(self_, body.handle);
  release(body);
}

void supervisor_state::carry_out(const todo::forget& act) {
  auto pos = bodies_.find(act.child);
  if (pos == bodies_.end())
    return;
  options_.directory->remove(name_of(pos->second));
  bodies_.erase(pos);
}

// Whoever hears of it may look at once.
void supervisor_state::carry_out(const todo::announce_start&) {
  publish();
  if (started_.pending())
    started_.deliver();
}

void supervisor_state::carry_out(const todo::finish& act) {
  finished_ = true;
  auto failed = act.failure.code != errc::none;
  auto reason = failed ? to_caf(act.failure)
                       : caf::error{caf::exit_reason::user_shutdown};
  if (failed && options_.parent.empty())
    options_.directory->set_failure(act.failure);
  if (started_.pending())
    started_.deliver(reason);
  self_->quit(reason);
}

void supervisor_state::carry_out(const supervision_report& report) {
  count(report);
  log(report);
}

// -- what children do ---------------------------------------------------------

void supervisor_state::on_answer(child_number child, std::uint64_t step) {
  auto pos = bodies_.find(child);
  if (pos == bodies_.end() || pos->second.step != step || !pos->second.handle)
    return;
  if (auto* known = core_.find(child);
      !known || known->phase != child_phase::starting)
    return;
  options_.directory->put(name_of(pos->second), pos->second.handle);
  run(core_.on_up(child, now()));
}

void supervisor_state::on_refusal(child_number child, std::uint64_t step,
                                  const error& reason) {
  auto pos = bodies_.find(child);
  if (pos == bodies_.end() || pos->second.step != step || !pos->second.handle)
    return;
  note_failure(child, reason);
  run(core_.on_start_refused(child, reason, now()));
}

void supervisor_state::on_child_down(const caf::actor_addr& who,
                                     const caf::error& reason) {
  auto pos = numbers_.find(who);
  if (pos == numbers_.end())
    return;
  auto child = pos->second;
  auto why = from_caf(reason);
  release(bodies_[child]);
  note_failure(child, why);
  run(core_.on_end(child, is_normal_end(reason), why, now(), chance()));
}

void supervisor_state::release(child_body& body) {
  numbers_.erase(body.handle.address());
  body.handle = nullptr;
  options_.directory->put(name_of(body), nullptr);
}

// -- time and names -----------------------------------------------------------

void supervisor_state::set_alarm() {
  auto next = core_.wake_at();
  if (!next || finished_ || next == alarm_)
    return;
  alarm_ = next;
  auto delay = std::max(*next - now(), time_point::duration::zero());
  tell_self_later(self_, delay, restart_due{++alarm_number_});
}

supervision::time_point supervisor_state::now() const {
  return self_->clock().now();
}

double supervisor_state::chance() {
  return std::uniform_real_distribution<double>{}(random_);
}

std::string supervisor_state::name_of(const child_body& body) const {
  return path_ + '/' + body.spec.id;
}

} // namespace muster
