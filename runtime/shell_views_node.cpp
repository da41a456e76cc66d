#include "runtime/shell_table.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_views.hpp"
#include "runtime/shell_words.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr std::string_view nothing = "(none)\n";

table_cell state_cell(const shell_json& row) {
  auto state = show(row, "state");
  auto how = tone_of_state(state);
  return {std::move(state), how};
}

/// A number that is worth a look unless it is 0.
table_cell alarming(const shell_json& row, std::string_view name, tone how) {
  auto text = show(row, name);
  return {text, text.empty() || text == "0" ? tone::plain : how};
}

/// Draws the branches of a tree.
class tree_writer {
public:
  explicit tree_writer(const view_context& context) : context_(context) {
    // nop
  }

  void supervisor(const shell_json& node, const std::string& title) {
    auto& on = context_.on;
    line("", paint(title, tone::strong, on)
               + fmt::format("  {}, at most {} restarts in {}",
                             show(node, "strategy"), show(node, "max_restarts"),
                             show_duration(node, "period")));
    children(node, "");
  }

  std::string out;

private:
  void children(const shell_json& node, const std::string& indent) {
    auto& list = member(node, "children");
    if (!list.is_array())
      return;
    auto unicode = context_.on.unicode;
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto last = i + 1 == list.size();
      auto branch = unicode ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- ");
      auto below = unicode ? (last ? "   " : "│  ") : (last ? "   " : "|  ");
      line(indent + branch, describe(list[i]));
      auto inner = indent + below;
      if (auto error = show(list[i], "last_error"); !error.empty())
        details(inner, "last error: " + error);
      if (list[i].contains("supervisor"))
        children(list[i]["supervisor"], inner);
    }
  }

  std::string describe(const shell_json& child) {
    auto& on = context_.on;
    auto state = show(child, "state");
    auto result = paint(show(child, "id"), tone::strong, on) + "  "
                  + paint(state, tone_of_state(state), on) + " "
                  + show_age(child, "since", context_.now);
    auto restarts = show(child, "restarts");
    if (!restarts.empty() && restarts != "0")
      result += paint(
        fmt::format(", {} restart{}", restarts, restarts == "1" ? "" : "s"),
        tone::warning, on);
    if (child.contains("supervisor"))
      result += "  " + show(child["supervisor"], "strategy");
    return result;
  }

  void details(const std::string& indent, const std::string& text) {
    auto& on = context_.on;
    auto room = on.width == 0
                  ? std::string::npos
                  : on.width - std::min(on.width, display_width(indent));
    line(indent, paint(fit(text, room, on.unicode), tone::dim, on));
  }

  void line(const std::string& indent, const std::string& text) {
    out += paint(indent, tone::dim, context_.on) + text + "\n";
  }

  const view_context& context_;
};

} // namespace

std::string view_silent_nodes(const shell_json& answer,
                              const view_context& context) {
  std::string out;
  for (auto& each : member(answer, "nodes")) {
    auto state = show(each, "state");
    if (state.empty() || state == "ok")
      continue;
    auto line = fmt::format("{}: {}", show(each, "name"), state);
    if (auto error = show(each, "error"); !error.empty())
      line += ", " + error;
    out += paint(line, tone::bad, context.on) + "\n";
  }
  return out;
}

std::string view_nodes(const shell_json& answer, const view_context& context) {
  text_table table{{{"NODE", false, true},
                    {"STATE"},
                    {"ROLES", false, true, true},
                    {"ADDRESS", false, true},
                    {"HTTP", false, true},
                    {"UP", true},
                    {"HEARD", true, false, true},
                    {"LOAD", true, false, true},
                    {"RUNNING", true},
                    {"HELD", true, false, true},
                    {"RESTARTS", true, false, true}}};
  for (auto& each : member(answer, "nodes")) {
    auto& addresses = member(each, "addresses");
    table.add({{show(each, "name")},
               state_cell(each),
               {show(each, "roles")},
               {addresses.empty() ? "" : show(addresses.front())},
               {show(each, "http")},
               {show_age(each, "started", context.now)},
               {show_duration(each, "heartbeat_age")},
               {show(each, "load")},
               {show(each, "running")},
               {show(each, "held")},
               alarming(each, "restarts", tone::warning)});
  }
  return table.render(context.on);
}

std::string view_tree(const shell_json& answer, const view_context& context) {
  tree_writer writer{context};
  for (auto& each : member(answer, "supervisors")) {
    auto title = show(each, "path");
    if (auto node = show(each, "node"); !node.empty())
      title = node + ": " + title;
    writer.supervisor(each, title);
  }
  auto silent = view_silent_nodes(answer, context);
  if (writer.out.empty() && silent.empty())
    return std::string{nothing};
  return writer.out + silent;
}

std::string view_actors(const shell_json& answer, const view_context& context) {
  text_table table{{{"ACTOR", false, true},
                    {"NODE", false, true},
                    {"STATE"},
                    {"MAILBOX", true},
                    {"OLDEST", true},
                    {"BUSY", true},
                    {"IN", true},
                    {"OUT", true, false, true},
                    {"UP", true, false, true},
                    {"LAST ERROR", false, true}}};
  for (auto& each : member(answer, "actors"))
    table.add({{show(each, "name")},
               {show(each, "node")},
               state_cell(each),
               alarming(each, "mailbox", tone::warning),
               {show_millis(each, "oldest_waiting_ms")},
               {show_millis(each, "busy_ms")},
               {show(each, "messages_in")},
               {show(each, "messages_out")},
               {show_age(each, "started_at", context.now)},
               {show(each, "last_error"), tone::bad}});
  return (table.size() == 0 ? std::string{nothing} : table.render(context.on))
         + view_silent_nodes(answer, context);
}

std::string view_actor(const shell_json& answer, const view_context& context) {
  field_list fields;
  auto state = show(answer, "state");
  fields.add("actor", show(answer, "name"), tone::strong);
  fields.add("node", show(answer, "node"));
  fields.add("type", show(answer, "type"));
  fields.add("id", show(answer, "id"));
  fields.add("parent", show(answer, "parent"));
  fields.add("state", state, tone_of_state(state));
  fields.add("up", show_age(answer, "started_at", context.now));
  fields.add("mailbox", show(answer, "mailbox"));
  fields.add("oldest waits", show_millis(answer, "oldest_waiting_ms"));
  fields.add("messages in", show(answer, "messages_in"));
  fields.add("messages out", show(answer, "messages_out"));
  fields.add("busy", show_millis(answer, "busy_ms"));
  if (auto last = show_age(answer, "last_message_at", context.now);
      !last.empty())
    fields.add("last message", last + " ago");
  fields.add("supervisor", show(answer, "supervisor"));
  fields.add("restarts", show(answer, "restarts"));
  fields.add("last error", show(answer, "last_error"), tone::bad);
  return fields.render(context.on);
}

std::string view_state(const shell_json& answer, const view_context& context) {
  auto text = member(answer, "state")
                .dump(2, ' ', false, shell_json::error_handler_t::replace);
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    auto room = context.on.width == 0 ? std::string::npos : context.on.width;
    out += fit(line, room, context.on.unicode) + "\n";
  }
  return out;
}

std::string view_workers(const shell_json& answer,
                         const view_context& context) {
  text_table table{{{"WORKER", false, true},
                    {"STATE"},
                    {"QUEUES", false, true},
                    {"RUNNING", true},
                    {"OF", true},
                    {"HELD", true, false, true},
                    {"FINISHED", true},
                    {"FAILED", true},
                    {"HEARD", true},
                    {"UP", true, false, true}}};
  for (auto& each : member(answer, "workers")) {
    auto queues = show(each, "queues");
    table.add({{show(each, "name")},
               state_cell(each),
               {queues.empty() ? "all" : queues},
               {show(each, "running")},
               {show(each, "concurrency")},
               {show(each, "held")},
               {show(each, "finished")},
               alarming(each, "failed", tone::warning),
               {show_duration(each, "heartbeat_age")},
               {show_age(each, "since", context.now)}});
  }
  return table.size() == 0 ? std::string{nothing} : table.render(context.on);
}

std::string view_worker(const shell_json& answer, const view_context& context) {
  field_list fields;
  auto state = show(answer, "state");
  auto queues = show(answer, "queues");
  fields.add("worker", show(answer, "name"), tone::strong);
  fields.add("incarnation", show(answer, "incarnation"));
  fields.add("state", state, tone_of_state(state));
  fields.add("queues", queues.empty() ? "all" : queues);
  fields.add("running",
             show(answer, "running") + " of " + show(answer, "concurrency"));
  fields.add("held", show(answer, "held"));
  fields.add("credit", show(answer, "credit"));
  fields.add("finished", show(answer, "finished"));
  fields.add("failed", show(answer, "failed"));
  fields.add("since", show_age(answer, "since", context.now) + " ago");
  fields.add("last heard", show_duration(answer, "heartbeat_age") + " ago");
  return fields.render(context.on);
}

std::string view_event(const shell_json& event, const view_context& context) {
  auto from = show(event, "from");
  auto& busy = member(event, "busy_us");
  auto text = fmt::format("{}  {}", show(event, "at"), show(event, "message"));
  if (!from.empty())
    text += "  from " + from;
  if (busy.is_number())
    text += fmt::format("  {} us", show(busy));
  auto room = context.on.width == 0 ? std::string::npos : context.on.width;
  return fit(text, room, context.on.unicode) + "\n";
}

std::string view_log_line(const shell_json& line, const view_context& context) {
  auto level = show(line, "level");
  auto how = level == "error"     ? tone::bad
             : level == "warning" ? tone::warning
             : level == "debug"   ? tone::dim
                                  : tone::plain;
  std::string text;
  for (auto name : {"at", "level", "component"})
    if (auto part = show(line, name); !part.empty())
      text += part + "  ";
  text += show(line, "text");
  if (auto& fields = member(line, "fields"); fields.is_object())
    for (auto& [name, value] : fields.items())
      text += "  " + name + "=" + quote_word(show(value));
  return paint(text, how, context.on) + "\n";
}

} // namespace muster
