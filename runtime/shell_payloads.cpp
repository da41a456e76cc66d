#include "runtime/shell_runner.hpp"

#include "actors/utf8.hpp"
#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_text.hpp"
#include "runtime/node_name.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <utility>

// The commands that handle payloads and results.

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

} // namespace muster
