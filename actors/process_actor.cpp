#include "actors/process_actor.hpp"

#include <csignal>
#include <utility>

namespace muster {

child_specification
process_child(std::string id, std::function<process_actor_options()> options) {
  child_specification result;
  result.id = std::move(id);
  result.start = [make = std::move(options)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_actor<process_state>(system, make());
  };
  return result;
}

process_state::process_state(caf::event_based_actor* self,
                             process_actor_options options)
  : self_(self), options_(std::move(options)) {
  // nop
}

process_state::~process_state() {
  bell_->disconnect();
}

caf::behavior process_state::make_behavior() {
  ignore_strangers(self_);
  on_exit_request(self_, [this](const caf::error&) {
    if (!process_)
      return self_->quit(caf::exit_reason::user_shutdown);
    ending_ = true;
    if (options_.asks_leader_only)
      process_->signal_leader(SIGTERM);
    else
      process_->signal_group(SIGTERM);
  });
  return {
    [this](start_child) { return start(); },
    [this](doorbell_rung) { look(); },
  };
}

caf::result<void> process_state::start() {
  if (process_)
    return to_caf(error{errc::wrong_state, "the process runs already"});
  bell_->connect(caf::actor{self_});
  auto begun = child_process::start(options_.process, bell_);
  if (!begun) {
    auto reason = to_caf(begun.error());
    self_->quit(reason);
    return reason;
  }
  process_ = std::move(*begun);
  started_ = self_->make_response_promise();
  auto promise = started_;
  if (!options_.is_ready)
    ready();
  return promise;
}

void process_state::look() {
  bell_->answer();
  if (!process_)
    return;
  // First: what it wrote before it ended is there then.
  auto status = process_->ended();
  for (auto& line : process_->take_lines())
    on_line(line);
  if (status)
    on_process_end(*status);
}

void process_state::on_line(std::string_view line) {
  if (started_.pending() && options_.is_ready && options_.is_ready(line))
    ready();
}

void process_state::ready() {
  if (options_.on_ready)
    options_.on_ready(process_->pid());
  started_.deliver();
}

void process_state::on_process_end(exit_status status) {
  if (options_.on_end)
    options_.on_end(process_->pid(), status);
  process_.reset();
  auto failed = !ending_ && !status.ok();
  auto reason = failed ? to_caf(error{errc::unavailable, to_string(status)})
                       : caf::error{caf::exit_reason::user_shutdown};
  if (started_.pending())
    started_.deliver(to_caf(
      error{errc::unavailable, to_string(status) + " before it was ready"}));
  self_->quit(reason);
}

} // namespace muster
