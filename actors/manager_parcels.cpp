#include "actors/lease_split.hpp"
#include "actors/manager_actor.hpp"
#include "actors/parcel_content.hpp"

#include <algorithm>
#include <utility>

// The manager's side of parcels: leases to workers on other nodes, outcomes
// from them. Leases in parcels count as held by the worker: the manager names
// them where the worker cannot, so that they neither expire nor are asked for.
// What has to arrive behind them waits here.

namespace muster {

void manager_state::send_leases(worker& w, std::vector<leased_job> jobs) {
  if (!w.remote)
    return tell(self_, w.handle, lease_batch{std::move(jobs)});
  for (auto& batch :
       split_leases(std::move(jobs), limits::node_message_bytes)) {
    if (!needs_parcel(bytes_of(batch))) {
      tell(self_, w.handle, std::move(batch));
      continue;
    }
    parcel_label label;
    label.tokens.reserve(batch.jobs.size());
    for (auto& job : batch.jobs)
      label.tokens.push_back(job.token);
    w.parcels.add(std::move(label), to_parcel(batch));
  }
  send_chunks(w);
}

void manager_state::send_chunks(worker& w) {
  for (auto& chunk : w.parcels.take_due(self_->clock().now()))
    tell(self_, w.handle, std::move(chunk));
}

void manager_state::on_chunk(const parcel_chunk& chunk) {
  auto* w = find_sender();
  if (w == nullptr)
    return;
  auto arrived = w->outcomes.on_chunk(chunk);
  if (arrived.content) {
    if (auto batch = read_outcomes(*arrived.content))
      on_outcomes(*batch);
    else
      log(node_event::severity::error,
          "worker " + w->info.name + ": " + batch.error().message);
  }
  if (arrived.answer)
    tell(self_, w->handle, *arrived.answer);
}

void manager_state::on_received(const parcel_received& msg) {
  auto* w = find_sender();
  if (w == nullptr)
    return;
  auto now = self_->clock().now();
  auto through = w->parcels.on_received(msg, now);
  send_chunks(*w);
  if (through.empty())
    return;
  revoke(*w, {std::exchange(w->revoked, {})});
  if (!w->recalled.empty())
    tell(self_, w->handle,
         recall_leases{{w->recalled.begin(), w->recalled.end()}});
  if (w->parcels.empty())
    w->recalled.clear();
  if (w->stop_is_due)
    end_leasing(*w);
}

void manager_state::revoke(worker& w, revoke_leases msg) {
  auto first
    = std::partition(msg.items.begin(), msg.items.end(), [&w](auto& lease) {
        return !w.parcels.holds(lease.token);
      });
  w.revoked.insert(w.revoked.end(), first, msg.items.end());
  msg.items.erase(first, msg.items.end());
  if (!msg.items.empty())
    tell(self_, w.handle, std::move(msg));
}

void manager_state::end_leasing(worker& w) {
  w.stop_is_due = !w.parcels.empty();
  if (!w.stop_is_due)
    tell(self_, w.handle, leasing_stopped{});
}

void manager_state::take_back(worker_id id,
                              const std::vector<parcel_label>& parcels) {
  for (auto& parcel : parcels)
    for (auto token : parcel.tokens)
      if (book_.holds(id, token)) {
        book_.settle(id, token);
        undelivered_.push_back(token);
      }
}

void manager_state::end_parcels(worker_id id, worker& w) {
  take_back(id, w.parcels.begin_session(++last_id_));
  w.outcomes.reset();
  w.revoked.clear();
  w.recalled.clear();
  w.stop_is_due = false;
}

void manager_state::check_parcels() {
  auto now = self_->clock().now();
  for (auto& [id, w] : workers_) {
    if (w.parcels.is_stuck(now)) {
      log(node_event::severity::warning, "leases do not get through to worker "
                                           + w.info.name
                                           + "; it is to register again");
      end_parcels(id, w);
      tell(self_, w.handle, register_again{});
    } else {
      send_chunks(w);
    }
  }
}

} // namespace muster
