#include "runtime/shell_requests.hpp"

#include "runtime/command_line.hpp"
#include "runtime/http_text.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

namespace muster {

namespace {

constexpr std::string_view default_limit = "100";
constexpr std::string_view json_type = "application/json";

/// Writes targets such as `/v1/queues/mail/jobs?limit=10`.
class target_builder {
public:
  explicit target_builder(std::string path) : text_(std::move(path)) {
    // nop
  }

  target_builder& segment(std::string_view text) {
    text_ += '/' + percent_encode(text);
    return *this;
  }

  target_builder& literal(std::string_view text) {
    text_ += text;
    return *this;
  }

  /// Nothing where there is no value.
  target_builder& query(std::string_view name, std::string_view value) {
    if (value.empty())
      return *this;
    text_ += std::exchange(next_, '&');
    text_.append(name).append("=").append(percent_encode(value));
    return *this;
  }

  /// The option of that name, if it was given.
  target_builder& option(const shell_call& call, std::string_view name) {
    if (auto* value = call.option(name))
      query(name, *value);
    return *this;
  }

  operator std::string() && {
    return std::move(text_);
  }

private:
  std::string text_;
  char next_ = '?';
};

shell_request get(target_builder& target) {
  return {"GET", std::move(target), {}, {}};
}

shell_request send(std::string method, target_builder& target) {
  return {std::move(method), std::move(target), {}, {}};
}

shell_request send_json(std::string method, target_builder& target,
                        std::string body) {
  return {std::move(method),
          std::move(target),
          std::move(body),
          {{"Content-Type", std::string{json_type}}}};
}

shell_request list_actors(const shell_call& call) {
  target_builder target{"/v1/actors"};
  auto top = call.command->name == "top";
  target.query("sort", call.option_or("sort", top ? "busy" : "mailbox"))
    .query("limit", call.option_or("limit", default_limit))
    .option(call, "node");
  if (top)
    target.query("window", call.option_or("every", "1s"));
  return get(target);
}

shell_request about_actor(const shell_call& call, std::string_view what) {
  target_builder target{"/v1/actors"};
  target.segment(call.argument(0)).literal(what).option(call, "node");
  auto reads = call.command->effect == command_effect::reads;
  return send(reads ? "GET" : "POST", target);
}

shell_request about_queue(const shell_call& call, std::string_view change) {
  target_builder target{"/v1/queues"};
  target.segment(call.argument(0));
  if (change.empty())
    return get(target);
  return send_json("PATCH", target, std::string{change});
}

shell_request list_jobs(const shell_call& call) {
  target_builder target{"/v1/queues"};
  target.segment(call.argument(0))
    .literal("/jobs")
    .option(call, "state")
    .query("limit", call.option_or("limit", default_limit))
    .option(call, "after");
  return get(target);
}

shell_request list_leases(const shell_call& call) {
  target_builder target{"/v1/leases"};
  target.option(call, "queue")
    .option(call, "worker")
    .query("limit", call.option_or("limit", default_limit))
    .option(call, "after");
  return get(target);
}

shell_request about_job(const shell_call& call, std::string method,
                        std::string_view what) {
  target_builder target{"/v1/jobs"};
  target.segment(call.argument(0)).literal(what);
  if (call.command->name == "result")
    target.option(call, "wait");
  return send(std::move(method), target);
}

bool is_number(std::string_view text) {
  double value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(),
                                     value, std::chars_format::fixed);
  return code == std::errc{} && end == text.data() + text.size()
         && std::isfinite(value) && value >= 0;
}

/// A setting's value as JSON; nothing if it is none.
std::optional<std::string> setting_value(std::string_view key,
                                         std::string_view value) {
  std::string quoted;
  append_json_string(quoted, value);
  if (key == "paused")
    return value == "true" || value == "false"
             ? std::optional{std::string{value}}
             : std::nullopt;
  if (key == "max_depth" || key == "max_running")
    return parse_unsigned(value).has_value() ? std::optional{std::string{value}}
                                             : std::nullopt;
  if (key == "rate" || key == "backoff.factor" || key == "backoff.jitter")
    return is_number(value) ? std::optional{std::string{value}} : std::nullopt;
  if (key == "dead_letter") {
    if (value == "none")
      return "null";
    return check_word(word_kind::queue, value) ? std::optional{quoted}
                                               : std::nullopt;
  }
  return check_word(word_kind::duration, value) ? std::optional{quoted}
                                                : std::nullopt;
}

std::string_view setting_rule(std::string_view key) {
  if (key == "paused")
    return "true or false";
  if (key == "max_depth" || key == "max_running")
    return "a whole number; 0 is no limit";
  if (key == "rate" || key == "backoff.factor" || key == "backoff.jitter")
    return "a number";
  return key == "dead_letter" ? "a queue's name, or none"
                              : "a duration such as 250ms, 10s or 5m";
}

expected<shell_request> change_setting(const shell_call& call) {
  auto key = call.argument(1);
  auto value = setting_value(key, call.argument(2));
  if (!value)
    return fail_with(errc::invalid_argument,
                     fmt::format("{} must be {}, and '{}' is not", key,
                                 setting_rule(key),
                                 printable(call.argument(2))));
  constexpr std::string_view group = "backoff.";
  auto body = key.starts_with(group)
                ? fmt::format(R"({{"backoff":{{"{}":{}}}}})",
                              key.substr(group.size()), *value)
                : fmt::format(R"({{"{}":{}}})", key, *value);
  return about_queue(call, body);
}

} // namespace

expected<shell_request> to_request(const shell_call& call) {
  auto name = call.command->name;
  if (name == "actors" || name == "top")
    return list_actors(call);
  if (name == "jobs")
    return list_jobs(call);
  if (name == "leases")
    return list_leases(call);
  if (name == "actor")
    return about_actor(call, "");
  if (name == "state" || name == "restart" || name == "stop" || name == "kill")
    return about_actor(call, "/" + std::string{name});
  if (name == "queue")
    return about_queue(call, {});
  if (name == "pause" || name == "resume")
    return about_queue(call, name == "pause" ? R"({"paused":true})"
                                             : R"({"paused":false})");
  if (name == "set")
    return change_setting(call);
  if (name == "job")
    return about_job(call, "GET", "");
  if (name == "result")
    return about_job(call, "GET", "/result");
  if (name == "cancel")
    return about_job(call, "DELETE", "");
  if (name == "retry")
    return about_job(call, "POST", "/retry");
  target_builder target{""};
  if (name == "nodes")
    return get(target.literal("/v1/nodes"));
  if (name == "workers" || name == "worker")
    return get(target.literal("/v1/workers"));
  if (name == "metrics")
    return get(target.literal("/metrics"));
  if (name == "tree")
    return get(
      target.literal("/v1/supervisors").query("node", call.argument(0)));
  if (name == "queues")
    return get(target.literal("/v1/queues")
                 .query("limit", call.option_or("limit", default_limit)));
  if (name == "purge")
    return send("DELETE", target.literal("/v1/queues")
                            .segment(call.argument(0))
                            .literal("/jobs")
                            .query("state", call.argument(1)));
  if (name == "drain")
    return send(
      "POST",
      target.literal("/v1/nodes").segment(call.argument(0)).literal("/drain"));
  return fail_with(errc::internal,
                   std::string{name} + " is more than one request");
}

shell_request enqueue_request(const shell_call& call, std::string payload,
                              std::string_view key) {
  target_builder target{"/v1/queues"};
  target.segment(call.argument(0)).literal("/jobs");
  for (auto name : {"handler", "priority", "delay", "timeout", "ttl"})
    target.option(call, name);
  target.query("max_attempts", call.option_or("max-attempts", ""));
  auto result = send("POST", target);
  result.body = std::move(payload);
  result.headers.emplace_back("Idempotency-Key", key);
  return result;
}

shell_request trace_request(const shell_call& call) {
  auto rate = parse_rate(call.arguments.size() > 1 ? call.argument(1) : "10")
                .value_or(trace_rate{10, {}});
  auto body = fmt::format(R"({{"limit":{})", rate.count);
  if (!rate.per.empty())
    body += R"(,"per":")" + rate.per + '"';
  body += R"(,"for":")" + call.option_or("for", "30s") + "\"}";
  target_builder target{"/v1/actors"};
  target.segment(call.argument(0)).literal("/traces").option(call, "node");
  return send_json("POST", target, std::move(body));
}

shell_request log_request(const shell_call& call) {
  target_builder target{"/v1/log"};
  target.query("level", call.arguments.empty() ? "info" : call.argument(0))
    .option(call, "node");
  return get(target);
}

shell_request log_level_request(const shell_call& call) {
  target_builder target{"/v1/log"};
  target.option(call, "node");
  return send_json("PUT", target,
                   R"({"level":")" + call.option_or("set", "") + "\"}");
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "abcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string result;
  for (auto c : text)
    if (plain.find(c) != plain.npos)
      result.push_back(c);
    else
      fmt::format_to(std::back_inserter(result), "%{:02X}",
                     static_cast<unsigned char>(c));
  return result;
}

} // namespace muster
