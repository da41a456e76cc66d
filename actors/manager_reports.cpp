#include "actors/manager_actor.hpp"

#include <string>
#include <utility>

// What workers report: heartbeats and outcomes.

namespace muster {

void manager_state::on_heartbeat(worker_heartbeat& msg) {
  worker_id id = 0;
  auto* w = find_sender(&id);
  if (w == nullptr)
    return;
  w->info.running = msg.load.running;
  w->info.held = msg.load.held;
  w->info.credit = msg.load.credit;
  w->info.finished = msg.load.finished;
  w->info.failed = msg.load.failed;
  w->info.draining = msg.load.draining;
  w->info.last_heartbeat = wall_clock();
  // It cannot name what has not reached it.
  if (msg.complete)
    for (auto token : w->parcels.tokens())
      if (book_.holds(id, token))
        msg.leases.push_back({token, std::nullopt});
  // Where the journal cannot keep up, the next heartbeat will do.
  if (!msg.leases.empty() && w->heartbeats_under_way < limits::heartbeats)
    extend(id, *w, msg.leases);
  if (!msg.complete)
    return;
  std::vector<lease_token> named;
  named.reserve(msg.leases.size());
  for (auto& lease : msg.leases)
    named.push_back(lease.token);
  if (auto missing = book_.compare(id, named); !missing.empty())
    tell(self_, w->handle, check_leases{std::move(missing)});
}

// The worker has read all that was sent before it was asked: what it does not
// know by now was lost on its way.
void manager_state::on_not_held(const leases_not_held& msg) {
  worker_id id = 0;
  auto* w = find_sender(&id);
  if (w == nullptr)
    return;
  std::size_t lost = 0;
  for (auto token : msg.tokens) {
    if (!book_.holds(id, token))
      continue;
    book_.settle(id, token);
    undelivered_.push_back(token);
    ++lost;
  }
  if (lost == 0)
    return;
  log(node_event::severity::warning,
      std::to_string(lost) + " leases never reached worker " + w->info.name
        + "; they go back to their queues");
  settle_loose_ends();
}

void manager_state::on_outcomes(const outcome_batch& batch) {
  worker_id id = 0;
  auto* w = find_sender(&id);
  if (w == nullptr || w->recordings.contains(batch.number))
    return;
  if (batch.items.empty())
    return tell_sender(self_, outcome_ack{batch.number, errc::none, {}});
  if (w->recordings.size() >= limits::outcome_batches)
    return tell_sender(self_, outcome_ack{batch.number, errc::busy, {}});
  auto& recording
    = w->recordings.try_emplace(batch.number, batch).first->second;
  auto commands = recording.take_commands();
  for (std::size_t i = 0; i < commands.size(); ++i)
    options_.journal->submit(
      std::move(commands[i]),
      [inbox = inbox_, id, number = batch.number, i](expected<outcome> answer) {
        inbox->post([id, number, i, answer = std::move(answer)](auto& st) {
          st.on_recorded(id, number, i, answer);
        });
      });
}

void manager_state::on_recorded(worker_id id, std::uint64_t batch,
                                std::size_t index,
                                const expected<outcome>& answer) {
  auto pos = workers_.find(id);
  if (pos == workers_.end())
    return;
  auto& w = pos->second;
  auto recording = w.recordings.find(batch);
  if (recording == w.recordings.end()
      || !recording->second.on_answer(index, answer))
    return;
  auto ack = recording->second.to_ack();
  if (ack.code == errc::none)
    for (auto token : recording->second.tokens())
      book_.settle(id, token);
  w.recordings.erase(recording);
  tell(self_, w.handle, std::move(ack));
}

} // namespace muster
