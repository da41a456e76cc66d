#include "actors/worker_actor.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr millis fast_tick{50};
constexpr millis slow_tick{500};
/// How often progress and load are told, where they changed.
constexpr millis report_interval{1'000};
constexpr millis answer_limit{5'000};
constexpr millis refused_pause{200};
/// Leases that wait so long behind running attempts are handed back.
constexpr millis stall_limit{500};
/// How long stopped attempts may take to end while draining; and for their
/// outcomes to be recorded.
constexpr millis stop_grace{3'000};
constexpr millis record_grace{2'000};

constexpr std::size_t batch_items = 1'024;
constexpr std::size_t batch_bytes = std::size_t{4} << 20;

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
    [this](const outcome_ack& msg) { on_ack(msg); },
    [this](const revoke_leases& msg) { on_revoked(msg); },
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
  watch(self_, manager_);
  register_at_manager();
}

void worker_state::register_at_manager() {
  phase_ = phase::registering;
  retry_at_ = now() + answer_limit;
  auto& settings = options_.settings;
  register_worker msg;
  msg.worker = self_;
  msg.name = settings.name;
  msg.incarnation = settings.incarnation;
  msg.concurrency = settings.concurrency;
  msg.queues = settings.queues;
  msg.lease_ttl = settings.lease_ttl;
  msg.held = all_tokens();
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
  hurry();
}

void worker_state::on_leases(lease_batch& batch) {
  credit_ -= std::min(credit_, static_cast<std::uint32_t>(batch.jobs.size()));
  if (drain_) {
    std::vector<attempt_outcome> released;
    for (auto& job : batch.jobs)
      released.push_back({job.token, outcome_kind::released, {}, true});
    outbox_.add(std::move(released));
  } else {
    runner_->submit(std::move(batch.jobs));
  }
  hurry();
}

void worker_state::on_ack(const outcome_ack& ack) {
  auto done = outbox_.on_ack(ack, now());
  count(options_.metrics->outcomes_acknowledged, done.acknowledged);
  count(options_.metrics->outcomes_stale, done.stale);
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

// -- work ---------------------------------------------------------------------

void worker_state::start() {
  auto& settings = options_.settings;
  bell_->connect(self_);
  job_runner_options opts;
  opts.concurrency = settings.concurrency;
  opts.max_result_bytes = settings.max_result_bytes;
  opts.stuck_after = settings.stuck_after;
  opts.metrics = options_.metrics;
  opts.on_outcomes = [bell = bell_] { bell->ring(); };
  runner_ = std::make_shared<job_runner>(std::move(opts));
  if (options_.on_runner)
    options_.on_runner(runner_);
  on_tick();
}

void worker_state::pump() {
  if (!runner_)
    return;
  while (outbox_.has_room()) {
    auto report = runner_->collect(batch_items, batch_bytes);
    mean_.record(report.run_time, report.ran);
    if (report.outcomes.empty())
      break;
    for (auto& item : report.outcomes) {
      finished_ += item.kind == outcome_kind::succeeded;
      failed_ += item.kind == outcome_kind::failed
                 || item.kind == outcome_kind::timed_out;
    }
    outbox_.add(std::move(report.outcomes));
  }
  if (phase_ != phase::serving)
    return;
  auto resent = outbox_.resent();
  for (auto& msg : outbox_.take_due(now())) {
    count(options_.metrics->outcome_batches);
    tell(self_, manager_, msg);
  }
  count(options_.metrics->outcome_batches_resent, outbox_.resent() - resent);
  grant(runner_->look());
}

void worker_state::grant(const job_runner::figures& figures) {
  auto threads = options_.settings.concurrency;
  if (phase_ != phase::serving || drain_ || figures.blocked >= threads)
    return;
  threads -= figures.blocked;
  auto target = credit_target(threads, mean_.value(figures.elapsed));
  // What is done counts only where it piles up: the threads are free already.
  auto backlog = figures.finished + static_cast<std::uint32_t>(outbox_.size());
  auto held = figures.waiting + figures.running
              + (backlog > 2 * threads ? backlog - 2 * threads : 0);
  if (credit_ > 0 && is_excessive(threads, target, held + credit_)) {
    credit_ = target > held ? target - held : 0;
    tell(self_, manager_, grant_credit{credit_, true});
  } else if (auto more = credit_to_grant(threads, target, held + credit_)) {
    credit_ += more;
    tell(self_, manager_, grant_credit{more, false});
  }
}

std::vector<lease_token> worker_state::all_tokens() const {
  auto result = outbox_.tokens();
  if (runner_) {
    auto running = runner_->tokens();
    result.insert(result.end(), running.begin(), running.end());
  }
  return result;
}

void worker_state::send_heartbeat(time_point now,
                                  const job_runner::figures& figures) {
  worker_heartbeat msg;
  msg.load.running = figures.running;
  msg.load.held = figures.running + figures.waiting;
  msg.load.credit = credit_;
  msg.load.finished = finished_;
  msg.load.failed = failed_;
  msg.load.draining = drain_ != nullptr;
  auto is_full = now >= next_heartbeat_;
  if (!is_full && now < next_report_)
    return;
  if (is_full) {
    msg.leases = runner_->held();
    // Their outcome is not recorded yet: nobody else should run them.
    for (auto token : outbox_.tokens())
      msg.leases.push_back({token, std::nullopt});
    next_heartbeat_ = now + options_.settings.heartbeat;
  } else {
    msg.leases = runner_->changed_progress();
  }
  next_report_ = now + report_interval;
  if (is_full || !msg.leases.empty() || msg.load != reported_) {
    reported_ = msg.load;
    tell(self_, manager_, std::move(msg));
  }
}

void worker_state::release_stalled(const job_runner::figures& figures) {
  auto busy = figures.running + figures.blocked;
  auto since = job_runner::clock::now() - figures.last_change;
  if (figures.waiting > 0 && busy >= options_.settings.concurrency
      && since > stall_limit)
    runner_->release_waiting();
}

// -- drain --------------------------------------------------------------------

void worker_state::begin_drain(millis limit) {
  if (drain_)
    return;
  drain_ = std::make_unique<drain_state>();
  drain_->stop_at = now() + limit;
  drain_->give_up_at = drain_->stop_at + stop_grace;
  drain_->end_at = drain_->give_up_at + record_grace;
  if (runner_)
    runner_->release_waiting();
  if (phase_ == phase::serving)
    tell(self_, manager_, stop_leasing{});
}

void worker_state::go_on_with_drain(time_point now,
                                    const job_runner::figures& figures) {
  if (now >= drain_->stop_at && !std::exchange(drain_->stopped, true))
    runner_->release_running();
  if (now >= drain_->give_up_at)
    runner_->give_up_running();
  auto idle = figures.running + figures.waiting + figures.finished == 0;
  auto no_leases = drain_->leasing_stopped || phase_ == phase::searching;
  if (idle && outbox_.empty() && no_leases)
    end_drain(true);
  else if (now >= drain_->end_at)
    end_drain(false);
}

void worker_state::end_drain(bool complete) {
  for (auto& promise : std::exchange(drain_->waiting, {})) {
    if (complete)
      promise.deliver();
    else
      promise.deliver(to_caf(error{errc::timed_out}));
  }
}

// -- time ---------------------------------------------------------------------

void worker_state::on_tick() {
  if (!runner_)
    return;
  runner_->check(job_runner::clock::now());
  if (phase_ == phase::searching)
    search();
  else if (phase_ == phase::registering && now() >= retry_at_)
    register_at_manager();
  release_stalled(runner_->look());
  pump();
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
