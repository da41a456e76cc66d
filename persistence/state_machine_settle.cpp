#include "persistence/backoff.hpp"
#include "persistence/state_machine_impl.hpp"

#include <algorithm>

// Commands that end or extend attempts, and those that people give about one
// job.

namespace muster {

// -- the current lease --------------------------------------------------------

/// A token is current while its job is leased under it. After that, the same
/// report again (`same` tells what it reported) gets the same answer, and all
/// else is stale.
state_machine::impl::token_check
state_machine::impl::check_token(lease_token token, attempt_end same) {
  token_check result;
  auto rec = find_job(token.id);
  if (!rec || rec->attempt != token.attempt)
    return result;
  if (rec->state == job_state::leased) {
    result.status = settle_status::ok;
    result.job = std::move(rec);
  } else if (rec->ended == attempt_end::cancelled) {
    result.status = settle_status::cancelled;
  } else if (rec->ended == same && same != attempt_end::open) {
    result.status = settle_status::ok;
  }
  return result;
}

std::optional<job_record> state_machine::impl::find_lost(lease_token token) {
  auto rec = find_job(token.id);
  if (!rec || rec->attempt != token.attempt
      || (rec->state != job_state::ready && rec->state != job_state::scheduled)
      || (rec->ended != attempt_end::expired
          && rec->ended != attempt_end::lost))
    return std::nullopt;
  return rec;
}

void state_machine::impl::end_attempt(job_id id, job_record& rec,
                                      queue_entry& queue, attempt_end how) {
  leave_state(id, rec, queue);
  rec.ended = how;
  // There is room for another one now.
  if (queue.rec.settings.max_running > 0 && queue.count(job_state::ready) > 0)
    fx->wakened.push_back(queue.rec.name);
}

bool state_machine::impl::ttl_is_over(const job_record& rec) const noexcept {
  return rec.expires_at && *rec.expires_at <= meta.now;
}

void state_machine::impl::cancel_expired(job_id id, job_record& rec,
                                         queue_entry& queue) {
  rec.error = "expired: not begun within its ttl";
  ++queue.rec.cancelled_total;
  enter_final(id, rec, queue, job_state::cancelled);
}

// -- complete -----------------------------------------------------------------

settled_lease state_machine::impl::settle(const completion& item) {
  auto check = check_token(item.token, attempt_end::succeeded);
  if (!check.job && check.status == settle_status::stale) {
    check.job = find_lost(item.token);
    // It did not end as it was thought to.
    if (check.job)
      erase(table::attempts,
            keys::of_attempt(item.token.id, item.token.attempt));
  }
  if (!check.job)
    return {check.status, {}};
  auto& rec = *check.job;
  auto& queue = queue_by_id(rec.queue);
  end_attempt(item.token.id, rec, queue, attempt_end::succeeded);
  rec.error.clear();
  put(table::results, keys::of_job(item.token.id), item.result);
  ++queue.rec.succeeded_total;
  enter_final(item.token.id, rec, queue, job_state::succeeded);
  store_job(item.token.id, rec);
  return {};
}

// -- fail ---------------------------------------------------------------------

namespace {

attempt_status outcome_of(failure_kind kind) noexcept {
  switch (kind) {
    case failure_kind::timed_out:
      return attempt_status::timed_out;
    case failure_kind::lost:
      return attempt_status::lost;
    case failure_kind::error:
      break;
  }
  return attempt_status::failed;
}

} // namespace

settled_lease state_machine::impl::settle(const failure& item) {
  auto how
    = item.kind == failure_kind::lost ? attempt_end::lost : attempt_end::failed;
  auto check = check_token(item.token, how);
  if (!check.job)
    return {check.status, {}};
  auto& rec = *check.job;
  auto& queue = queue_by_id(rec.queue);
  end_attempt(item.token.id, rec, queue, how);
  keep_attempt(item.token.id, rec, outcome_of(item.kind), item.error);
  after_failure(item.token.id, rec, queue, item.kind, item.error, item.retry);
  return {};
}

void state_machine::impl::after_failure(job_id id, job_record& rec,
                                        queue_entry& queue, failure_kind kind,
                                        std::string_view text, bool retry) {
  rec.error = cut_text(text);
  ++rec.failures;
  ++queue.rec.failed_total;
  if (!retry || rec.failures >= rec.max_attempts) {
    bury(id, rec, queue);
  } else if (ttl_is_over(rec)) {
    cancel_expired(id, rec, queue);
  } else if (kind == failure_kind::lost && rec.failures == 1) {
    enter_ready(id, rec, queue);
  } else {
    auto pause = backoff_after(queue.rec.settings.backoff, rec.failures,
                               {id, rec.attempt});
    if (pause > millis{0})
      enter_scheduled(id, rec, queue, meta.now + pause);
    else
      enter_ready(id, rec, queue);
  }
  store_job(id, rec);
}

void state_machine::impl::bury(job_id id, job_record& rec, queue_entry& queue) {
  ++queue.rec.dead_total;
  enter_final(id, rec, queue, job_state::dead);
  auto& target = queue.rec.settings.dead_letter;
  if (target.empty() || target == queue.rec.name)
    return;
  // The bytes are copied: the view ends with the next write.
  std::string payload;
  if (auto bytes = get(table::payloads, keys::of_job(id)))
    payload = *bytes;
  std::string name = target;
  new_job letter;
  letter.handler = name;
  letter.payload = payload;
  letter.priority = rec.priority;
  letter.timeout = rec.timeout;
  (void)add_job(make_queue(name), letter);
}

// -- extend, release ----------------------------------------------------------

settled_lease state_machine::impl::settle(const extension& item) {
  auto check = check_token(item.token, attempt_end::open);
  if (!check.job)
    return {check.status, {}};
  auto& rec = *check.job;
  auto number = static_cast<std::uint64_t>(item.token.id);
  if (rec.lease_deadline)
    clear_timer(timer_kind::lease, *rec.lease_deadline, number);
  rec.lease_deadline = meta.now + item.ttl;
  set_timer(timer_kind::lease, *rec.lease_deadline, number);
  if (item.progress)
    rec.progress = cut_text(*item.progress);
  store_job(item.token.id, rec);
  return {settle_status::ok, *rec.lease_deadline};
}

settled_lease state_machine::impl::settle(lease_token token) {
  auto check = check_token(token, attempt_end::released);
  if (!check.job)
    return {check.status, {}};
  auto& rec = *check.job;
  auto& queue = queue_by_id(rec.queue);
  end_attempt(token.id, rec, queue, attempt_end::released);
  keep_attempt(token.id, rec, attempt_status::released);
  if (ttl_is_over(rec))
    cancel_expired(token.id, rec, queue);
  else
    enter_ready(token.id, rec, queue);
  store_job(token.id, rec);
  return {};
}

outcome state_machine::impl::apply(const complete_command& cmd) {
  settle_outcome result;
  result.items.reserve(cmd.items.size());
  for (auto& item : cmd.items)
    result.items.push_back(settle(item));
  return result;
}

outcome state_machine::impl::apply(const fail_command& cmd) {
  settle_outcome result;
  result.items.reserve(cmd.items.size());
  for (auto& item : cmd.items)
    result.items.push_back(settle(item));
  return result;
}

outcome state_machine::impl::apply(const extend_command& cmd) {
  settle_outcome result;
  result.items.reserve(cmd.items.size());
  for (auto& item : cmd.items)
    result.items.push_back(settle(item));
  return result;
}

outcome state_machine::impl::apply(const release_command& cmd) {
  settle_outcome result;
  result.items.reserve(cmd.items.size());
  for (auto& item : cmd.items)
    result.items.push_back(settle(item));
  return result;
}

// -- cancel, retry ------------------------------------------------------------

outcome state_machine::impl::apply(const cancel_command& cmd) {
  auto rec = find_job(cmd.id);
  if (!rec)
    return change_outcome{errc::job_not_found, {}};
  if (rec->state == job_state::cancelled)
    return change_outcome{errc::none, rec->state};
  if (is_final(rec->state))
    return change_outcome{errc::wrong_state, rec->state};
  auto& queue = queue_by_id(rec->queue);
  if (rec->state == job_state::leased) {
    fx->revoked.push_back(
      {{cmd.id, rec->attempt}, rec->worker, errc::cancelled});
    end_attempt(cmd.id, *rec, queue, attempt_end::cancelled);
    keep_attempt(cmd.id, *rec, attempt_status::cancelled);
  } else {
    leave_state(cmd.id, *rec, queue);
  }
  rec->error = "cancelled on request";
  ++queue.rec.cancelled_total;
  enter_final(cmd.id, *rec, queue, job_state::cancelled);
  store_job(cmd.id, *rec);
  return change_outcome{errc::none, rec->state};
}

outcome state_machine::impl::apply(const retry_command& cmd) {
  auto rec = find_job(cmd.id);
  if (!rec)
    return change_outcome{errc::job_not_found, {}};
  if (rec->state != job_state::dead)
    return change_outcome{errc::wrong_state, rec->state};
  auto& queue = queue_by_id(rec->queue);
  leave_state(cmd.id, *rec, queue);
  rec->failures = 0;
  // Whoever wants it again does not want it to expire.
  rec->expires_at.reset();
  enter_ready(cmd.id, *rec, queue);
  store_job(cmd.id, *rec);
  return change_outcome{errc::none, rec->state};
}

} // namespace muster
