#include "actors/inspected.hpp"

#include "actors/inspection_messages.hpp"
#include "actors/message_text.hpp"

#include <caf/message_handler.hpp>

namespace muster {

namespace {

using result = caf::resumable::resume_result;

timestamp wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

} // namespace

actor_probe::~actor_probe() {
  leave();
}

void actor_probe::attach(caf::scheduled_actor& self) {
  census_ = actor_census::of(self.home_system());
  record_ = census_->add(self);
  if (!record_)
    return;
  self.builtin_metrics() = record_->metrics();
  self.setf(caf::abstract_actor::collects_metrics_flag);
}

result actor_probe::run(caf::scheduled_actor& self,
                        caf::execution_unit* context, std::size_t max,
                        resume_one handle_one) {
  if (!record_)
    return handle_one(self, context);
  auto& record = *record_;
  auto* before = std::exchange(current_record, &record);
  auto ending = result::resume_later;
  std::int64_t begun = 0;
  for (std::size_t i = 0; i < max && ending == result::resume_later; ++i) {
    begun = record.begin();
    ending = record.traced() ? run_traced(self, context, handle_one)
                             : handle_one(self, context);
    if (ending == result::resume_later)
      record.look_at_mark();
  }
  current_record = before;
  record.pause(begun);
  if (ending == result::done)
    leave();
  return ending;
}

result actor_probe::run_traced(caf::scheduled_actor& self,
                               caf::execution_unit* context,
                               resume_one handle_one) {
  auto* next = self.peek_at_next_mailbox_element();
  if (next == nullptr)
    return handle_one(self, context);
  auto begin = message_trace::clock::now();
  auto wanting = record_->wanting(begin);
  if (wanting.empty())
    return handle_one(self, context);
  trace_event event;
  event.at = wall_clock();
  event.from = census_->name_of(next->sender);
  event.message = message_text(next->payload, message_trace::max_text);
  // Behind the last message the actor may be gone to another thread.
  auto ending = handle_one(self, context);
  event.busy_us = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(
      message_trace::clock::now() - begin)
      .count());
  for (auto& trace : wanting) {
    event.actor = trace->actor();
    trace->add(event);
  }
  return ending;
}

void actor_probe::leave() {
  if (census_ && record_)
    census_->remove(record_->id());
}

caf::behavior with_state_report(const caf::behavior& own,
                                std::function<void(state_report&)> report) {
  // An actor without behavior ends at once; so it shall.
  if (!own)
    return own;
  caf::message_handler handlers{own.as_behavior_impl()};
  return handlers.or_else([report = std::move(report)](tell_state) {
    state_report out;
    report(out);
    return out.take();
  });
}

} // namespace muster
