#include "runtime/queue_client.hpp"
#include "runtime/shell_table.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_views.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace muster {

namespace {

constexpr std::string_view nothing = "(none)\n";

table_cell state_cell(const std::string& state) {
  return {state, tone_of_state(state)};
}

table_cell alarming(std::string text, tone how) {
  auto harmless = text.empty() || text == "0";
  return {std::move(text), harmless ? tone::plain : how};
}

/// Such as `2 of 5`. Attempts that count as no failure, and a retry, let there
/// be more: `7, 4 of 5 failed`.
std::string attempts_of(const shell_json& job) {
  auto number = [&job](const char* name) {
    auto found = job.find(name);
    return found != job.end() && found->is_number_unsigned()
             ? found->get<std::uint64_t>()
             : 0;
  };
  if (job.contains("failures") && number("attempt") > number("max_attempts"))
    return fmt::format("{}, {} of {} failed", show(job, "attempt"),
                       show(job, "failures"), show(job, "max_attempts"));
  return fmt::format("{} of {}", show(job, "attempt"),
                     show(job, "max_attempts"));
}

std::string ago(const shell_json& object, std::string_view name,
                timestamp now) {
  auto age = show_age(object, name, now);
  return age.empty() ? age : age + " ago";
}

std::string in_future(const shell_json& object, std::string_view name,
                      timestamp now) {
  auto age = show_age(object, name, now);
  return age.empty() ? age : "in " + age;
}

/// How long an attempt took, or takes already.
std::string time_taken(const shell_json& attempt, timestamp now) {
  auto ended = show(attempt, "ended_at");
  if (ended.empty())
    return show_age(attempt, "started_at", now);
  auto until = parse_time(ended);
  return until ? show_age(attempt, "started_at", *until) : std::string{};
}

/// A list that may have been cut.
std::string view_page(const text_table& table, const shell_json& answer,
                      const view_context& context) {
  auto out
    = table.size() == 0 ? std::string{nothing} : table.render(context.on);
  if (auto next = show(answer, "next"); !next.empty())
    out += paint("there may be more: --after=" + next, tone::dim, context.on)
           + "\n";
  return out;
}

std::string view_attempts(const shell_json& job, const view_context& context) {
  auto& attempts = member(job, "attempts");
  if (!attempts.is_array() || attempts.empty())
    return {};
  text_table table{{{"ATTEMPT", true},
                    {"OUTCOME"},
                    {"WORKER", false, true},
                    {"STARTED", true},
                    {"TOOK", true},
                    {"ERROR", false, true}}};
  for (auto& each : attempts)
    table.add({{show(each, "attempt")},
               state_cell(show(each, "outcome")),
               {show(each, "worker")},
               {ago(each, "started_at", context.now)},
               {time_taken(each, context.now)},
               {show(each, "error")}});
  std::string out = "\n";
  if (auto dropped = show(job, "attempts_dropped");
      !dropped.empty() && dropped != "0")
    out += fmt::format("{} earlier attempts are not kept\n", dropped);
  return out + table.render(context.on);
}

} // namespace

std::string view_queues(const shell_json& answer, const view_context& context) {
  text_table table{{{"QUEUE", false, true},
                    {"STATE"},
                    {"READY", true},
                    {"OLDEST", true},
                    {"SCHEDULED", true},
                    {"LEASED", true},
                    {"DEAD", true},
                    {"IN/S", true},
                    {"OUT/S", true},
                    {"FAILED/S", true, false, true}}};
  for (auto& each : member(answer, "queues")) {
    auto& depth = member(each, "depth");
    auto& rates = member(each, "rates");
    auto& paused = member(member(each, "settings"), "paused");
    table.add({{show(each, "name")},
               state_cell(paused == true ? "paused" : "running"),
               {show(depth, "ready")},
               {show_duration(each, "oldest_wait")},
               {show(depth, "scheduled")},
               {show(depth, "leased")},
               alarming(show(depth, "dead"), tone::bad),
               {show_rate(rates, "enqueued")},
               {show_rate(rates, "finished")},
               alarming(show_rate(rates, "failed"), tone::warning)});
  }
  return table.size() == 0 ? std::string{nothing} : table.render(context.on);
}

std::string view_settings(const shell_json& answer,
                          const view_context& context) {
  auto& settings = member(answer, "settings");
  auto limit = [&settings](std::string_view name) {
    auto text = show(settings, name);
    return text == "0" ? std::string{"no limit"} : text;
  };
  auto& backoff = member(settings, "backoff");
  field_list fields;
  auto paused = member(settings, "paused") == true;
  fields.add("paused", show(settings, "paused"),
             paused ? tone::warning : tone::plain);
  for (auto name : {"max_depth", "max_running", "rate"})
    fields.add(name, limit(name));
  fields.add("retention", show(settings, "retention"));
  fields.add("backoff",
             fmt::format("{} to {}, factor {}, jitter {}", show(backoff, "min"),
                         show(backoff, "max"), show(backoff, "factor"),
                         show(backoff, "jitter")));
  auto letters = show(settings, "dead_letter");
  fields.add("dead_letter", letters.empty() ? "none" : letters);
  return fields.render(context.on);
}

std::string view_queue(const shell_json& answer, const view_context& context) {
  auto title = [&](std::string_view text) {
    return "\n" + paint(text, tone::strong, context.on) + "\n";
  };
  auto all = [&](const shell_json& object, auto how) {
    field_list fields;
    if (object.is_object())
      for (auto& [name, value] : object.items())
        fields.add(name, how(object, name));
    return fields.render(context.on);
  };
  auto plain = [](const shell_json& object, const std::string& name) {
    return show(object, name);
  };
  auto rate = [](const shell_json& object, const std::string& name) {
    return show_rate(object, name);
  };
  field_list head;
  auto oldest = show_duration(answer, "oldest_wait");
  head.add("queue", show(answer, "name"), tone::strong);
  head.add("oldest ready job waits", oldest);
  return head.render(context.on) + title("Jobs")
         + all(member(answer, "depth"), plain) + title("Since the beginning")
         + all(member(answer, "totals"), plain) + title("Per second")
         + all(member(answer, "rates"), rate) + title("Settings")
         + view_settings(answer, context);
}

std::string view_jobs(const shell_json& answer, const view_context& context) {
  text_table table{{{"JOB", true},
                    {"STATE"},
                    {"HANDLER", false, true, true},
                    {"ATTEMPT"},
                    {"PRIORITY", true, false, true},
                    {"ENQUEUED", true},
                    {"WORKER", false, true},
                    {"PROGRESS OR ERROR", false, true}}};
  for (auto& each : member(answer, "jobs")) {
    auto state = show(each, "state");
    auto note = show(each, "progress");
    if (state != "leased" || note.empty())
      note = show(each, "error");
    table.add({{show(each, "id")},
               state_cell(state),
               {show(each, "handler")},
               {attempts_of(each)},
               {show(each, "priority")},
               {ago(each, "enqueued_at", context.now)},
               {show(each, "worker")},
               {note}});
  }
  if (table.size() == 0)
    return std::string{nothing};
  auto out = table.render(context.on);
  if (auto next = show(answer, "next"); !next.empty())
    out
      += paint("there are more: --after=" + next, tone::dim, context.on) + "\n";
  return out;
}

std::string view_job(const shell_json& answer, const view_context& context) {
  auto now = context.now;
  auto state = show(answer, "state");
  field_list fields;
  fields.add("job", show(answer, "id"), tone::strong);
  fields.add("queue", show(answer, "queue"));
  fields.add("handler", show(answer, "handler"));
  fields.add("state", state, tone_of_state(state));
  fields.add("attempt", attempts_of(answer));
  fields.add("priority", show(answer, "priority"));
  fields.add("timeout", show(answer, "timeout"));
  fields.add("worker", show(answer, "worker"));
  fields.add("progress", show(answer, "progress"));
  fields.add("error", show(answer, "error"), tone::bad);
  fields.add("enqueued", ago(answer, "enqueued_at", now));
  if (state == "scheduled")
    fields.add("due", in_future(answer, "due_at", now));
  fields.add("started", ago(answer, "started_at", now));
  fields.add("finished", ago(answer, "finished_at", now));
  if (state == "scheduled" || state == "ready")
    fields.add("expires", in_future(answer, "expires_at", now));
  if (state == "leased")
    fields.add("lease ends", in_future(answer, "lease_deadline", now));
  fields.add("payload", show(answer, "payload_bytes").empty()
                          ? ""
                          : show(answer, "payload_bytes") + " bytes");
  return fields.render(context.on) + view_attempts(answer, context);
}

std::string view_leases(const shell_json& answer, const view_context& context) {
  text_table table{{{"TOKEN"},
                    {"JOB", true},
                    {"QUEUE", false, true},
                    {"HANDLER", false, true},
                    {"ATTEMPT", true},
                    {"WORKER", false, true},
                    {"RUNS FOR", true},
                    {"ENDS IN", true}}};
  for (auto& each : member(answer, "leases"))
    table.add({{show(each, "token")},
               {show(each, "id")},
               {show(each, "queue")},
               {show(each, "handler")},
               {show(each, "attempt")},
               {show(each, "worker")},
               {show_age(each, "started_at", context.now)},
               {show_age(each, "deadline", context.now)}});
  return view_page(table, answer, context);
}

std::string view_metrics(const shell_json& answer,
                         const view_context& context) {
  text_table table{
    {{"NAME", false, true}, {"LABELS", false, true}, {"VALUE", true}}};
  for (auto& each : answer)
    table.add(
      {{show(each, "name")}, {show(each, "labels")}, {show(each, "value")}});
  return table.size() == 0 ? std::string{nothing} : table.render(context.on);
}

shell_json parse_metrics(std::string_view text, std::string_view prefix,
                         std::size_t limit) {
  auto result = shell_json::array();
  while (!text.empty() && result.size() < limit) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with('#') || !line.starts_with(prefix))
      continue;
    // A label's value may hold blanks and braces.
    auto open = line.find_first_of("{ ");
    auto close
      = open != line.npos && line[open] == '{' ? line.rfind('}') : line.npos;
    auto value = line.find(' ', close == line.npos ? 0 : close);
    if (value == line.npos)
      continue;
    auto labels = close == line.npos ? std::string_view{}
                                     : line.substr(open + 1, close - open - 1);
    result.push_back({{"name", line.substr(0, open)},
                      {"labels", labels},
                      {"value", line.substr(value + 1)}});
  }
  return result;
}

shell_view view_of(std::string_view command) {
  constexpr std::array<std::pair<std::string_view, shell_view>, 14> views{
    {{"nodes", view_nodes},
     {"tree", view_tree},
     {"actors", view_actors},
     {"top", view_actors},
     {"actor", view_actor},
     {"state", view_state},
     {"workers", view_workers},
     {"worker", view_worker},
     {"queues", view_queues},
     {"queue", view_queue},
     {"jobs", view_jobs},
     {"job", view_job},
     {"leases", view_leases},
     {"set", view_settings}}};
  for (auto& [name, view] : views)
    if (name == command)
      return view;
  return nullptr;
}

} // namespace muster
