#include "actors/worker_actor.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr millis fast_tick{50};
constexpr millis slow_tick{500};
constexpr millis answer_limit{5'000};
constexpr millis refused_pause{200};

} // namespace

worker_state::worker_state(caf::event_based_actor* self,
                           worker_actor_options options)
  : self_(self),
    options_(std::move(options)),
    bell_(std::make_shared<doorbell>()) {
  // nop
}

worker_state::~worker_state() {
  bell_->disconnect();
  if (runner_)
    runner_->shutdown();
}

caf::behavior worker_state::make_behavior() {
  ignore_strangers(self_);
  on_down(self_, [this](const caf::actor_addr& who, const caf::error&) {
    if (manager_ && manager_.address() == who)
      on_manager_down();
  });
  return {
    [this](start_child) { start(); },
    [this](worker_accepted) { on_accepted(); },
    [this](const worker_refused& msg) { on_refused(msg); },
    [this](register_again) {
      if (phase_ == phase::serving)
        register_at_manager();
    },
    [this](lease_batch& msg) { on_leases(msg); },
    [this](const parcel_chunk& msg) { on_chunk(msg); },
    [this](const parcel_received& msg) { on_received(msg); },
    [this](const outcome_ack& msg) { on_ack(msg); },
    [this](const revoke_leases& msg) { on_revoked(msg); },
    [this](const recall_leases& msg) { on_recalled(msg); },
    [this](const check_leases& msg) { on_check(msg); },
    [this](leasing_stopped) {
      if (drain_)
        drain_->leasing_stopped = true;
      on_tick();
    },
    [this](drain_worker msg) -> caf::result<void> {
      auto promise = self_->make_response_promise();
      begin_drain(msg.limit);
      drain_->waiting.push_back(promise);
      on_tick();
      return promise;
    },
    [this](doorbell_rung) {
      bell_->answer();
      pump();
    },
    [this](clock_tick msg) {
      if (msg.number == last_tick_)
        on_tick();
    },
  };
}

// -- the manager --------------------------------------------------------------

void worker_state::search() {
  auto found = options_.locate_manager();
  if (!found)
    return;
  manager_ = std::move(found);
  manager_is_remote_ = options_.all_remote || is_remote(self_, manager_);
  watch(self_, manager_);
  register_at_manager();
}

void worker_state::register_at_manager() {
  phase_ = phase::registering;
  retry_at_ = now() + answer_limit;
  end_parcels();
  auto& settings = options_.settings;
  register_worker msg;
  msg.worker = self_;
  msg.name = settings.name;
  msg.incarnation = settings.incarnation;
  msg.concurrency = settings.concurrency;
  msg.queues = settings.queues;
  msg.lease_ttl = settings.lease_ttl;
  msg.held = all_tokens();
  msg.supervised = settings.supervised;
  credit_ = 0;
  tell(self_, manager_, std::move(msg));
}

void worker_state::on_accepted() {
  if (phase_ != phase::registering)
    return;
  phase_ = phase::serving;
  next_heartbeat_ = now() + options_.settings.heartbeat;
  outbox_.send_again();
  if (drain_) {
    drain_->leasing_stopped = false;
    tell(self_, manager_, stop_leasing{});
  }
  pump();
}

void worker_state::on_refused(const worker_refused& msg) {
  if (phase_ != phase::registering)
    return;
  if (is_retryable(msg.code)) {
    retry_at_ = now() + refused_pause;
    return;
  }
  log(node_event::severity::error, "the manager refuses: " + msg.reason);
  self_->quit(to_caf(error{msg.code, msg.reason}));
}

void worker_state::on_manager_down() {
  manager_ = nullptr;
  phase_ = phase::searching;
  credit_ = 0;
  end_parcels();
  hurry();
}

void worker_state::leave_replaced_manager() {
  if (phase_ == phase::searching)
    return;
  auto found = options_.locate_manager();
  if (!found || found == manager_)
    return;
  unwatch(self_, manager_);
  on_manager_down();
}

void worker_state::on_leases(lease_batch& batch) {
  credit_ -= std::min(credit_, static_cast<std::uint32_t>(batch.jobs.size()));
  if (drain_) {
    std::vector<attempt_outcome> released;
    for (auto& job : batch.jobs)
      released.push_back({job.token, outcome_kind::released, {}, true});
    report(std::move(released));
  } else {
    runner_->submit(std::move(batch.jobs));
  }
  hurry();
}

void worker_state::on_ack(const outcome_ack& ack) {
  auto done = outbox_.on_ack(ack, now());
  count(options_.metrics->outcomes_acknowledged, done.acknowledged);
  count(options_.metrics->outcomes_stale, done.stale);
  if (options_.keeper) {
    if (done.settled)
      options_.keeper->remove(done.settled);
    for (auto& batch : done.replaced)
      options_.keeper->keep(std::move(batch));
  }
  if (done.dropped > 0)
    log(node_event::severity::error, "an outcome could not be recorded");
  pump();
}

void worker_state::on_revoked(const revoke_leases& msg) {
  for (auto& lease : msg.items)
    runner_->drop(lease.token, lease.reason == errc::cancelled
                                 ? stop_reason::cancelled
                                 : stop_reason::lease_lost);
  pump();
}

void worker_state::on_recalled(const recall_leases& msg) {
  for (auto& queue : msg.queues)
    runner_->release_waiting(queue);
  pump();
}

void worker_state::on_check(const check_leases& msg) {
  auto known = all_tokens();
  std::sort(known.begin(), known.end());
  leases_not_held answer;
  for (auto token : msg.tokens)
    if (!std::binary_search(known.begin(), known.end(), token))
      answer.tokens.push_back(token);
  if (!answer.tokens.empty())
    tell_sender(self_, std::move(answer));
}

// -- time ---------------------------------------------------------------------

void worker_state::on_tick() {
  if (!runner_)
    return;
  runner_->check(job_runner::clock::now());
  leave_replaced_manager();
  if (phase_ == phase::searching)
    search();
  else if (phase_ == phase::registering && now() >= retry_at_)
    register_at_manager();
  else if (phase_ == phase::serving && parcels_.is_stuck(now()))
    register_at_manager();
  release_stalled(runner_->look());
  pump(true);
  auto figures = runner_->look();
  if (phase_ == phase::serving)
    send_heartbeat(now(), figures);
  if (drain_)
    go_on_with_drain(now(), figures);
  auto busy
    = figures.running + figures.blocked + figures.waiting + figures.finished;
  ticks_fast_
    = busy > 0 || !outbox_.empty() || phase_ != phase::serving || drain_;
  schedule_tick(ticks_fast_ ? fast_tick : slow_tick);
}

void worker_state::schedule_tick(millis delay) {
  tell_self_later(self_, delay, clock_tick{++last_tick_});
}

void worker_state::hurry() {
  if (std::exchange(ticks_fast_, true))
    return;
  schedule_tick(fast_tick);
}

worker_state::time_point worker_state::now() const {
  return self_->clock().now();
}

void worker_state::log(node_event::severity level, std::string text) const {
  if (options_.log)
    options_.log({level, "worker", std::move(text)});
}

} // namespace muster
