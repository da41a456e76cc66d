#include "runtime/shell_top.hpp"

#include "runtime/queue_client.hpp"
#include "runtime/shell_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace muster {

namespace {

/// An actor that was started again is another one.
using actor_key = std::tuple<std::string, std::string, std::string>;

struct figures {
  double busy_ms = 0;
  double in = 0;
  double out = 0;
};

double number(const shell_json& object, std::string_view name) {
  auto& value = member(object, name);
  return value.is_number() ? value.get<double>() : 0;
}

actor_key key_of(const shell_json& actor) {
  return {show(actor, "node"), show(actor, "name"), show(actor, "id")};
}

figures figures_of(const shell_json& actor) {
  return {number(actor, "busy_ms"), number(actor, "messages_in"),
          number(actor, "messages_out")};
}

/// What it is sorted by, the greatest first.
double weight_of(const shell_json& actor, std::string_view order) {
  if (order == "busy")
    return number(actor, "busy_percent");
  if (order == "messages")
    return number(actor, "in_rate") + number(actor, "out_rate");
  return number(actor, "mailbox");
}

std::string percent(const shell_json& object, std::string_view name) {
  auto value = number(object, name);
  return value < 0.05 ? "0" : fmt::format("{:.1f}", value);
}

} // namespace

struct actor_window::state {
  std::map<actor_key, figures> before;
  timestamp looked_at;
  shell_json answer;
};

actor_window::actor_window() : state_(std::make_unique<state>()) {
  // nop
}

actor_window::~actor_window() = default;

void actor_window::add(shell_json answer, timestamp now) {
  std::map<actor_key, figures> seen;
  auto earlier = state_->looked_at;
  if (!answer.is_object())
    answer = shell_json::object();
  auto& actors = answer["actors"];
  if (!actors.is_array())
    actors = shell_json::array();
  for (auto& actor : actors) {
    if (!actor.is_object())
      continue;
    auto key = key_of(actor);
    auto total = figures_of(actor);
    auto known = state_->before.find(key);
    auto base = known != state_->before.end() ? known->second : figures{};
    auto since = earlier;
    if (known == state_->before.end())
      since = parse_time(show(actor, "started_at")).value_or(timestamp{});
    auto elapsed = std::max(static_cast<double>((now - since).count()), 1.0);
    auto rate = [elapsed](double value) {
      return std::max(value, 0.0) * 1'000 / elapsed;
    };
    actor["busy_percent"]
      = std::min(rate(total.busy_ms - base.busy_ms) / 10, 100.0);
    actor["in_rate"] = rate(total.in - base.in);
    actor["out_rate"] = rate(total.out - base.out);
    seen.emplace(std::move(key), total);
  }
  state_->before = std::move(seen);
  state_->looked_at = now;
  state_->answer = std::move(answer);
}

shell_json actor_window::rows(std::string_view order, std::size_t limit) const {
  auto result = state_->answer;
  if (!result.is_object())
    return shell_json::object();
  auto& actors = result["actors"];
  std::vector<shell_json> sorted(actors.begin(), actors.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [order](const shell_json& a, const shell_json& b) {
                     return order == "name"
                              ? show(a, "name") < show(b, "name")
                              : weight_of(a, order) > weight_of(b, order);
                   });
  sorted.resize(std::min(sorted.size(), limit));
  actors = std::move(sorted);
  return result;
}

std::string view_top(const shell_json& answer, const view_context& context) {
  text_table table{{{"ACTOR", false, true},
                    {"NODE", false, true},
                    {"STATE"},
                    {"BUSY %", true},
                    {"MAILBOX", true},
                    {"OLDEST", true},
                    {"IN/S", true},
                    {"OUT/S", true},
                    {"UP", true, false, true}}};
  for (auto& each : member(answer, "actors")) {
    auto state = show(each, "state");
    table.add({{show(each, "name")},
               {show(each, "node")},
               {state, tone_of_state(state)},
               {percent(each, "busy_percent")},
               {show(each, "mailbox")},
               {show_millis(each, "oldest_waiting_ms")},
               {show_rate(each, "in_rate")},
               {show_rate(each, "out_rate")},
               {show_age(each, "started_at", context.now)}});
  }
  return table.render(context.on) + view_silent_nodes(answer, context);
}

} // namespace muster
