#include "persistence/command.hpp"

#include <cmath>
#include <limits>

// What can be said of a command without looking at a store.

namespace muster {

namespace {

struct rule_broken {
  std::string text;
};

void require(bool ok, const char* text) {
  if (!ok)
    throw rule_broken{text};
}

constexpr const char* name_rule
  = " must be 1 to 128 characters of A-Z a-z 0-9 . _ -";

void require_name(std::string_view name, const char* field) {
  if (!is_valid_name(name))
    throw rule_broken{std::string{field} + name_rule};
}

void require_duration(millis value, millis min, const char* field) {
  if (value < min || value > limits::duration)
    throw rule_broken{
      std::string{field}
      + (min > millis{0} ? " must be at least 1ms" : " must not be negative")
      + " and at most ten years"};
}

void check(const new_job& job) {
  require_name(job.handler, "handler");
  require_duration(job.delay, millis{0}, "delay");
  require_duration(job.timeout, millis{1}, "timeout");
  require_duration(job.ttl, millis{0}, "ttl");
  require_duration(job.key_ttl, millis{1}, "key_ttl");
  require(job.max_attempts >= 1 && job.max_attempts <= limits::max_attempts,
          "max_attempts must be 1 to 1000000");
  require(job.idempotency_key.size() <= limits::idempotency_key,
          "idempotency_key must be at most 255 bytes");
  require(job.payload.size() <= std::numeric_limits<std::uint32_t>::max() / 2,
          "payload must be less than 2 GiB");
}

void check(const enqueue_command& cmd) {
  require_name(cmd.queue, "queue");
  require(!cmd.jobs.empty(), "jobs must not be empty");
  require(cmd.jobs.size() <= limits::jobs_per_batch,
          "jobs must be at most 10000 in one batch");
  for (auto& job : cmd.jobs)
    check(job);
}

void check(const lease_command& cmd) {
  require_name(cmd.queue, "queue");
  require(cmd.worker.size() <= limits::worker_name,
          "worker must be at most 255 bytes");
  require(cmd.max >= 1, "max must be at least 1");
  require_duration(cmd.ttl, millis{1}, "ttl");
}

template <class Command>
void check_items(const Command& cmd) {
  require(!cmd.items.empty(), "items must not be empty");
}

void check(const complete_command& cmd) {
  check_items(cmd);
  for (auto& item : cmd.items)
    require(item.result.size() <= std::numeric_limits<std::uint32_t>::max() / 2,
            "result must be less than 2 GiB");
}

void check(const fail_command& cmd) {
  check_items(cmd);
}

void check(const extend_command& cmd) {
  check_items(cmd);
  for (auto& item : cmd.items)
    require_duration(item.ttl, millis{1}, "ttl");
}

void check(const release_command& cmd) {
  check_items(cmd);
}

void check(const cancel_command&) {
  // nop
}

void check(const retry_command&) {
  // nop
}

void check(const tick_command& cmd) {
  require(cmd.max >= 1, "max must be at least 1");
  require_duration(cmd.spare_leases, millis{0}, "spare_leases");
}

void check(const configure_command& cmd) {
  require_name(cmd.queue, "queue");
  if (cmd.rate)
    require(std::isfinite(*cmd.rate) && *cmd.rate >= 0 && *cmd.rate <= 1e9,
            "rate must be 0 to 1000000000");
  if (cmd.retention)
    require_duration(*cmd.retention, millis{0}, "retention");
  if (cmd.dead_letter && !cmd.dead_letter->empty())
    require_name(*cmd.dead_letter, "dead_letter");
  if (cmd.dead_letter)
    require(*cmd.dead_letter != cmd.queue, "dead_letter must be another queue");
  if (auto& policy = cmd.backoff) {
    require_duration(policy->min, millis{0}, "backoff.min");
    require_duration(policy->max, millis{0}, "backoff.max");
    require(policy->min <= policy->max,
            "backoff.min must not exceed backoff.max");
    require(std::isfinite(policy->factor) && policy->factor >= 1
              && policy->factor <= 1000,
            "backoff.factor must be 1 to 1000");
    require(policy->jitter >= 0 && policy->jitter <= 1,
            "backoff.jitter must be 0 to 1");
  }
}

void check(const purge_command& cmd) {
  require_name(cmd.queue, "queue");
  require(cmd.state != job_state::leased, "state must not be leased");
  require(cmd.max >= 1, "max must be at least 1");
}

} // namespace

expected<void> validate(const command& cmd) {
  try {
    std::visit([](auto& alternative) { check(alternative); }, cmd);
    return {};
  } catch (rule_broken& broken) {
    return fail_with(errc::invalid_argument, std::move(broken.text));
  }
}

} // namespace muster
