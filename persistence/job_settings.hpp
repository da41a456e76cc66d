#pragma once

#include "persistence/command.hpp"
#include "persistence/job.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// How a job is to be run, as an application says it. The limits are those of
/// `validate(command)`; what breaks one is answered with `invalid_argument`.
struct job_settings {
  /// The handler by its name; empty: the one that bears the queue's name.
  std::string handler = {};
  /// 0 to 255, higher first.
  std::uint8_t priority = defaults::priority;
  /// How long the job waits before it may begin.
  millis delay{0};
  /// After this many failed attempts the job is dead. At least 1.
  std::uint32_t max_attempts = defaults::max_attempts;
  /// How long one attempt may run.
  millis timeout = defaults::timeout;
  /// A job that has not begun within this time is cancelled; 0 is no limit.
  millis ttl{0};
  /// Enqueued again under the same key within a day, in the same queue, the
  /// first job's id is the answer, and no job is added. Empty is none. At most
  /// 255 bytes.
  std::string idempotency_key = {};
};

/// Views into the arguments.
[[nodiscard]] inline new_job to_new_job(const job_settings& options,
                                        std::string_view queue,
                                        std::string_view payload) {
  new_job job;
  job.handler = options.handler.empty() ? queue : options.handler;
  job.payload = payload;
  job.priority = options.priority;
  job.delay = options.delay;
  job.max_attempts = options.max_attempts;
  job.timeout = options.timeout;
  job.ttl = options.ttl;
  job.idempotency_key = options.idempotency_key;
  return job;
}

} // namespace muster
