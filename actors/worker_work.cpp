#include "actors/lease_split.hpp"
#include "actors/worker_actor.hpp"

#include <algorithm>
#include <utility>

// What a worker does with its leases: running, reporting, handing back.

namespace muster {

namespace {

/// How often progress and load are told, where they changed.
constexpr millis report_interval{1'000};
/// Leases that wait so long behind running attempts are handed back.
constexpr millis stall_limit{500};
/// How long stopped attempts may take to end while draining; and for their
/// outcomes to be recorded.
constexpr millis stop_grace{3'000};
constexpr millis record_grace{2'000};

constexpr std::size_t batch_items = 1'024;
constexpr std::size_t batch_bytes = std::size_t{4} << 20;

} // namespace

// -- work ---------------------------------------------------------------------

void worker_state::start() {
  auto& settings = options_.settings;
  bell_->connect(self_);
  job_runner_options opts;
  opts.concurrency = settings.concurrency;
  opts.max_result_bytes = settings.max_result_bytes;
  opts.stuck_after = settings.stuck_after;
  opts.metrics = options_.metrics;
  if (!settings.running_note.empty()) {
    auto note
      = running_note::create(settings.running_note, settings.incarnation,
                             job_runner::slots_for(settings.concurrency));
    if (note)
      opts.note = std::move(*note);
    else
      log(node_event::severity::warning,
          "what runs is not noted: " + note.error().message);
  }
  opts.on_outcomes = [bell = bell_] { bell->ring(); };
  runner_ = std::make_shared<job_runner>(std::move(opts));
  if (options_.on_runner)
    options_.on_runner(runner_);
  if (options_.keeper)
    for (auto& batch : options_.keeper->unacknowledged())
      outbox_.add(std::move(batch));
  on_tick();
}

void worker_state::pump(bool everything) {
  if (!runner_)
    return;
  // Where the manager does not keep up, what finishes makes the next batch the
  // larger; but what is to be kept on disk does not wait for it.
  while (outbox_.has_room() || (everything && options_.keeper)) {
    auto done = runner_->collect(batch_items, outcome_bytes());
    mean_.record(done.run_time, done.ran);
    if (done.outcomes.empty())
      break;
    for (auto& item : done.outcomes) {
      finished_ += item.kind == outcome_kind::succeeded;
      failed_ += item.kind == outcome_kind::failed
                 || item.kind == outcome_kind::timed_out;
    }
    report(std::move(done.outcomes));
  }
  if (phase_ != phase::serving)
    return;
  auto resent = outbox_.resent();
  for (auto& msg : outbox_.take_due(now())) {
    count(options_.metrics->outcome_batches);
    send_outcomes(msg);
  }
  send_chunks();
  count(options_.metrics->outcome_batches_resent, outbox_.resent() - resent);
  grant(runner_->look());
}

std::size_t worker_state::outcome_bytes() const {
  // One that keeps outcomes looks for its manager on other nodes.
  auto leaves = options_.keeper || manager_is_remote_;
  return leaves ? limits::node_message_bytes : batch_bytes;
}

void worker_state::report(std::vector<attempt_outcome> outcomes) {
  auto batch = outbox_.add(std::move(outcomes));
  if (options_.keeper && batch)
    options_.keeper->keep(std::move(batch));
}

void worker_state::grant(const job_runner::figures& figures) {
  auto threads = options_.settings.concurrency;
  if (phase_ != phase::serving || drain_ || figures.blocked >= threads)
    return;
  // What is done must be kept: nothing more is begun without room for that.
  auto full = options_.keeper && options_.keeper->is_full();
  if (full != std::exchange(complained_, full))
    log(full ? node_event::severity::warning : node_event::severity::info,
        full ? "the outbox is full: no new leases until the manager has taken "
               "what is in it"
             : "the outbox has room again");
  if (full) {
    if (std::exchange(credit_, 0) > 0)
      tell(self_, manager_, grant_credit{0, true});
    return;
  }
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
    msg.complete = true;
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

} // namespace muster
