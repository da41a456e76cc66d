#pragma once

#include "persistence/backoff.hpp"
#include "persistence/command.hpp"
#include "persistence/store_view.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// The state machine as one would write it without caring for disks, indexes
/// or speed: a map of jobs that each command walks through. What the real one
/// does must agree with it.
class model_store {
public:
  struct tried {
    attempt_status outcome = attempt_status::running;
    std::string worker;
    timestamp started;
    std::optional<timestamp> ended;
    std::string error;
  };

  struct job {
    std::string queue;
    std::string handler;
    std::string payload;
    std::string result;
    std::string worker;
    job_state state = job_state::ready;
    std::uint8_t priority = 0;
    std::uint32_t attempt = 0;
    std::uint32_t failures = 0;
    std::uint32_t max_attempts = 0;
    millis timeout{0};
    timestamp due;
    timestamp deadline;
    timestamp finished;
    std::optional<timestamp> expires;
    std::uint64_t finish_sequence = 0;
    /// How the latest attempt ended, as a word.
    std::string ended;
    /// All of them.
    std::vector<tried> attempts;
  };

  outcome apply(const command& cmd, timestamp now);

  std::map<job_id, job> jobs;
  std::map<std::string, queue_settings> queues;

private:
  struct known_key {
    job_id id;
    timestamp expires;
  };

  outcome on(const enqueue_command& cmd);
  outcome on(const lease_command& cmd);
  outcome on(const complete_command& cmd);
  outcome on(const fail_command& cmd);
  outcome on(const extend_command& cmd);
  outcome on(const release_command& cmd);
  outcome on(const cancel_command& cmd);
  outcome on(const retry_command& cmd);
  outcome on(const tick_command& cmd);
  outcome on(const configure_command& cmd);
  outcome on(const purge_command& cmd);

  settle_status check(lease_token token, std::string_view same, job*& found);
  void finish(job& j, job_state state);
  void end(job& j, attempt_status how, std::string_view error = {});
  void fail(job_id id, job& j, failure_kind kind, bool retry);
  job_id add(const std::string& queue, job j);
  [[nodiscard]] std::uint64_t running(const std::string& queue) const;

  timestamp now_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_finish_ = 0;
  std::map<std::pair<std::string, std::string>, known_key> keys_;
};

} // namespace muster
