#include "runtime/job_sender.hpp"

#include "runtime/http_text.hpp"

#include <fmt/format.h>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t batch_jobs = 500;
constexpr std::size_t batch_bytes = std::size_t{4} << 20;
/// Less than the time that the client waits for an answer.
constexpr auto wait_slice = "30s";
constexpr millis wait_limit{60'000};

/// How long the node asks to wait, if it does.
millis retry_after(const http_reply& reply) {
  if (auto text = reply.header("Retry-After"))
    if (auto seconds = parse_unsigned(*text))
      return std::chrono::seconds{std::min<std::uint64_t>(*seconds, 3'600)};
  return millis{0};
}

/// What the node has against a request.
error to_error(const http_reply& reply) {
  auto problem = nlohmann::json::parse(reply.body, nullptr, false);
  auto text = problem.is_object()
                ? problem.value("detail", std::string{"refused"})
                : fmt::format("the node answers with status {}", reply.status);
  auto later = reply.status == 429 || reply.status == 503;
  // A worker keeps no queues later either.
  if (problem.is_object() && problem.contains("code"))
    later
      = later && problem["code"] != std::string{to_string(errc::not_leader)};
  auto code = reply.status == 410 ? errc::cancelled
              : later             ? errc::busy
                                  : errc::invalid_argument;
  return {code, std::move(text)};
}

/// Whether the same request may have an answer later. What does not speak HTTP,
/// or whose certificate is not good, will not either.
bool is_passing(errc code) {
  return code == errc::busy || code == errc::unavailable
         || code == errc::io_error || code == errc::timed_out;
}

} // namespace

std::optional<millis> retry_pauses::next(millis asked, millis took) {
  constexpr millis longest{10'000};
  left_ -= took;
  if (--tries_ < 1 || left_ <= millis{0})
    return std::nullopt;
  auto pause = std::min(std::max(pause_, asked), left_);
  pause_ = std::min(2 * pause_, longest);
  left_ -= pause;
  return pause;
}

std::string encode_batch(const job_options& options,
                         const std::vector<std::string>& payloads,
                         const std::vector<std::string>& keys) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (auto& [name, value] : {std::pair{"handler", &options.handler},
                              {"delay", &options.delay},
                              {"timeout", &options.timeout},
                              {"ttl", &options.ttl}})
    if (!value->empty())
      texts.emplace_back(name, *value);
  std::vector<std::pair<std::string, std::uint32_t>> numbers;
  if (options.priority)
    numbers.emplace_back("priority", *options.priority);
  if (options.max_attempts)
    numbers.emplace_back("max_attempts", *options.max_attempts);
  msgpack::sbuffer out;
  msgpack::packer<msgpack::sbuffer> to{out};
  to.pack_array(static_cast<std::uint32_t>(payloads.size()));
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    to.pack_map(static_cast<std::uint32_t>(texts.size() + numbers.size() + 2));
    for (auto& [name, value] : texts)
      to.pack(name).pack(value);
    for (auto& [name, value] : numbers)
      to.pack(name).pack(value);
    to.pack(std::string{"idempotency_key"}).pack(keys[i]);
    to.pack(std::string{"payload"});
    auto size = static_cast<std::uint32_t>(payloads[i].size());
    to.pack_bin(size).pack_bin_body(payloads[i].data(), size);
  }
  return {out.data(), out.size()};
}

job_sender::job_sender(const node_access& node, settings opts)
  : client_(node.at.host, node.at.port, node.http), settings_(std::move(opts)) {
  // nop
}

expected<void> job_sender::add(std::string payload) {
  bytes_ += payload.size();
  batch_.push_back(std::move(payload));
  if (batch_.size() >= batch_jobs || bytes_ >= batch_bytes)
    return flush();
  return {};
}

expected<void> job_sender::flush() {
  if (batch_.empty())
    return {};
  std::vector<std::string> keys;
  for (auto number = ids_.size(); keys.size() < batch_.size(); ++number)
    keys.push_back(number == 0 && !settings_.key_of_first.empty()
                     ? settings_.key_of_first
                     : fmt::format("{}-{}", settings_.key_prefix, number));
  auto reply = send("POST", "/v1/queues/" + settings_.queue + "/jobs/batch",
                    encode_batch(settings_.options, batch_, keys),
                    settings_.answer_limit);
  if (!reply)
    return tl::unexpected{std::move(reply.error())};
  auto answer = nlohmann::json::parse(reply->body, nullptr, false);
  if (!answer.is_object() || !answer.contains("ids")
      || answer["ids"].size() != batch_.size())
    return fail_with(errc::malformed, "the node's answer is no list of ids");
  for (auto& id : answer["ids"])
    ids_.push_back(id.is_string() ? id.get<std::string>() : id.dump());
  batch_.clear();
  bytes_ = 0;
  return {};
}

expected<std::string> job_sender::result(const std::string& id) {
  auto target = fmt::format("/v1/jobs/{}/result?wait={}", id, wait_slice);
  while (true) {
    auto reply = send("GET", target, {}, wait_limit);
    if (!reply)
      return tl::unexpected{std::move(reply.error())};
    if (reply->status != 202)
      return std::move(reply->body);
  }
}

expected<http_reply> job_sender::send(std::string_view method,
                                      const std::string& target,
                                      const std::string& body, millis limit) {
  using clock = std::chrono::steady_clock;
  client_.set_read_limit(limit);
  http_headers headers;
  if (!body.empty())
    headers.emplace_back("Content-Type", "application/msgpack");
  retry_pauses pauses{settings_.tries, settings_.first_pause};
  while (true) {
    auto began = clock::now();
    auto reply = client_.send(method, target, headers, body);
    auto took = std::chrono::duration_cast<millis>(clock::now() - began);
    if (reply && reply->ok())
      return reply;
    auto why = reply ? to_error(*reply) : reply.error();
    auto pause = is_passing(why.code)
                   ? pauses.next(reply ? retry_after(*reply) : millis{0}, took)
                   : std::nullopt;
    if (!pause)
      return tl::unexpected{std::move(why)};
    std::this_thread::sleep_for(*pause);
  }
}

} // namespace muster
