#include "actors/parcel_content.hpp"
#include "actors/worker_actor.hpp"

#include <utility>

// The worker's side of parcels: outcomes to a manager on another node, leases
// from it. Nothing here must survive: outcomes stay in the outbox, and leases
// that did not arrive are the manager's.

namespace muster {

void worker_state::send_outcomes(const caf::message& batch) {
  auto& content = batch.get_as<outcome_batch>(0);
  if (!manager_is_remote_ || !needs_parcel(bytes_of(content)))
    return tell(self_, manager_, batch);
  parcels_.add({content.number, {}}, to_parcel(content));
  outbox_.on_carrying(content.number);
}

void worker_state::send_chunks() {
  for (auto& chunk : parcels_.take_due(now()))
    tell(self_, manager_, std::move(chunk));
}

// Before it is accepted, what comes is of an earlier session.
bool worker_state::is_served_by_sender() const {
  auto* sender = self_->current_sender().get();
  return phase_ == phase::serving && sender != nullptr
         && sender->address() == manager_.address();
}

void worker_state::on_chunk(const parcel_chunk& chunk) {
  if (!is_served_by_sender())
    return;
  auto arrived = leases_.on_chunk(chunk);
  if (arrived.content) {
    if (auto batch = read_leases(*arrived.content))
      on_leases(*batch);
    else
      log(node_event::severity::error, batch.error().message);
  }
  // The manager takes leases for known to their worker from here on.
  if (arrived.answer)
    tell(self_, manager_, *arrived.answer);
}

void worker_state::on_received(const parcel_received& msg) {
  if (!is_served_by_sender())
    return;
  for (auto& parcel : parcels_.on_received(msg, now()))
    outbox_.on_carried(parcel.batch, now());
  send_chunks();
}

void worker_state::end_parcels() {
  parcels_.begin_session(++sessions_);
  leases_.reset();
}

} // namespace muster
