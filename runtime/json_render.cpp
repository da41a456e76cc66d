#include "runtime/json_render.hpp"

#include "persistence/duration.hpp"
#include "runtime/http_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

namespace muster {

namespace {

/// Writes the members of one object.
class object {
public:
  explicit object(std::string& out) : out_(out) {
    out_.push_back('{');
  }

  ~object() {
    out_.push_back('}');
  }

  object(const object&) = delete;
  object& operator=(const object&) = delete;

  std::string& key(std::string_view name) {
    if (!first_)
      out_.push_back(',');
    first_ = false;
    append_json_string(out_, name);
    out_.push_back(':');
    return out_;
  }

  void text(std::string_view name, std::string_view value) {
    append_json_string(key(name), value);
  }

  template <class Number>
  void number(std::string_view name, Number value) {
    fmt::format_to(std::back_inserter(key(name)), "{}", value);
  }

  void flag(std::string_view name, bool value) {
    key(name) += value ? "true" : "false";
  }

  void time(std::string_view name, std::optional<timestamp> value) {
    if (value)
      text(name, format_time(*value));
    else
      key(name) += "null";
  }

  void duration(std::string_view name, std::optional<millis> value) {
    if (value)
      text(name, format_duration(*value));
    else
      key(name) += "null";
  }

  /// Null where there is nothing to say.
  void text_or_null(std::string_view name, std::string_view value) {
    if (value.empty())
      key(name) += "null";
    else
      text(name, value);
  }

private:
  std::string& out_;
  bool first_ = true;
};

void members(object& obj, const job_info& job) {
  obj.text("id", to_string(job.id));
  obj.text("queue", job.queue);
  obj.text("handler", job.handler);
  obj.text("state", to_string(job.state));
  obj.number("attempt", job.attempt);
  obj.number("failures", job.failures);
  obj.number("max_attempts", job.max_attempts);
  obj.number("priority", job.priority);
  obj.duration("timeout", job.timeout);
  obj.time("enqueued_at", job.enqueued_at);
  obj.time("due_at", job.due_at);
  obj.time("started_at", job.started_at);
  obj.time("finished_at", job.finished_at);
  obj.time("expires_at", job.expires_at);
  obj.time("lease_deadline", job.lease_deadline);
  obj.text_or_null("progress", job.progress);
  obj.text_or_null("error", job.error);
  obj.text_or_null("worker", job.worker);
}

void render(std::string& out, const attempt_info& attempt) {
  object obj{out};
  obj.number("attempt", attempt.attempt);
  obj.text("worker", attempt.worker);
  obj.time("started_at", attempt.started_at);
  obj.time("ended_at", attempt.ended_at);
  obj.text("outcome", to_string(attempt.outcome));
  if (!attempt.error.empty())
    obj.text("error", attempt.error);
}

} // namespace

void render(std::string& out, const job_info& job) {
  object obj{out};
  members(obj, job);
}

void render(std::string& out, const job_info& job, std::size_t payload_bytes) {
  object obj{out};
  members(obj, job);
  obj.number("payload_bytes", payload_bytes);
}

void render(std::string& out, const job_info& job, std::size_t payload_bytes,
            const attempt_list& attempts) {
  object obj{out};
  members(obj, job);
  obj.number("payload_bytes", payload_bytes);
  auto& list = obj.key("attempts");
  list.push_back('[');
  for (auto& attempt : attempts.attempts) {
    if (list.back() != '[')
      list.push_back(',');
    render(list, attempt);
  }
  list.push_back(']');
  obj.number("attempts_dropped", attempts.dropped);
}

void render_lease(std::string& out, const job_info& job) {
  object obj{out};
  obj.text("token", to_string(lease_token{job.id, job.attempt}));
  obj.text("id", to_string(job.id));
  obj.text("queue", job.queue);
  obj.text("handler", job.handler);
  obj.number("attempt", job.attempt);
  obj.text("worker", job.worker);
  obj.time("started_at", job.started_at);
  obj.time("deadline", job.lease_deadline);
}

void render(std::string& out, const leased_job& lease) {
  object obj{out};
  obj.text("token", to_string(lease.token));
  obj.text("id", to_string(lease.token.id));
  obj.number("attempt", lease.token.attempt);
  obj.text("queue", lease.queue);
  obj.text("handler", lease.handler);
  obj.number("priority", lease.priority);
  obj.duration("timeout", lease.timeout);
  obj.text("payload_base64", base64_encode(lease.payload));
  obj.time("deadline", lease.deadline);
}

void render(std::string& out, const queue_settings& settings) {
  object obj{out};
  obj.flag("paused", settings.paused);
  obj.number("max_depth", settings.max_depth);
  obj.number("max_running", settings.max_running);
  obj.number("rate", settings.rate);
  obj.duration("retention", settings.retention);
  {
    object backoff{obj.key("backoff")};
    backoff.duration("min", settings.backoff.min);
    backoff.duration("max", settings.backoff.max);
    backoff.number("factor", settings.backoff.factor);
    backoff.number("jitter", settings.backoff.jitter);
  }
  obj.text_or_null("dead_letter", settings.dead_letter);
}

void render(std::string& out, const queue_info& queue, const queue_rates& rates,
            timestamp now) {
  object obj{out};
  obj.text("name", queue.name);
  {
    object depth{obj.key("depth")};
    for (std::size_t i = 0; i < job_state_count; ++i)
      depth.number(to_string(static_cast<job_state>(i)), queue.depth[i]);
  }
  {
    object totals{obj.key("totals")};
    totals.number("enqueued", queue.enqueued_total);
    totals.number("leased", queue.leased_total);
    totals.number("succeeded", queue.succeeded_total);
    totals.number("failed_attempts", queue.failed_total);
    totals.number("dead", queue.dead_total);
    totals.number("cancelled", queue.cancelled_total);
    totals.number("expired_leases", queue.expired_leases_total);
  }
  auto oldest = queue.oldest_ready
                  ? std::optional{std::max(now - *queue.oldest_ready, millis{})}
                  : std::nullopt;
  obj.duration("oldest_wait", oldest);
  {
    object per_second{obj.key("rates")};
    per_second.number("enqueued", rates.enqueued);
    per_second.number("finished", rates.finished);
    per_second.number("failed", rates.failed);
  }
  render(obj.key("settings"), queue.settings);
}

namespace {

void render(std::string& out, const std::vector<std::string>& texts) {
  out.push_back('[');
  for (auto& text : texts) {
    if (out.back() != '[')
      out.push_back(',');
    append_json_string(out, text);
  }
  out.push_back(']');
}

} // namespace

void render(std::string& out, const worker_info& worker, timestamp now) {
  object obj{out};
  obj.text("name", worker.name);
  obj.text("incarnation", worker.incarnation);
  render(obj.key("queues"), worker.queues);
  obj.text("state", worker.draining ? "draining" : "running");
  obj.number("concurrency", worker.concurrency);
  obj.number("running", worker.running);
  obj.number("held", worker.held);
  obj.number("credit", worker.credit);
  obj.number("finished", worker.finished);
  obj.number("failed", worker.failed);
  obj.time("since", worker.since);
  obj.time("last_heartbeat", worker.last_heartbeat);
  obj.duration("heartbeat_age",
               std::max(now - worker.last_heartbeat, millis{}));
}

void render(std::string& out, const node_info& info, const worker_info* worker,
            timestamp now) {
  object obj{out};
  obj.text("name", info.node.name);
  obj.text("incarnation", info.incarnation);
  std::vector<std::string> roles;
  if (info.node.roles.manager)
    roles.emplace_back("manager");
  if (info.node.roles.worker)
    roles.emplace_back("worker");
  render(obj.key("roles"), roles);
  std::vector<std::string> addresses;
  for (auto& at : info.node.addresses)
    addresses.push_back(to_string(at));
  render(obj.key("addresses"), addresses);
  obj.text("state", info.state);
  // A node that was never met has told nothing of itself.
  auto met = [](timestamp at) {
    return at == timestamp{} ? std::nullopt : std::optional{at};
  };
  obj.time("since", met(info.since));
  obj.time("started", met(info.started));
  obj.time("last_heartbeat", met(info.last_heard));
  std::optional<millis> age;
  if (info.state == "self")
    age = millis{0};
  else if (met(info.last_heard))
    age = std::max(now - info.last_heard, millis{0});
  obj.duration("heartbeat_age", age);
  obj.number("load", info.load);
  obj.number("running", worker != nullptr ? worker->running : 0);
  obj.number("held", worker != nullptr ? worker->held : 0);
  obj.number("restarts", info.restarts);
  obj.text_or_null("http", info.http);
}

void render(std::string& out, const supervisor_info& supervisor,
            std::span<const supervisor_info> all) {
  object obj{out};
  obj.text("id", supervisor.id);
  obj.text("path", supervisor.path);
  obj.text("strategy", supervisor.strategy);
  obj.number("max_restarts", supervisor.max_restarts);
  obj.duration("period", supervisor.period);
  auto& list = obj.key("children");
  list.push_back('[');
  for (auto& child : supervisor.children) {
    if (list.back() != '[')
      list.push_back(',');
    object entry{list};
    entry.text("id", child.id);
    entry.text("type", child.type);
    entry.text("state", child.state);
    entry.time("since", child.since);
    entry.number("restarts", child.restarts);
    entry.text_or_null("last_error", child.last_error);
    auto below
      = std::find_if(all.begin(), all.end(), [&](const supervisor_info& other) {
          return other.path == supervisor.path + '/' + child.id;
        });
    if (below != all.end())
      render(entry.key("supervisor"), *below, all);
  }
  list.push_back(']');
}

} // namespace muster
