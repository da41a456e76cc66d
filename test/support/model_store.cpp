#include "test/support/model_store.hpp"

#include <algorithm>

namespace muster {

outcome model_store::apply(const command& cmd, timestamp now) {
  now_ = std::max(now_, now);
  return std::visit([this](auto& alt) { return on(alt); }, cmd);
}

std::uint64_t model_store::running(const std::string& queue) const {
  return static_cast<std::uint64_t>(
    std::count_if(jobs.begin(), jobs.end(), [&queue](auto& kvp) {
      return kvp.second.queue == queue && kvp.second.state == job_state::leased;
    }));
}

job_id model_store::add(const std::string& queue, job j) {
  job_id id{++last_id_};
  j.queue = queue;
  queues[queue];
  jobs.emplace(id, std::move(j));
  return id;
}

outcome model_store::on(const enqueue_command& cmd) {
  enqueue_outcome result;
  std::string queue{cmd.queue};
  queues[queue];
  for (auto& wanted : cmd.jobs) {
    std::pair key{queue, std::string{wanted.idempotency_key}};
    if (!key.second.empty()) {
      auto known = keys_.find(key);
      if (known != keys_.end() && known->second.expires > now_) {
        auto pos = jobs.find(known->second.id);
        result.jobs.push_back(
          {known->second.id,
           pos == jobs.end() ? job_state::succeeded : pos->second.state, true});
        continue;
      }
    }
    job j;
    j.handler = wanted.handler;
    j.payload = wanted.payload;
    j.priority = wanted.priority;
    j.max_attempts = wanted.max_attempts;
    j.timeout = wanted.timeout;
    if (wanted.delay > millis{0}) {
      j.state = job_state::scheduled;
      j.due = now_ + wanted.delay;
    }
    if (wanted.ttl > millis{0})
      j.expires = now_ + wanted.ttl;
    auto state = j.state;
    auto id = add(queue, std::move(j));
    if (!key.second.empty())
      keys_.insert_or_assign(key, known_key{id, now_ + wanted.key_ttl});
    result.jobs.push_back({id, state, false});
  }
  return result;
}

outcome model_store::on(const lease_command& cmd) {
  lease_outcome result;
  std::string queue{cmd.queue};
  auto settings = queues.find(queue);
  if (settings == queues.end() || settings->second.paused)
    return result;
  std::uint64_t left = cmd.max;
  if (auto max = settings->second.max_running; max > 0) {
    auto now = running(queue);
    left = std::min(left, max > now ? max - now : 0);
  }
  std::vector<std::pair<int, job_id>> order;
  for (auto& [id, j] : jobs)
    if (j.queue == queue && j.state == job_state::ready)
      order.emplace_back(-int{j.priority}, id);
  std::sort(order.begin(), order.end());
  std::uint64_t bytes = 0;
  for (auto& [priority, id] : order) {
    if (left-- == 0 || (cmd.max_bytes > 0 && bytes >= cmd.max_bytes))
      break;
    bytes += jobs.at(id).payload.size();
    auto& j = jobs.at(id);
    j.state = job_state::leased;
    ++j.attempt;
    j.ended.clear();
    j.worker = cmd.worker;
    j.attempts.push_back(
      {attempt_status::running, j.worker, now_, std::nullopt, {}});
    j.deadline = now_ + cmd.ttl;
    result.jobs.push_back({{id, j.attempt},
                           queue,
                           j.handler,
                           j.payload,
                           j.deadline,
                           j.timeout,
                           j.priority,
                           j.max_attempts});
  }
  return result;
}

settle_status model_store::check(lease_token token, std::string_view same,
                                 job*& found) {
  found = nullptr;
  auto pos = jobs.find(token.id);
  if (pos == jobs.end() || pos->second.attempt != token.attempt)
    return settle_status::stale;
  auto& j = pos->second;
  if (j.state == job_state::leased) {
    found = &j;
    return settle_status::ok;
  }
  if (j.ended == "cancelled")
    return settle_status::cancelled;
  return !same.empty() && j.ended == same ? settle_status::ok
                                          : settle_status::stale;
}

void model_store::finish(job& j, job_state state) {
  j.state = state;
  j.finished = now_;
  j.finish_sequence = ++last_finish_;
}

void model_store::end(job& j, attempt_status how, std::string_view error) {
  auto& latest = j.attempts.back();
  latest.outcome = how;
  latest.ended = now_;
  latest.error = error;
}

void model_store::fail(job_id id, job& j, failure_kind kind, bool retry) {
  ++j.failures;
  auto& settings = queues.at(j.queue);
  if (!retry || j.failures >= j.max_attempts) {
    finish(j, job_state::dead);
    if (!settings.dead_letter.empty() && settings.dead_letter != j.queue) {
      job letter;
      letter.handler = settings.dead_letter;
      letter.payload = j.payload;
      letter.priority = j.priority;
      letter.timeout = j.timeout;
      letter.max_attempts = defaults::max_attempts;
      add(settings.dead_letter, std::move(letter));
    }
  } else if (j.expires && *j.expires <= now_) {
    finish(j, job_state::cancelled);
  } else {
    auto pause
      = kind == failure_kind::lost && j.failures == 1
          ? millis{0}
          : backoff_after(settings.backoff, j.failures, {id, j.attempt});
    j.state = pause > millis{0} ? job_state::scheduled : job_state::ready;
    j.due = now_ + pause;
  }
}

outcome model_store::on(const complete_command& cmd) {
  settle_outcome result;
  for (auto& item : cmd.items) {
    job* j = nullptr;
    auto status = check(item.token, "succeeded", j);
    if (auto pos = jobs.find(item.token.id);
        status == settle_status::stale && pos != jobs.end()) {
      auto& late = pos->second;
      auto waits
        = late.state == job_state::ready || late.state == job_state::scheduled;
      auto was_lost = late.ended == "expired" || late.ended == "lost";
      if (late.attempt == item.token.attempt && waits && was_lost) {
        j = &late;
        status = settle_status::ok;
      }
    }
    result.items.push_back({status, {}});
    if (j != nullptr) {
      j->result = item.result;
      j->ended = "succeeded";
      end(*j, attempt_status::succeeded);
      finish(*j, job_state::succeeded);
    }
  }
  return result;
}

outcome model_store::on(const fail_command& cmd) {
  settle_outcome result;
  for (auto& item : cmd.items) {
    job* j = nullptr;
    auto how = item.kind == failure_kind::lost ? "lost" : "failed";
    result.items.push_back({check(item.token, how, j), {}});
    if (j != nullptr) {
      j->ended = how;
      end(*j,
          item.kind == failure_kind::lost        ? attempt_status::lost
          : item.kind == failure_kind::timed_out ? attempt_status::timed_out
                                                 : attempt_status::failed,
          item.error);
      fail(item.token.id, *j, item.kind, item.retry);
    }
  }
  return result;
}

outcome model_store::on(const extend_command& cmd) {
  settle_outcome result;
  for (auto& item : cmd.items) {
    job* j = nullptr;
    auto status = check(item.token, {}, j);
    if (j != nullptr)
      j->deadline = now_ + item.ttl;
    result.items.push_back({status, j != nullptr ? j->deadline : timestamp{}});
  }
  return result;
}

outcome model_store::on(const release_command& cmd) {
  settle_outcome result;
  for (auto& token : cmd.items) {
    job* j = nullptr;
    result.items.push_back({check(token, "released", j), {}});
    if (j == nullptr)
      continue;
    j->ended = "released";
    end(*j, attempt_status::released);
    if (j->expires && *j->expires <= now_)
      finish(*j, job_state::cancelled);
    else
      j->state = job_state::ready;
  }
  return result;
}

outcome model_store::on(const cancel_command& cmd) {
  auto pos = jobs.find(cmd.id);
  if (pos == jobs.end())
    return change_outcome{errc::job_not_found, {}};
  auto& j = pos->second;
  if (j.state == job_state::cancelled)
    return change_outcome{errc::none, j.state};
  if (is_final(j.state))
    return change_outcome{errc::wrong_state, j.state};
  if (j.state == job_state::leased) {
    j.ended = "cancelled";
    end(j, attempt_status::cancelled);
  }
  finish(j, job_state::cancelled);
  return change_outcome{errc::none, j.state};
}

outcome model_store::on(const retry_command& cmd) {
  auto pos = jobs.find(cmd.id);
  if (pos == jobs.end())
    return change_outcome{errc::job_not_found, {}};
  auto& j = pos->second;
  if (j.state != job_state::dead)
    return change_outcome{errc::wrong_state, j.state};
  j.state = job_state::ready;
  j.failures = 0;
  j.expires.reset();
  j.finish_sequence = 0;
  return change_outcome{errc::none, j.state};
}

/// In the order of the real one: due jobs, leases, ttls, keys, retention; each
/// by time, then by id.
outcome model_store::on(const tick_command& cmd) {
  tick_outcome result;
  auto until = now_ + cmd.spare_leases;
  if (cmd.spare_leases > millis{0})
    for (auto& [id, j] : jobs)
      if (j.state == job_state::leased && j.deadline < until) {
        j.deadline = until;
        ++result.leases_spared;
      }
  using entry = std::pair<timestamp, job_id>;
  auto each = [this](auto when, auto fire) {
    std::vector<entry> due;
    for (auto& [id, j] : jobs)
      if (auto at = when(j); at && *at <= now_)
        due.emplace_back(*at, id);
    std::sort(due.begin(), due.end());
    for (auto& [at, id] : due)
      fire(id, jobs.at(id));
  };
  using maybe = std::optional<timestamp>;
  each(
    [](job& j) {
      return j.state == job_state::scheduled ? maybe{j.due} : maybe{};
    },
    [&](job_id, job& j) {
      j.state = job_state::ready;
      ++result.promoted;
    });
  each(
    [](job& j) {
      return j.state == job_state::leased ? maybe{j.deadline} : maybe{};
    },
    [&](job_id id, job& j) {
      j.ended = "expired";
      end(j, attempt_status::expired,
          "lease expired: no heartbeat from worker " + j.worker);
      ++result.leases_expired;
      fail(id, j, failure_kind::lost, true);
    });
  each(
    [](job& j) {
      return j.state == job_state::ready || j.state == job_state::scheduled
               ? j.expires
               : maybe{};
    },
    [&](job_id, job& j) {
      finish(j, job_state::cancelled);
      ++result.jobs_expired;
    });
  std::erase_if(keys_, [&](auto& kvp) {
    auto over = kvp.second.expires <= now_;
    result.dropped += over ? 1 : 0;
    return over;
  });
  std::erase_if(jobs, [&](auto& kvp) {
    auto& j = kvp.second;
    auto over
      = is_final(j.state) && j.finished + queues.at(j.queue).retention <= now_;
    result.dropped += over ? 1 : 0;
    return over;
  });
  return result;
}

outcome model_store::on(const configure_command& cmd) {
  auto& settings = queues[std::string{cmd.queue}];
  if (cmd.paused)
    settings.paused = *cmd.paused;
  if (cmd.max_depth)
    settings.max_depth = *cmd.max_depth;
  if (cmd.max_running)
    settings.max_running = *cmd.max_running;
  if (cmd.retention)
    settings.retention = *cmd.retention;
  if (cmd.backoff)
    settings.backoff = *cmd.backoff;
  if (cmd.dead_letter)
    settings.dead_letter = *cmd.dead_letter;
  return configure_outcome{settings};
}

outcome model_store::on(const purge_command& cmd) {
  std::string queue{cmd.queue};
  if (!queues.contains(queue))
    return purge_outcome{errc::queue_not_found, 0, false};
  auto removed = std::erase_if(jobs, [&](auto& kvp) {
    return kvp.second.queue == queue && kvp.second.state == cmd.state;
  });
  return purge_outcome{errc::none, static_cast<std::uint32_t>(removed), false};
}

} // namespace muster
