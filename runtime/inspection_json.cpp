#include "runtime/inspection_json.hpp"

#include "runtime/http_text.hpp"
#include "runtime/json_render.hpp"

#include <fmt/format.h>

#include <iterator>

namespace muster {

namespace {

void add_text(std::string& out, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(out), R"("{}":)", name);
  append_json_string(out, value);
  out.push_back(',');
}

void add_number(std::string& out, std::string_view name, std::uint64_t value) {
  fmt::format_to(std::back_inserter(out), R"("{}":{},)", name, value);
}

void add_time(std::string& out, std::string_view name, timestamp at) {
  add_text(out, name, format_time(at));
}

/// Replaces the comma behind the last member.
void finish(std::string& out, char end) {
  if (out.back() == ',')
    out.back() = end;
  else
    out.push_back(end);
}

} // namespace

void render(std::string& out, const actor_row& row, std::string_view node,
            bool alone) {
  out.push_back('{');
  add_text(out, "name", row.name);
  add_text(out, "type", row.type);
  add_text(out, "parent", row.parent);
  add_text(out, "node", node);
  add_number(out, "id", row.id);
  add_text(out, "state", to_string(row.state));
  add_time(out, "started_at", row.started_at);
  add_number(out, "messages_in", row.messages_in);
  add_number(out, "messages_out", row.messages_out);
  fmt::format_to(std::back_inserter(out), R"("busy_ms":{}.{:03},)",
                 row.busy_us / 1'000, row.busy_us % 1'000);
  add_number(out, "mailbox", row.mailbox);
  add_number(out, "oldest_waiting_ms",
             static_cast<std::uint64_t>(row.oldest_waiting.count()));
  if (!row.last_error.empty())
    add_text(out, "last_error", row.last_error);
  if (row.last_message_at != timestamp{})
    add_time(out, "last_message_at", row.last_message_at);
  if (alone) {
    add_number(out, "restarts", row.restarts);
    if (!row.parent.empty())
      add_text(out, "supervisor", row.parent);
  }
  finish(out, '}');
}

void render(std::string& out, const trace_part& part, std::string_view node) {
  out += R"({"events":[)";
  for (auto& event : part.events) {
    out.push_back('{');
    add_time(out, "at", event.at);
    add_text(out, "actor", event.actor);
    add_text(out, "node", node);
    add_text(out, "from", event.from);
    add_text(out, "message", event.message);
    add_number(out, "busy_us", event.busy_us);
    finish(out, '}');
    out.push_back(',');
  }
  finish(out, ']');
  out.push_back(',');
  add_number(out, "dropped", part.dropped);
  fmt::format_to(std::back_inserter(out), R"("ended":{},)", part.ended);
  if (part.ended)
    add_text(out, "reason", part.reason);
  finish(out, '}');
}

void render(std::string& out, const log_ring::part& part, log_level level) {
  out += R"({"lines":[)";
  for (auto& line : part.lines) {
    out.push_back('{');
    add_number(out, "n", line.number);
    add_time(out, "at", line.at);
    add_text(out, "level", to_string(line.level));
    for (auto& [name, value] : line.fields)
      if (name == "component")
        add_text(out, "component", value);
    add_text(out, "text", line.text);
    out += R"("fields":{)";
    for (auto& [name, value] : line.fields) {
      if (name == "component")
        continue;
      append_json_string(out, name);
      out.push_back(':');
      append_json_string(out, value);
      out.push_back(',');
    }
    finish(out, '}');
    out += "},";
  }
  finish(out, ']');
  out.push_back(',');
  add_number(out, "next", part.next);
  add_number(out, "missed", part.missed);
  add_text(out, "level", to_string(level));
  finish(out, '}');
}

void render(std::string& out, std::span<const supervisor_info> all,
            std::string_view node) {
  out.push_back('[');
  for (auto& each : all) {
    // Those below others are shown there.
    if (each.path != each.id)
      continue;
    render(out, each, all);
    if (!node.empty()) {
      out.back() = ',';
      add_text(out, "node", node);
      finish(out, '}');
    }
    out.push_back(',');
  }
  finish(out, ']');
}

} // namespace muster
