#include "persistence/duration.hpp"
#include "runtime/shell_runner.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

// `log`: a node's log, as it is written, and what is written there at all.

namespace muster {

namespace {

constexpr millis poll_wait{5'000};
/// Before a node that is gone is asked again.
constexpr millis retry_pause{1'000};
/// Of one look.
constexpr int log_rows = 500;

/// Whether asking again may help: nodes come back.
bool may_pass(const shell_failure& why) {
  return why.status == 0 || why.status == 404 || why.status == 429
         || why.status >= 500;
}

bool is_less(std::string_view level, std::string_view than) {
  auto& levels = words_of(word_kind::log_level);
  return std::find(levels.begin(), levels.end(), level)
         < std::find(levels.begin(), levels.end(), than);
}

shell_request more_of(const std::string& target, std::uint64_t after,
                      millis wait) {
  shell_request result;
  result.target = fmt::format("{}&limit={}&after={}&wait={}", target, log_rows,
                              after, format_duration(wait));
  return result;
}

} // namespace

shell_outcome shell_runner::run_log(const shell_call& call) {
  if (call.option("set") != nullptr)
    return set_log_level(call);
  auto request = log_request(call);
  auto target = request.target;
  request.target += "&limit=" + call.option_or("limit", "20");
  auto answer = ask_json(request);
  if (!answer)
    return report(answer.error());
  if (console_.json()) {
    show("log", *answer);
    return shell_outcome::done;
  }
  print_log(*answer);
  auto asked = call.arguments.empty() ? "info" : call.argument(0);
  auto logged = muster::show(*answer, "level");
  if (!logged.empty() && is_less(asked, logged))
    console_.complain(
      fmt::format("(nothing below {} is logged: 'log --set={}' changes that)\n",
                  printable(logged), asked));
  auto& next = member(*answer, "next");
  auto follow = console_.live() && call.option("once") == nullptr;
  if (!follow || !next.is_number_unsigned())
    return shell_outcome::done;
  return follow_log(target, call.option_or("node", ""),
                    next.get<std::uint64_t>());
}

// A node that is gone is asked until it is back.
shell_outcome shell_runner::follow_log(const std::string& target,
                                       const std::string& node,
                                       std::uint64_t after) {
  auto incarnation = incarnation_of(node);
  auto lost = false;
  while (!console_.gone()) {
    auto wait = lost ? millis{0} : poll_wait;
    auto answer = ask_json(more_of(target, after, wait), wait);
    if (answer) {
      if (std::exchange(lost, false)) {
        console_.complain("(it answers again)\n");
        // Of another process, which counts its lines anew.
        auto now = incarnation_of(node);
        if (std::exchange(incarnation, now) != now
            && std::exchange(after, 0) != 0)
          continue;
      }
      print_log(*answer);
      if (auto& next = member(*answer, "next"); next.is_number_unsigned())
        after = next.get<std::uint64_t>();
      continue;
    }
    auto& why = answer.error();
    if (why.code == to_string(errc::cancelled) || !may_pass(why))
      return report(why);
    if (!std::exchange(lost, true)) {
      (void)report(why);
      console_.complain("(it is asked again until Ctrl-C)\n");
    }
    if (!console_.pause(retry_pause))
      return stopped();
  }
  return shell_outcome::done;
}

std::string shell_runner::incarnation_of(std::string_view node) {
  shell_request request;
  request.target = "/v1/nodes";
  auto answer = ask_json(request);
  if (answer)
    for (auto& each : member(*answer, "nodes"))
      if (node.empty() ? muster::show(each, "state") == "self"
                       : muster::show(each, "name") == node)
        return muster::show(each, "incarnation");
  return {};
}

shell_outcome shell_runner::set_log_level(const shell_call& call) {
  if (!call.arguments.empty() || call.option("limit") != nullptr
      || call.option("once") != nullptr)
    return refuse("--set shows nothing: only --node goes with it");
  auto answer = ask_json(log_level_request(call));
  if (!answer)
    return report(answer.error());
  auto node = call.option_or("node", session_.node_name());
  say(*answer, fmt::format("{} logs {} and above, until it ends\n",
                           node.empty() ? "the node" : printable(node),
                           printable(muster::show(*answer, "level"))));
  return shell_outcome::done;
}

void shell_runner::print_log(const shell_json& answer) {
  if (auto missed = muster::show(answer, "missed");
      !missed.empty() && missed != "0")
    console_.print(
      fmt::format("({} lines are not kept any more)\n", printable(missed)));
  for (auto& each : member(answer, "lines"))
    console_.print(view_log_line(make_printable(each), context()));
}

} // namespace muster
