#include "actors/inspector_actor.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr millis tick_interval{50};
/// Behind which the other node has time for its answer to arrive.
constexpr millis travel_time{500};
constexpr millis min_limit{100};
constexpr millis max_limit{60'000};

inspection_answer refusal_of(const caf::error& reason) {
  auto why = from_caf(reason);
  if (why.code == errc::timed_out)
    return refuse(errc::timed_out, "it does not answer");
  return refuse(why.code, why.message);
}

struct place {
  std::string supervisor;
  std::string id;
};

place place_of(const std::string& name) {
  auto end = name.rfind('/');
  if (end == std::string::npos)
    return {};
  return {name.substr(0, end), name.substr(end + 1)};
}

} // namespace

child_specification
inspector_child(std::shared_ptr<node_inspection> inspection) {
  child_specification result;
  result.id = "inspector";
  result.start = [inspection = std::move(inspection)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_actor<inspector_state>(system, inspection);
  };
  return result;
}

inspector_state::inspector_state(caf::event_based_actor* self,
                                 std::shared_ptr<node_inspection> inspection)
  : self_(self), inspection_(std::move(inspection)) {
  // nop
}

inspector_state::~inspector_state() {
  // Those who wait have time limits of their own.
  inspection_->board().set_inspector(nullptr);
}

caf::behavior inspector_state::make_behavior() {
  ignore_strangers(self_);
  return {
    [this](start_child) { inspection_->board().set_inspector(self_); },
    [this](const inspect_call& msg) {
      auto& call = *msg.call;
      if (call.node.empty())
        serve(call.request, call.limit, call.on_answer);
      else
        forward(call);
    },
    [this](const inspection_request& msg) -> caf::result<inspection_answer> {
      auto promise = self_->make_response_promise<inspection_answer>();
      auto limit = msg.wait + std::chrono::seconds{10};
      serve(msg, limit, [promise](inspection_answer answer) mutable {
        promise.deliver(std::move(answer));
      });
      return promise;
    },
    [this](clock_tick) { on_tick(); },
  };
}

void inspector_state::describe(state_report& out) const {
  out.add("waiting", waiting_.size());
}

// -- other nodes --------------------------------------------------------------

void inspector_state::forward(const inspection_call& call) {
  caf::actor gate;
  auto known = false;
  for (auto& info : inspection_->board().nodes()) {
    if (info.node.name != call.node)
      continue;
    known = true;
    gate = info.gate;
  }
  if (!gate)
    return call.on_answer(
      known ? refuse(errc::unavailable, "no connection to node " + call.node)
            : refuse(errc::not_found, "no node has the name " + call.node));
  auto limit = std::clamp(call.limit, min_limit, max_limit);
  ask(
    self_, gate, limit, call.request,
    [done = call.on_answer](inspection_answer& answer) {
      done(std::move(answer));
    },
    [done = call.on_answer](const caf::error& reason) {
      done(refusal_of(reason));
    });
}

// -- this node ----------------------------------------------------------------

void inspector_state::serve(const inspection_request& request, millis limit,
                            callback done) {
  if (auto ready = inspection_->answer(request))
    return done(std::move(*ready));
  auto own_limit = std::clamp(limit - travel_time, min_limit, max_limit);
  switch (request.kind) {
    case inspection_kind::get_state:
      return tell_state_of(request.name, std::min(own_limit, millis{1'500}),
                           std::move(done));
    case inspection_kind::restart_actor:
    case inspection_kind::stop_actor:
    case inspection_kind::kill_actor:
      return control(request, own_limit, std::move(done));
    default:
      return wait(request, std::move(done));
  }
}

void inspector_state::wait(const inspection_request& request, callback done) {
  if (waiting_.size() >= max_waiting)
    return done(refuse(errc::busy, "too many requests wait"));
  waiting_request item;
  item.request = request;
  item.until
    = self_->clock().now() + std::clamp(request.wait, millis{0}, max_limit);
  if (request.kind == inspection_kind::list_actors)
    item.before = inspection_->rows();
  item.done = std::move(done);
  waiting_.push_back(std::move(item));
  if (!std::exchange(ticking_, true))
    tell_self_later(self_, tick_interval, clock_tick{});
}

void inspector_state::on_tick() {
  auto now = self_->clock().now();
  for (auto pos = waiting_.begin(); pos != waiting_.end();) {
    auto& item = *pos;
    auto over = now >= item.until;
    auto is_window = item.request.kind == inspection_kind::list_actors;
    // A window is looked at once; what waits, again and again.
    auto last = item.request;
    if (over)
      last.wait = millis{0};
    if (over && is_window)
      last.limit = max_actor_rows;
    std::optional<inspection_answer> ready;
    if (over || !is_window)
      ready = inspection_->answer(last);
    if (!ready && !over) {
      ++pos;
      continue;
    }
    auto answer = std::move(ready).value_or(inspection_answer{});
    if (is_window) {
      subtract(answer.actors, item.before);
      sort_and_cut(answer.actors, item.request.order,
                   static_cast<std::size_t>(item.request.limit));
    }
    auto done = std::move(item.done);
    pos = waiting_.erase(pos);
    done(std::move(answer));
  }
  ticking_ = !waiting_.empty();
  if (ticking_)
    tell_self_later(self_, tick_interval, clock_tick{});
}

caf::actor inspector_state::find(const std::string& who) const {
  auto record = inspection_->census().find(who);
  return record ? record->self() : nullptr;
}

void inspector_state::tell_state_of(const std::string& who, millis limit,
                                    callback done) {
  auto target = find(who);
  if (!target)
    return done(inspection_->no_actor(who));
  ask(
    self_, target, limit, tell_state{},
    [done](std::string& json) {
      inspection_answer answer;
      answer.text = std::move(json);
      done(std::move(answer));
    },
    [done](const caf::error& reason) { done(refusal_of(reason)); });
}

void inspector_state::control(const inspection_request& request, millis limit,
                              callback done) {
  auto& who = request.name;
  auto target = find(who);
  if (request.kind == inspection_kind::kill_actor) {
    if (!target)
      return done(inspection_->no_actor(who));
    ask_to_end(target, caf::exit_reason::kill);
    return done({});
  }
  auto rows = inspection_->rows();
  if (std::none_of(rows.begin(), rows.end(),
                   [&who](auto& row) { return row.name == who; }))
    return done(inspection_->no_actor(who));
  auto where = place_of(who);
  auto supervisor = find(where.supervisor);
  if (!supervisor)
    return done(refuse(errc::wrong_state, who + " has no supervisor"));
  auto stops = request.kind == inspection_kind::stop_actor;
  // It cannot wait for its own end.
  if (target && target->id() == self_->id()) {
    if (stops)
      return done(refuse(errc::wrong_state, "it serves this very request"));
    done({});
    return self_->quit(to_caf(error{errc::cancelled, "an operator's restart"}));
  }
  ask(
    self_, supervisor, limit, terminate_child{where.id},
    [this, stops, supervisor, id = where.id, limit, done] {
      if (stops)
        return done({});
      restart(supervisor, id, limit, done);
    },
    [this, stops, supervisor, id = where.id, limit,
     done](const caf::error& reason) {
      // What is down already can be started.
      if (stops || from_caf(reason).code != errc::wrong_state)
        return done(refusal_of(reason));
      restart(supervisor, id, limit, done);
    });
}

void inspector_state::restart(const caf::actor& supervisor,
                              const std::string& id, millis limit,
                              const callback& done) {
  ask(
    self_, supervisor, limit, restart_child{id},
    [done](const std::string&) { done({}); },
    [done](const caf::error& reason) { done(refusal_of(reason)); });
}

} // namespace muster
