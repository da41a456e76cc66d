#include "actors/supervisor_actor.hpp"

#include <utility>

namespace muster {

namespace {

using severity = node_event::severity;
using kind = supervision_report::kind;

/// What an event says of a child whose id stands before it.
std::pair<severity, std::string> text_of(const supervision_report& report) {
  switch (report.what) {
    case kind::started:
      return {severity::info, " is up"};
    case kind::start_failed:
      return {severity::error, " could not be started: " + report.reason};
    case kind::ended:
      return {severity::info, " ended normally"};
    case kind::failed:
      return {severity::error, " failed: " + report.reason};
    case kind::restarting:
      return {severity::warning, " is restarted in "
                                   + std::to_string(report.delay.count())
                                   + " ms"};
    case kind::stopped:
      if (report.reason.empty())
        return {severity::info, " is stopped"};
      return {severity::warning, " failed while it stopped: " + report.reason};
    case kind::killed:
      return {severity::warning, " did not end when asked to and is killed"};
    case kind::abandoned:
      return {severity::error, " does not end"};
    case kind::gave_up:
      return {severity::error, "gives up: " + report.reason};
    case kind::auto_shutdown:
      return {severity::info, " has ended, and so does its supervisor"};
  }
  return {severity::error, " is in an unknown state"};
}

} // namespace

void supervisor_state::log(const supervision_report& report) const {
  if (!options_.log)
    return;
  auto [level, text] = text_of(report);
  node_event event{level, "supervisor", report.child + text, {}};
  event.fields.emplace_back("supervisor", path_);
  if (!report.child.empty()) {
    event.fields.emplace_back("child", report.child);
    event.fields.emplace_back("restarts", std::to_string(report.restarts));
  }
  if (!report.reason.empty())
    event.fields.emplace_back("reason", report.reason);
  if (report.what == kind::restarting)
    event.fields.emplace_back("delay_ms", std::to_string(report.delay.count()));
  options_.log(event);
}

void supervisor_state::count(const supervision_report& report) const {
  child_counters more;
  switch (report.what) {
    case kind::started:
      more.starts = 1;
      // A start by hand is none.
      if (auto* child = core_.find(report.child))
        more.restarts
          = child->cause == supervised_child::start_cause::restart ? 1 : 0;
      break;
    case kind::start_failed:
    case kind::failed:
    case kind::killed:
      more.failures = 1;
      break;
    case kind::gave_up:
      more.give_ups = 1;
      break;
    default:
      return;
  }
  auto& model = core_.model();
  options_.directory->count(
    path_, model && !report.child.empty() ? model->id : report.child, more);
}

void supervisor_state::publish() {
  supervisor_info info;
  info.path = path_;
  info.id = options_.id;
  info.strategy = to_string(options_.supervision.strategy);
  info.max_restarts = options_.supervision.max_restarts;
  info.period = options_.supervision.period;
  for (auto& child : core_.children()) {
    auto& body = bodies_[child.number];
    auto state = std::string{state_of(child)};
    if (std::exchange(body.state, state) != state)
      body.since = std::chrono::floor<millis>(std::chrono::system_clock::now());
    info.children.push_back({child.rules.id,
                             std::string{to_string(child.rules.type)}, state,
                             child.restarts, child.last_error, body.since});
  }
  options_.directory->publish(std::move(info));
}

} // namespace muster
