#include "actors/manager_actor.hpp"

#include <algorithm>
#include <utility>

// The manager's side towards the journal. Callbacks run on the journal's
// thread: they leave what they have in the inbox and go.

namespace muster {

namespace {

// Commands for this many leases at once, so that they stay far from the bound
// of a command.
constexpr std::size_t leases_per_command = 4'096;

// So long workers of an earlier run may take to come back and present their
// leases. Leases of those that do not come back expire.
constexpr std::chrono::minutes orphans_kept{10};

std::vector<lease_book::stored_lease> read_leases(const store_view& view) {
  std::vector<lease_book::stored_lease> result;
  for (auto& job : view.leases(SIZE_MAX))
    result.emplace_back(std::move(job.worker),
                        lease_token{job.id, job.attempt});
  return result;
}

// Of leases that nobody received. Runs on any thread.
void hand_back(journal_port& journal, const std::vector<leased_job>& jobs) {
  release_command cmd;
  cmd.items.reserve(jobs.size());
  for (auto& job : jobs)
    cmd.items.push_back(job.token);
  journal.submit(encode(cmd), [](expected<outcome>) {});
}

std::vector<lease_token> take_some(std::vector<lease_token>& from) {
  auto n = std::min(from.size(), leases_per_command);
  std::vector<lease_token> result(from.end() - static_cast<std::ptrdiff_t>(n),
                                  from.end());
  from.resize(from.size() - n);
  return result;
}

fail_command to_lost(const std::vector<lease_token>& tokens,
                     const std::string& reason) {
  fail_command result;
  result.items.reserve(tokens.size());
  for (auto token : tokens)
    result.items.push_back({token, failure_kind::lost, reason, true});
  return result;
}

} // namespace

// -- finding it ---------------------------------------------------------------

void manager_state::look_for_journal() {
  if (options_.journal->get() == nullptr)
    return;
  phase_ = journal_phase::loading;
  options_.journal->read([inbox = inbox_](expected<store_view> view) {
    expected<std::vector<lease_book::stored_lease>> stored;
    if (view)
      stored = read_leases(*view);
    else
      stored = tl::unexpected<error>{view.error()};
    inbox->post([stored = std::move(stored)](manager_state& st) {
      st.on_leases_read(stored);
    });
  });
}

void manager_state::on_leases_read(
  expected<std::vector<lease_book::stored_lease>> stored) {
  if (phase_ != journal_phase::loading)
    return;
  if (!stored) {
    phase_ = journal_phase::absent;
    return;
  }
  for (auto& [holder, token] : *stored) {
    auto pos = by_name_.find(holder);
    if (pos == by_name_.end())
      book_.add_orphan(holder, token);
    else if (book_.holds(pos->second, token))
      continue;
    // Of a worker that we served before, it was lost on its way when the
    // journal failed; else it is of an earlier incarnation.
    else if (workers_[pos->second].served)
      undelivered_.push_back(token);
    else
      add_lost({token}, {});
  }
  orphans_until_ = self_->clock().now() + orphans_kept;
  phase_ = journal_phase::open;
  options_.board->set_serving(true);
  if (started_.pending())
    started_.deliver();
  settle_loose_ends();
  for (auto& [id, w] : workers_)
    serve(id, w);
}

// -- leases -------------------------------------------------------------------

// Opens the demand, and asks which of the leases it holds are still its own.
void manager_state::serve(worker_id id, worker& w) {
  if (w.stopping) {
    end_leasing(w);
  } else {
    open_demand(id, w);
    w.served = true;
  }
  std::vector<held_lease> held;
  for (auto token : book_.leases_of(id))
    held.push_back({token, std::nullopt});
  extend(id, w, held);
}

void manager_state::open_demand(worker_id id, worker& w) {
  w.demand = ++last_id_;
  demands_[w.demand] = id;
  lease_demand wish;
  wish.worker = w.info.name;
  wish.queues = w.info.queues;
  wish.credit = w.credit;
  wish.ttl = w.lease_ttl;
  wish.deliver = [inbox = inbox_, journal = options_.journal,
                  demand = w.demand](std::vector<leased_job> jobs) {
    if (jobs.empty())
      inbox->post([demand](manager_state& st) { st.on_demand_ended(demand); });
    else if (!inbox->deliver(demand, jobs))
      hand_back(*journal, jobs);
  };
  w.journal_demand = options_.journal->open_demand(std::move(wish));
}

void manager_state::on_delivery(manager_inbox::delivery& item) {
  auto owner = demands_.find(item.demand);
  auto pos
    = owner != demands_.end() ? workers_.find(owner->second) : workers_.end();
  if (pos == workers_.end())
    return hand_back(*options_.journal, item.jobs);
  auto& [id, w] = *pos;
  for (auto& job : item.jobs)
    book_.grant(id, job.token);
  auto count = static_cast<std::uint32_t>(item.jobs.size());
  w.credit -= std::min(w.credit, count);
  send_leases(w, std::move(item.jobs));
}

void manager_state::on_demand_ended(std::uint64_t demand) {
  auto owner = demands_.find(demand);
  if (owner == demands_.end())
    return;
  auto pos = workers_.find(owner->second);
  demands_.erase(owner);
  if (pos == workers_.end() || pos->second.demand != demand)
    return;
  auto& w = pos->second;
  w.demand = 0;
  if (w.stopping)
    return end_leasing(w);
  // Nobody withdrew it: the journal is gone.
  if (phase_ == journal_phase::open) {
    phase_ = journal_phase::absent;
    options_.board->set_serving(false);
    log(node_event::severity::warning, "the journal is gone; waiting for it");
    schedule_tick();
  }
}

void manager_state::on_revoked(
  const std::vector<effects::revoked_lease>& revoked) {
  std::map<worker_id, revoke_leases> messages;
  for (auto& lease : revoked) {
    auto pos = by_name_.find(lease.worker);
    if (pos == by_name_.end() || !book_.holds(pos->second, lease.token))
      continue;
    book_.settle(pos->second, lease.token);
    messages[pos->second].items.push_back({lease.token, lease.reason});
  }
  for (auto& [id, msg] : messages)
    revoke(workers_[id], std::move(msg));
}

void manager_state::on_paused(const std::vector<std::string>& queues) {
  if (queues.empty())
    return;
  for (auto& [id, w] : workers_) {
    tell(self_, w.handle, recall_leases{queues});
    // Once more behind what is under way.
    if (!w.parcels.empty())
      w.recalled.insert(queues.begin(), queues.end());
  }
}

void manager_state::extend(worker_id id, worker& w,
                           const std::vector<held_lease>& leases) {
  for (std::size_t first = 0; first < leases.size();
       first += leases_per_command) {
    auto last = std::min(first + leases_per_command, leases.size());
    extend_command cmd;
    std::vector<lease_token> tokens;
    for (auto i = first; i < last; ++i) {
      auto& lease = leases[i];
      tokens.push_back(lease.token);
      cmd.items.push_back({lease.token, w.lease_ttl, std::nullopt});
      if (lease.progress)
        cmd.items.back().progress = *lease.progress;
    }
    ++w.heartbeats_under_way;
    options_.journal->submit(encode(cmd), [inbox = inbox_, id,
                                           tokens = std::move(tokens)](
                                            expected<outcome> answer) mutable {
      inbox->post([id, tokens = std::move(tokens), answer = std::move(answer)](
                    manager_state& st) { st.on_extended(id, tokens, answer); });
    });
  }
}

void manager_state::on_extended(worker_id id,
                                const std::vector<lease_token>& tokens,
                                const expected<outcome>& answer) {
  auto pos = workers_.find(id);
  if (pos == workers_.end())
    return;
  --pos->second.heartbeats_under_way;
  auto* settled = answer ? std::get_if<settle_outcome>(&*answer) : nullptr;
  if (settled == nullptr || settled->items.size() != tokens.size())
    return;
  revoke_leases msg;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    auto status = settled->items[i].status;
    if (status == settle_status::ok)
      continue;
    book_.settle(id, tokens[i]);
    msg.items.push_back({tokens[i], status == settle_status::cancelled
                                      ? errc::cancelled
                                      : errc::stale_lease});
  }
  revoke(pos->second, std::move(msg));
}

void manager_state::leave_journal() {
  for (auto& [id, w] : workers_)
    if (w.demand != 0)
      options_.journal->withdraw(w.journal_demand);
  for (auto& item : inbox_->close().deliveries)
    hand_back(*options_.journal, item.jobs);
}

// -- leases without a worker --------------------------------------------------

void manager_state::settle_loose_ends() {
  if (phase_ != journal_phase::open)
    return;
  auto send = [this](std::vector<lease_token> tokens, encoded_command cmd,
                     const std::string& reason) {
    options_.journal->submit(
      std::move(cmd), [inbox = inbox_, reason, tokens = std::move(tokens)](
                        expected<outcome> answer) mutable {
        if (answer)
          return;
        inbox->post([reason, tokens = std::move(tokens),
                     answer = std::move(answer)](manager_state& st) {
          st.on_loose_end(tokens, reason, answer);
        });
      });
  };
  for (auto& [reason, all] : std::exchange(lost_, {})) {
    auto left = std::move(all);
    while (!left.empty()) {
      auto tokens = take_some(left);
      auto cmd = encode(to_lost(tokens, reason));
      send(std::move(tokens), std::move(cmd), reason);
    }
  }
  while (!undelivered_.empty()) {
    auto tokens = take_some(undelivered_);
    auto cmd = encode(release_command{tokens});
    send(std::move(tokens), std::move(cmd), {});
  }
}

void manager_state::on_loose_end(const std::vector<lease_token>& tokens,
                                 const std::string& reason,
                                 const expected<outcome>& answer) {
  if (!is_retryable(answer.error().code))
    return log(node_event::severity::error,
               "leases of a worker that is gone stay until they expire: "
                 + answer.error().message);
  // With the next tick.
  if (reason.empty())
    undelivered_.insert(undelivered_.end(), tokens.begin(), tokens.end());
  else
    add_lost(tokens, reason);
}

} // namespace muster
