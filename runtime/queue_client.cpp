#include "runtime/queue_client.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>

namespace muster {

namespace {

using nlohmann::json;

constexpr auto ask_interval = millis{20};

expected<json> json_of(const expected<http_reply>& reply) {
  if (!reply)
    return tl::unexpected<error>{reply.error()};
  if (!reply->ok())
    return tl::unexpected<error>{to_error(*reply)};
  auto result = json::parse(reply->body, nullptr, false);
  if (result.is_discarded())
    return fail_with(errc::malformed, "the node's answer is not JSON");
  return result;
}

timestamp time_of(const json& job, const char* name) {
  auto found = job.find(name);
  if (found == job.end() || !found->is_string())
    return {};
  return parse_time(found->get_ref<const std::string&>()).value_or(timestamp{});
}

} // namespace

std::uint64_t queue_depth::unfinished() const noexcept {
  return in(job_state::scheduled) + in(job_state::ready)
         + in(job_state::leased);
}

std::uint64_t queue_depth::all() const noexcept {
  return std::accumulate(by_state.begin(), by_state.end(), std::uint64_t{0});
}

error to_error(const http_reply& reply) {
  auto text = "HTTP status " + std::to_string(reply.status);
  auto problem = json::parse(reply.body, nullptr, false);
  for (auto name : {"detail", "title"})
    if (problem.is_object() && problem.contains(name)
        && problem[name].is_string())
      return {errc::unavailable,
              text + ": " + problem[name].get<std::string>()};
  return {errc::unavailable, text};
}

std::optional<timestamp> parse_time(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  int ms = 0;
  std::string copy{text};
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d.%3dZ", &year, &month,
                  &day, &hours, &minutes, &seconds, &ms)
      < 6)
    return std::nullopt;
  using namespace std::chrono;
  sys_days date{std::chrono::year{year} / std::chrono::month{month}
                / std::chrono::day{day}};
  return timestamp{date + std::chrono::hours{hours}
                   + std::chrono::minutes{minutes}
                   + std::chrono::seconds{seconds} + milliseconds{ms}};
}

queue_client::queue_client(const std::string& host, std::uint16_t port,
                           std::string queue, http_client_options options)
  : queue_(std::move(queue)),
    path_("/v1/queues/" + queue_),
    http_(host, port, std::move(options)) {
  // nop
}

expected<queue_depth> queue_client::depth() {
  auto reply = http_.get(path_);
  if (reply && reply->status == 404)
    return queue_depth{};
  auto body = json_of(reply);
  if (!body)
    return tl::unexpected<error>{body.error()};
  queue_depth result;
  for (std::size_t i = 0; i < job_state_count; ++i)
    result.by_state[i] = (*body)["depth"].value(
      std::string{to_string(job_state(i))}, std::uint64_t{0});
  return result;
}

expected<void> queue_client::pause(bool on) {
  auto reply
    = json_of(http_.send("PATCH", path_, {{"Content-Type", "application/json"}},
                         on ? R"({"paused":true})" : R"({"paused":false})"));
  return reply.map([](const json&) {});
}

expected<finished_page> queue_client::finished(std::string_view cursor,
                                               std::size_t limit) {
  auto target = "/v1/completed?queue=" + queue_
                + "&top=" + std::to_string(limit) + "&after=";
  target.append(cursor.empty() ? "0" : cursor);
  auto body = json_of(http_.get(target));
  if (!body)
    return tl::unexpected<error>{body.error()};
  finished_page result;
  for (auto& job : (*body)["jobs"]) {
    auto& item = result.jobs.emplace_back();
    item.id = job.value("id", "");
    item.enqueued_at = time_of(job, "enqueued_at");
    item.started_at = time_of(job, "started_at");
    item.finished_at = time_of(job, "finished_at");
    item.succeeded = job.value("state", "") == "succeeded";
  }
  result.next = body->value("next", "");
  return result;
}

expected<std::optional<std::string>> queue_client::lease(millis wait) {
  auto body = json_of(http_.post(
    path_ + "/leases?max=1&wait=" + std::to_string(wait.count()) + "ms"));
  if (!body)
    return tl::unexpected<error>{body.error()};
  auto& leases = (*body)["leases"];
  if (leases.empty())
    return std::nullopt;
  return leases[0].value("token", "");
}

expected<std::string> queue_client::enqueue(std::string_view handler,
                                            std::string_view payload) {
  auto body = json_of(
    http_.post(path_ + "/jobs?handler=" + std::string{handler}, payload));
  if (!body)
    return tl::unexpected<error>{body.error()};
  return body->value("id", "");
}

expected<job_facts> queue_client::job(std::string_view id) {
  auto body = json_of(http_.get("/v1/jobs/" + std::string{id}));
  if (!body)
    return tl::unexpected<error>{body.error()};
  job_facts result;
  auto state = body->value("state", "");
  for (std::size_t i = 0; i < job_state_count; ++i)
    if (to_string(job_state(i)) == state)
      result.state = job_state(i);
  result.attempt = body->value("attempt", 0U);
  if (auto worker = body->find("worker");
      worker != body->end() && worker->is_string())
    result.worker = worker->get<std::string>();
  result.finished_at = time_of(*body, "finished_at");
  return result;
}

expected<void> queue_client::wait_for_result(std::string_view id,
                                             millis limit) {
  auto until = std::chrono::steady_clock::now() + limit;
  while (true) {
    auto reply = http_.get("/v1/jobs/" + std::string{id} + "/result?wait=10s");
    if (!reply)
      return tl::unexpected<error>{reply.error()};
    if (reply->status == 200)
      return {};
    if (reply->status != 202)
      return fail_with(errc::handler_failed, to_error(*reply).message);
    if (std::chrono::steady_clock::now() >= until)
      return fail_with(errc::timed_out,
                       "job " + std::string{id} + " has no result in time");
  }
}

expected<void> queue_client::purge(job_state state) {
  auto reply = json_of(http_.send(
    "DELETE", path_ + "/jobs?state=" + std::string{to_string(state)}));
  return reply.map([](const json&) {});
}

bool queue_client::pause_before_asking_again(
  std::chrono::steady_clock::time_point until) {
  if (std::chrono::steady_clock::now() >= until)
    return false;
  std::this_thread::sleep_for(ask_interval);
  return true;
}

} // namespace muster
