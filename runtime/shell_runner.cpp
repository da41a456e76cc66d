#include "runtime/shell_runner.hpp"

#include "actors/utf8.hpp"
#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_text.hpp"
#include "runtime/node_name.hpp"
#include "runtime/shell_help.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t largest_payload = std::size_t{16} << 20;
/// Of a payload.
constexpr std::size_t largest_preview = std::size_t{1} << 20;
constexpr int accepted = 202;

/// Bytes as a member of an answer in JSON.
shell_json describe_bytes(std::string_view bytes, std::size_t total) {
  shell_json result{{"bytes", total}};
  auto text = bytes;
  // The end may have cut a character.
  for (int i = 0; i < 3 && total > bytes.size() && clean_utf8(text) != text;
       ++i)
    text.remove_suffix(text.empty() ? 0 : 1);
  if (clean_utf8(text) == text)
    result["text"] = text;
  else
    result["base64"] = base64_encode(bytes);
  result["truncated"] = total > bytes.size();
  return result;
}

std::string more_bytes(std::size_t shown, std::size_t total,
                       std::string_view how) {
  if (shown >= total)
    return {};
  return fmt::format("({} of {} bytes; {})\n", shown, total, how);
}

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

expected<std::string> read_payload(const shell_call& call) {
  auto* file = call.option("file");
  if (file == nullptr)
    return std::string{call.argument(1)};
  if (call.arguments.size() > 1)
    return fail_with(errc::invalid_argument,
                     "either a payload or --file, not both");
  std::ifstream in{*file, std::ios::binary};
  std::string result(largest_payload + 1, '\0');
  if (!in || !in.read(result.data(), 0))
    return fail_with(errc::io_error,
                     fmt::format("cannot read '{}'", printable(*file)));
  in.read(result.data(), static_cast<std::streamsize>(result.size()));
  if (in.bad())
    return fail_with(errc::io_error,
                     fmt::format("cannot read '{}'", printable(*file)));
  result.resize(static_cast<std::size_t>(in.gcount()));
  if (result.size() > largest_payload)
    return fail_with(errc::payload_too_large,
                     fmt::format("'{}' is over 16 MiB", printable(*file)));
  return result;
}

std::size_t size_option(const shell_call& call, std::string_view fallback) {
  return parse_size("bytes", call.option_or("bytes", fallback)).value_or(0);
}

millis duration_option(const shell_call& call, std::string_view name,
                       std::string_view fallback) {
  return parse_duration(call.option_or(name, fallback)).value_or(millis{0});
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
  if (call->command->effect == command_effect::changes && !write)
    return fail_with(errc::refused,
                     fmt::format("{} changes something: 'enable' first, or "
                                 "start with --write",
                                 call->command->name));
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

shell_outcome shell_runner::run_job(const shell_call& call) {
  auto answer = ask_json(to_request(call).value());
  if (!answer)
    return report(answer.error());
  auto payload = ask_payload(call);
  if (!payload && payload.error().status == 0)
    return report(payload.error());
  if (console_.json()) {
    if (payload && payload->is_object())
      (*answer)["payload"] = *payload;
    console_.print(write_json(*answer) + "\n");
    return shell_outcome::done;
  }
  auto out = view_job(make_printable(*answer), context());
  if (payload && payload->is_object()) {
    auto total = member(*payload, "bytes").get<std::size_t>();
    auto bytes
      = payload->contains("text")
          ? muster::show(*payload, "text")
          : base64_decode(muster::show(*payload, "base64")).value_or("");
    if (!bytes.empty())
      out += "\n" + show_bytes(bytes);
    out += more_bytes(bytes.size(), total, "--bytes shows more");
  }
  console_.print(out);
  return shell_outcome::done;
}

shell_result<shell_json> shell_runner::ask_payload(const shell_call& call) {
  auto size = std::min(size_option(call, "256"), largest_preview);
  if (size == 0)
    return shell_json{};
  shell_request request;
  request.target = fmt::format("/v1/jobs/{}/payload?limit={}",
                               percent_encode(call.argument(0)), size);
  auto reply = session_.ask(request, millis{0}, shell_session::largest_reply);
  if (!reply)
    return tl::unexpected{std::move(reply.error())};
  auto total = parse_unsigned(
    reply->header("Muster-Payload-Bytes").value_or(std::string_view{}));
  return describe_bytes(reply->body, total.value_or(reply->body.size()));
}

shell_outcome shell_runner::run_result(const shell_call& call) {
  auto reply
    = session_.ask(to_request(call).value(), duration_option(call, "wait", "0"),
                   shell_session::largest_reply);
  if (!reply)
    return report(reply.error());
  if (reply->status == accepted)
    return report(
      {"not_finished", accepted,
       fmt::format("job {} has no result yet", printable(call.argument(0)))});
  std::string_view bytes = reply->body;
  auto all = call.option("all") != nullptr;
  auto part = all ? bytes : bytes.substr(0, size_option(call, "1KiB"));
  if (console_.json()) {
    auto value = describe_bytes(part, bytes.size());
    value["id"] = call.argument(0);
    console_.print(write_json(value) + "\n");
  } else if (all && console_.look().width == 0) {
    console_.print(bytes);
  } else {
    console_.print(show_bytes(part)
                   + more_bytes(part.size(), bytes.size(), "--all shows all"));
  }
  return shell_outcome::done;
}

shell_outcome shell_runner::run_enqueue(const shell_call& call) {
  auto payload = read_payload(call);
  if (!payload && payload.error().code == errc::invalid_argument)
    return refuse(payload.error().message);
  if (!payload)
    return report(failure_of(payload.error()).value());
  auto request
    = enqueue_request(call, std::move(*payload), "shell-" + random_hex(24));
  auto answer = ask_json(request);
  // The key makes this safe.
  if (!answer && answer.error().code == to_string(errc::io_error))
    answer = ask_json(request);
  if (!answer)
    return report(answer.error());
  auto shown = make_printable(*answer);
  say(*answer,
      fmt::format("job {} of {} is {}\n", muster::show(shown, "id"),
                  muster::show(shown, "queue"), muster::show(shown, "state")));
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
