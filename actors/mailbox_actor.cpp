#include "actors/mailbox_actor.hpp"

#include "actors/message_bytes.hpp"

#include <caf/message.hpp>

namespace muster {

child_specification mailbox_child(std::string id, mailbox_options options) {
  child_specification result;
  result.id = std::move(id);
  result.start = [opts = std::move(options)](
                   caf::actor_system& system) -> expected<caf::actor> {
    return spawn_actor<mailbox_state>(system, opts);
  };
  return result;
}

mailbox_state::mailbox_state(caf::event_based_actor* self,
                             mailbox_options options)
  : self_(self), options_(std::move(options)) {
  // nop
}

mailbox_state::~mailbox_state() {
  inbox_->bell.disconnect();
  options_.slot->put(nullptr);
}

caf::behavior mailbox_state::make_behavior() {
  self_->set_error_handler([](caf::error&) {});
  self_->set_default_handler(
    [this](caf::scheduled_actor*, caf::message& what) -> caf::skippable_result {
      take(what);
      // The answer comes later.
      return caf::delegated<caf::message>{};
    });
  return {
    [this](start_child) {
      inbox_->bell.connect(self_);
      options_.slot->put(self_);
    },
    [this](doorbell_rung) {
      inbox_->bell.answer();
      on_answers();
    },
  };
}

void mailbox_state::take(const caf::message& what) {
  auto promise = self_->make_response_promise();
  if (waiting_.size() >= limits::mailbox_messages)
    return promise.deliver(to_caf(error{errc::busy}));
  auto bytes = to_bytes(self_->system(), what);
  if (!bytes)
    return promise.deliver(to_caf(bytes.error()));
  enqueue_command cmd;
  cmd.queue = options_.queue;
  cmd.jobs.push_back(to_new_job(options_.settings, options_.queue, *bytes));
  if (auto valid = validate(cmd); !valid)
    return promise.deliver(to_caf(valid.error()));
  auto number = ++last_number_;
  waiting_.emplace(number, std::move(promise));
  options_.journal->submit(
    encode(cmd), [to = inbox_, number](expected<outcome> answer) {
      {
        std::lock_guard guard{to->mutex};
        to->answers.emplace_back(number, std::move(answer));
      }
      to->bell.ring();
    });
}

void mailbox_state::on_answers() {
  std::vector<std::pair<std::uint64_t, expected<outcome>>> answers;
  {
    std::lock_guard guard{inbox_->mutex};
    std::swap(answers, inbox_->answers);
  }
  for (auto& [number, answer] : answers) {
    auto found = waiting_.extract(number);
    if (found.empty())
      continue;
    auto& promise = found.mapped();
    if (answer)
      promise.deliver(
        to_string(std::get<enqueue_outcome>(*answer).jobs.front().id));
    else
      promise.deliver(to_caf(answer.error()));
  }
}

} // namespace muster
