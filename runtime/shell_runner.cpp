#include "runtime/shell_runner.hpp"

#include "runtime/http_text.hpp"
#include "runtime/shell_help.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <utility>

namespace muster {

namespace {

/// What a change came to, for a person.
std::string confirm(const shell_call& call, const shell_json& answer) {
  auto name = call.command->name;
  auto what = printable(call.argument(0));
  if (name == "cancel" || name == "retry")
    return fmt::format("job {} is {}", what, show(answer, "state"));
  if (name == "purge")
    return fmt::format("removed {} {} jobs of {}", show(answer, "removed"),
                       call.argument(1), what);
  if (name == "pause")
    return fmt::format("{} is paused", what);
  if (name == "resume")
    return fmt::format("{} goes on", what);
  if (name == "restart")
    return fmt::format("{} was restarted", what);
  if (name == "stop")
    return fmt::format("{} is stopped; 'restart {}' starts it", what, what);
  if (name == "kill")
    return fmt::format("{} was killed", what);
  if (name == "drain")
    return fmt::format("{} drains, and ends then", what);
  return "done";
}

} // namespace

shell_runner::shell_runner(shell_session& session, shell_console& console,
                           settings with)
  : session_(session), console_(console), write_(with.write), keys_(with.keys) {
  // nop
}

expected<shell_call> shell_runner::check(const shell_words& words,
                                         bool& write) {
  auto call = parse_call(words);
  if (!call)
    return call;
  if (auto change = call->change(); !change.empty() && !write)
    return fail_with(errc::refused,
                     fmt::format("{} changes something: 'enable' first, or "
                                 "start with --write",
                                 change));
  if (call->command->name == "enable")
    write = true;
  else if (call->command->name == "disable")
    write = false;
  return call;
}

shell_outcome shell_runner::run(const shell_words& words) {
  auto write = write_;
  auto call = check(words, write);
  if (!call)
    return refuse(call.error().message);
  auto act = action_of(call->command->name);
  return act == nullptr ? run_request(*call) : (this->*act)(*call);
}

shell_runner::action shell_runner::action_of(std::string_view command) {
  static constexpr std::array<std::pair<std::string_view, action>, 13> actions{
    {{"help", &shell_runner::run_help},
     {"quit", &shell_runner::run_quit},
     {"enable", &shell_runner::run_enable},
     {"disable", &shell_runner::run_enable},
     {"connect", &shell_runner::run_connect},
     {"worker", &shell_runner::run_worker},
     {"metrics", &shell_runner::run_metrics},
     {"job", &shell_runner::run_job},
     {"result", &shell_runner::run_result},
     {"enqueue", &shell_runner::run_enqueue},
     {"top", &shell_runner::run_top},
     {"trace", &shell_runner::run_trace},
     {"log", &shell_runner::run_log}}};
  for (auto& [name, act] : actions)
    if (name == command)
      return act;
  return nullptr;
}

shell_outcome shell_runner::run_help(const shell_call& call) {
  auto name = call.argument(0);
  auto all = shell_json::array();
  for (auto& each : shell_commands())
    if (name.empty() || each.name == name)
      all.push_back({{"command", each.name},
                     {"usage", usage_of(each)},
                     {"purpose", each.purpose}});
  auto* command = find_command(name);
  say(all, command == nullptr ? help_overview(console_.look())
                              : help_on(*command, console_.look()));
  return shell_outcome::done;
}

shell_outcome shell_runner::run_quit(const shell_call&) {
  return shell_outcome::leave;
}

shell_outcome shell_runner::run_enable(const shell_call& call) {
  write_ = call.command->name == "enable";
  say({{"write", write_}}, write_ ? "commands that change something are "
                                    "allowed; 'disable' ends that\n"
                                  : "commands that change something are "
                                    "refused\n");
  return shell_outcome::done;
}

shell_outcome shell_runner::run_connect(const shell_call& call) {
  auto connected = session_.connect(call.argument(0));
  if (!connected)
    return report(connected.error());
  say({{"node", session_.node_name()}, {"http", session_.address()}},
      fmt::format("connected to {} at {}\n", session_.node_name(),
                  session_.address()));
  return shell_outcome::done;
}

shell_outcome shell_runner::run_request(const shell_call& call) {
  auto request = to_request(call);
  if (!request)
    return refuse(request.error().message);
  auto answer = ask_json(*request);
  if (!answer)
    return report(answer.error());
  if (view_of(call.command->name) != nullptr)
    show(call.command->name, *answer);
  else
    say(*answer, confirm(call, make_printable(*answer)) + "\n");
  return shell_outcome::done;
}

shell_outcome shell_runner::run_worker(const shell_call& call) {
  auto answer = ask_json(to_request(call).value());
  if (!answer)
    return report(answer.error());
  for (auto& each : member(*answer, "workers"))
    if (muster::show(each, "name") == call.argument(0)) {
      show("worker", each);
      return shell_outcome::done;
    }
  return report({"worker_not_found", 0,
                 fmt::format("the manager knows no worker '{}'",
                             printable(call.argument(0)))});
}

shell_outcome shell_runner::run_metrics(const shell_call& call) {
  auto reply = session_.ask(to_request(call).value());
  if (!reply)
    return report(reply.error());
  auto limit = parse_unsigned(call.option_or("limit", "100")).value_or(0);
  // One more, to see whether there is one.
  auto found = parse_metrics(reply->body, call.argument(0), limit + 1);
  auto more = found.size() > limit;
  if (more)
    found.erase(found.size() - 1);
  auto shown = view_metrics(make_printable(found), context());
  if (more)
    shown += "there are more: give a longer PREFIX or --limit\n";
  say(found, shown);
  return shell_outcome::done;
}

shell_result<shell_json> shell_runner::ask_json(const shell_request& request,
                                                millis wait) {
  auto reply = session_.ask(request, wait);
  if (!reply)
    return tl::unexpected{std::move(reply.error())};
  if (reply->body.empty())
    return shell_json::object();
  auto answer = parse_answer(reply->body);
  if (!answer)
    return failure_of(answer.error());
  return std::move(*answer);
}

void shell_runner::show(std::string_view command, const shell_json& answer) {
  if (console_.json())
    console_.print(write_json(answer) + "\n");
  else
    console_.print(view_of(command)(make_printable(answer), context()));
}

void shell_runner::say(const shell_json& as_json, std::string_view as_text) {
  console_.print(console_.json() ? write_json(as_json) + "\n"
                                 : std::string{as_text});
}

shell_outcome shell_runner::report(const shell_failure& failure) {
  if (failure.code == to_string(errc::cancelled) && failure.status == 0)
    return stopped();
  if (console_.json()) {
    shell_json why{{"code", failure.code}};
    if (failure.status != 0)
      why["status"] = failure.status;
    why["message"] = failure.text;
    console_.print(write_json({{"error", why}}) + "\n");
  } else {
    auto on = console_.look();
    console_.complain(paint(failure.text, tone::bad, on) + "\n");
  }
  return shell_outcome::failed;
}

shell_outcome shell_runner::refuse(std::string_view text) {
  (void)report(
    {std::string{to_string(errc::invalid_argument)}, 0, std::string{text}});
  return shell_outcome::misused;
}

shell_outcome shell_runner::stopped() {
  auto number = console_.take_signal();
  if (number == 0 || number == SIGINT)
    return shell_outcome::interrupted;
  signal_ = number;
  return shell_outcome::leave;
}

view_context shell_runner::context() const {
  return {console_.look(), std::chrono::time_point_cast<millis>(
                             std::chrono::system_clock::now())};
}

} // namespace muster
