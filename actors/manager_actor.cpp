#include "actors/manager_actor.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr millis tick_interval{500};
constexpr millis search_interval{50};
constexpr millis min_lease_ttl{100};
/// A tick this late means that the process stood still. Then workers get this
/// time to come back.
constexpr millis stall_limit{1'000};
constexpr millis return_limit{5'000};

} // namespace

manager_state::manager_state(caf::event_based_actor* self,
                             manager_options options)
  : self_(self),
    options_(std::move(options)),
    inbox_(std::make_shared<manager_inbox>()),
    stalls_({stall_limit, return_limit}, self->clock().now()) {
  // nop
}

manager_state::~manager_state() {
  options_.board->set_serving(false);
  options_.revocations->subscribe(nullptr);
  leave_journal();
}

caf::behavior manager_state::make_behavior() {
  ignore_strangers(self_);
  on_down(self_, [this](const caf::actor_addr& who, const caf::error&) {
    if (auto pos = by_address_.find(who); pos != by_address_.end())
      forget(pos->second, "it ended or was cut off", true);
  });
  return {
    [this](start_child) -> caf::result<void> {
      started_ = self_->make_response_promise();
      inbox_->open(self_);
      options_.revocations->subscribe(
        [inbox = inbox_](const auto& revoked, const auto& paused) {
          inbox->post([revoked, paused](manager_state& st) {
            st.on_revoked(revoked);
            st.on_paused(paused);
          });
        });
      look_for_journal();
      schedule_tick();
      return started_;
    },
    [this](register_worker& msg) { on_register(msg); },
    [this](const grant_credit& msg) { on_grant(msg); },
    [this](worker_heartbeat& msg) { on_heartbeat(msg); },
    [this](const leases_not_held& msg) { on_not_held(msg); },
    [this](const outcome_batch& msg) { on_outcomes(msg); },
    [this](const parcel_chunk& msg) { on_chunk(msg); },
    [this](const parcel_received& msg) { on_received(msg); },
    [this](stop_leasing) { on_stop_leasing(); },
    [this](worker_ended& msg) { on_worker_ended(msg); },
    [this](doorbell_rung) { on_doorbell(); },
    [this](clock_tick msg) {
      if (msg.number == last_tick_)
        on_tick();
    },
  };
}

// -- workers ------------------------------------------------------------------

std::string manager_state::reason_to_refuse(const register_worker& msg) const {
  if (!msg.worker)
    return "worker: must be given";
  if (msg.name.empty() || msg.name.size() > limits::worker_name)
    return "name: must be 1 to 255 bytes";
  if (msg.concurrency == 0)
    return "concurrency: must be at least 1";
  if (msg.lease_ttl < min_lease_ttl)
    return "lease_ttl: must be at least 100ms";
  if (!std::all_of(msg.queues.begin(), msg.queues.end(), is_valid_name))
    return "queues: contains a name that is none";
  return {};
}

void manager_state::on_register(register_worker& msg) {
  if (auto reason = reason_to_refuse(msg); !reason.empty())
    return tell_sender(self_, worker_refused{errc::invalid_argument, reason});
  auto known = by_address_.find(msg.worker.address());
  auto is_new = known == by_address_.end();
  auto namesake = by_name_.find(msg.name);
  if (namesake != by_name_.end()
      && (is_new || namesake->second != known->second))
    return tell_sender(
      self_, worker_refused{errc::busy, "another worker has this name"});
  if (is_new && workers_.size() >= limits::workers)
    return tell_sender(self_, worker_refused{errc::busy, "too many workers"});
  auto id = is_new ? ++last_id_ : known->second;
  auto& w = workers_[id];
  if (is_new) {
    w.handle = msg.worker;
    w.info.since = wall_clock();
    by_address_[msg.worker.address()] = id;
    book_.add(id);
    watch(self_, msg.worker);
    log(node_event::severity::info, "worker " + msg.name + " joined");
  } else if (w.demand != 0) {
    options_.journal->withdraw(w.journal_demand);
    w.demand = 0;
  }
  if (w.info.name != msg.name) {
    by_name_.erase(w.info.name);
    by_name_[msg.name] = id;
  }
  w.info.name = std::move(msg.name);
  w.info.incarnation = std::move(msg.incarnation);
  w.info.concurrency = msg.concurrency;
  w.info.queues = std::move(msg.queues);
  w.info.last_heartbeat = wall_clock();
  w.last_seen = self_->clock().now();
  w.lease_ttl = msg.lease_ttl;
  w.credit = msg.credit;
  w.stopping = false;
  w.supervised = msg.supervised;
  w.remote = options_.all_remote || is_remote(self_, w.handle);
  end_parcels(id, w);
  for (auto token : msg.held)
    book_.grant(id, token);
  // What an earlier incarnation of it ran is not run by anybody now.
  add_lost(book_.take_orphans(w.info.name, msg.held), {});
  add_lost(suspects_.take_orphans(w.info.name, msg.held), {});
  tell(self_, w.handle, worker_accepted{});
  if (phase_ == journal_phase::open) {
    settle_loose_ends();
    serve(id, w);
  }
  publish();
}

manager_state::worker* manager_state::find_sender(worker_id* id) {
  auto* sender = self_->current_sender().get();
  auto pos = sender != nullptr ? by_address_.find(sender->address())
                               : by_address_.end();
  if (pos == by_address_.end()) {
    tell_sender(self_, register_again{});
    return nullptr;
  }
  if (id != nullptr)
    *id = pos->second;
  auto& w = workers_[pos->second];
  w.last_seen = self_->clock().now();
  return &w;
}

void manager_state::on_grant(const grant_credit& msg) {
  worker_id id = 0;
  auto* w = find_sender(&id);
  if (w == nullptr || w->stopping)
    return;
  w->credit = msg.replace ? msg.more : w->credit + msg.more;
  if (w->demand == 0)
    return;
  if (!msg.replace)
    return options_.journal->add_credit(w->journal_demand, msg.more);
  auto before = w->journal_demand;
  open_demand(id, *w);
  options_.journal->withdraw(before);
}

void manager_state::on_stop_leasing() {
  worker_id id = 0;
  auto* w = find_sender(&id);
  if (w == nullptr)
    return;
  w->stopping = true;
  w->credit = 0;
  take_back(id, w->parcels.take_waiting());
  if (w->demand != 0)
    options_.journal->withdraw(w->journal_demand);
  else
    end_leasing(*w);
  settle_loose_ends();
}

void manager_state::on_worker_ended(worker_ended& msg) {
  auto known = ends_.on_told(msg.name, msg.incarnation, std::move(msg.end),
                             self_->clock().now());
  if (!known)
    return;
  settle_end(std::move(*known));
  settle_loose_ends();
}

void manager_state::settle_end(worker_ends::verdict verdict) {
  undelivered_.insert(undelivered_.end(), verdict.not_begun.begin(),
                      verdict.not_begun.end());
  // Leases whose outcomes are kept stay as they are.
  add_lost(verdict.failed, std::move(verdict.reason));
}

// Without a reason it is that of a worker of which no more is known.
void manager_state::add_lost(const std::vector<lease_token>& tokens,
                             std::string reason) {
  if (tokens.empty())
    return;
  if (reason.empty())
    reason = "the worker ended or was cut off";
  auto& list = lost_[std::move(reason)];
  list.insert(list.end(), tokens.begin(), tokens.end());
}

void manager_state::forget(worker_id id, const std::string& why, bool ended) {
  auto pos = workers_.find(id);
  if (pos == workers_.end())
    return;
  auto& w = pos->second;
  // Its demand's last deliveries find no worker and are handed back.
  if (w.demand != 0)
    options_.journal->withdraw(w.journal_demand);
  // What was under way was not begun. Whoever stood still cannot tell: news of
  // its coming through may wait.
  auto now = self_->clock().now();
  auto stalled = stalls_.stalled(now);
  if (!stalled)
    end_parcels(id, w);
  auto leases = book_.take(id);
  log(leases.empty() ? node_event::severity::info
                     : node_event::severity::warning,
      "worker " + w.info.name + " is gone with " + std::to_string(leases.size())
        + " leases: " + why);
  if (stalled) {
    for (auto token : leases)
      suspects_.add_orphan(w.info.name, token);
  } else if (w.supervised && ended) {
    if (auto known = ends_.on_gone(w.info.name, w.info.incarnation,
                                   std::move(leases), now))
      settle_end(std::move(*known));
  } else {
    add_lost(leases, {});
  }
  unwatch(self_, w.handle);
  by_address_.erase(w.handle.address());
  by_name_.erase(w.info.name);
  workers_.erase(pos);
  settle_loose_ends();
  publish();
}

// -- time and threads ---------------------------------------------------------

void manager_state::on_doorbell() {
  auto contents = inbox_->take();
  for (auto& item : contents.deliveries)
    on_delivery(item);
  for (auto& task : contents.tasks)
    task(*this);
}

void manager_state::on_tick() {
  auto now = self_->clock().now();
  stalls_.on_tick(now, tick_interval);
  if (!stalls_.stalled(now))
    add_lost(suspects_.take_orphans(), {});
  for (auto& verdict : ends_.take_overdue(now))
    settle_end(std::move(verdict));
  std::vector<worker_id> silent;
  for (auto& [id, w] : workers_)
    if (now - w.last_seen > w.lease_ttl)
      silent.push_back(id);
  for (auto id : silent)
    forget(id, "it is silent");
  check_parcels();
  if (phase_ == journal_phase::absent)
    look_for_journal();
  if (now > orphans_until_)
    book_.drop_orphans();
  settle_loose_ends();
  publish();
  schedule_tick();
}

void manager_state::schedule_tick() {
  tell_self_later(
    self_, phase_ == journal_phase::open ? tick_interval : search_interval,
    clock_tick{++last_tick_});
}

void manager_state::publish() {
  std::vector<worker_info> infos;
  infos.reserve(by_name_.size());
  for (auto& entry : by_name_)
    infos.push_back(workers_[entry.second].info);
  options_.board->publish(std::move(infos));
}

timestamp manager_state::wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

void manager_state::log(node_event::severity level, std::string text) const {
  if (options_.log)
    options_.log({level, "manager", std::move(text)});
}

} // namespace muster
