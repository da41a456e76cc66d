#include "persistence/duration.hpp"
#include "runtime/json_render.hpp"
#include "runtime/long_poll.hpp"
#include "runtime/routes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace muster::routes {

namespace {

constexpr std::uint64_t max_leases = 1'000;
/// Payloads of one answer together, but for the last of them. Who waits gets no
/// more either: see `journal_options::lease_bytes`.
constexpr std::uint64_t max_lease_bytes = std::uint64_t{32} << 20;

// -- taking -------------------------------------------------------------------

/// The answer that hands leases out. If it cannot be delivered, they go back at
/// once rather than after their time.
http_response handed_out(const std::shared_ptr<journal_port>& journal,
                         const std::vector<leased_job>& jobs) {
  std::string json = R"({"leases":[)";
  release_command back;
  for (auto& job : jobs) {
    if (json.back() != '[')
      json.push_back(',');
    render(json, job);
    back.items.push_back(job.token);
  }
  json += "]}";
  auto result = json_response(std::move(json));
  if (!jobs.empty())
    result.undelivered = [journal, back = std::move(back)] {
      journal->submit(encode(back), [](const expected<outcome>&) {});
    };
  return result;
}

struct lease_request {
  std::string queue;
  std::string worker;
  std::uint32_t max = 1;
  millis ttl{60'000};
};

/// Answers when there are jobs, or with none at the end of the wait.
void wait_for_leases(gateway_state& state, http_call& call,
                     const lease_request& wish, millis wait) {
  auto journal = state.backend.journal;
  auto poll = std::make_shared<long_poll>(state.shared_from_this());
  lease_demand demand;
  demand.worker = wish.worker;
  demand.queues = {wish.queue};
  demand.credit = wish.max;
  demand.ttl = wish.ttl;
  demand.once = true;
  demand.deliver
    = [poll, journal, reply = call.reply](std::vector<leased_job> jobs) {
        poll->finish();
        answer_with(reply, [&] { return handed_out(journal, jobs); });
      };
  auto id = journal->open_demand(std::move(demand));
  auto stop = [journal, id] { journal->withdraw(id); };
  call.reply->when_gone(stop);
  poll->begin(wait, stop);
}

// -- settling -----------------------------------------------------------------

std::optional<lease_token> token_of(http_call& call) {
  auto token = parse_lease_token(call.arguments.front());
  if (!token)
    call.reply->answer(problem(error{errc::stale_lease}));
  return token;
}

http_response settled(const settle_outcome& out) {
  switch (out.items.front().status) {
    case settle_status::ok:
      return json_response("{}");
    case settle_status::cancelled:
      return problem(error{errc::cancelled});
    case settle_status::stale:
      break;
  }
  return problem(error{errc::stale_lease});
}

/// The body as a JSON object; an empty body is an empty object.
std::optional<nlohmann::json> object_of(http_call& call) {
  auto& body = call.request.body;
  auto result = body.empty() ? nlohmann::json::object()
                             : nlohmann::json::parse(body, nullptr, false);
  if (result.is_object())
    return result;
  call.reply->answer(
    problem(error{errc::invalid_argument, "the body must be a JSON object"}));
  return std::nullopt;
}

/// Progress is text; numbers and the like are taken as they are written.
/// Nothing for what has parts: writing it out again takes stack by its depth.
std::optional<std::string> progress_of(const nlohmann::json& value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_structured())
    return std::nullopt;
  return value.dump();
}

void refuse(http_call& call, std::string text) {
  call.reply->answer(problem(error{errc::invalid_argument, std::move(text)}));
}

} // namespace

void take_leases(gateway_state& state, http_call& call) {
  auto& query = call.query;
  auto known = query.allow_only({"max", "wait", "ttl", "worker"});
  auto max = query.number("max", 1, 1, max_leases);
  auto wait = query.duration("wait", millis{0});
  auto ttl = query.duration("ttl", std::chrono::seconds{60});
  if (!ok_or_answer(known, call) || !ok_or_answer(max, call)
      || !ok_or_answer(wait, call) || !ok_or_answer(ttl, call))
    return;
  if (state.draining) {
    call.reply->answer(problem(error{errc::shutting_down}));
    return;
  }
  lease_request wish;
  wish.queue = call.arguments.front();
  wish.worker = query.find("worker").value_or("http");
  wish.max = static_cast<std::uint32_t>(*max);
  wish.ttl = *ttl;
  lease_command cmd{wish.queue, wish.worker, wish.max, wish.ttl,
                    max_lease_bytes};
  if (auto valid = validate(cmd); !ok_or_answer(valid, call))
    return;
  auto limited = std::min<millis>(*wait, millis{state.options.max_wait});
  if (limited > millis{0}) {
    wait_for_leases(state, call, wish, limited);
    return;
  }
  auto journal = state.backend.journal;
  submit_command<lease_outcome>(state, call.reply, cmd,
                                [journal](const lease_outcome& out) {
                                  return handed_out(journal, out.jobs);
                                });
}

void complete_lease(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  if (auto token = token_of(call))
    submit_command<settle_outcome>(
      state, call.reply, complete_command{{{*token, call.request.body}}},
      settled);
}

void fail_lease(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto token = token_of(call);
  if (!token)
    return;
  auto body = object_of(call);
  if (!body)
    return;
  failure item;
  item.token = *token;
  std::string text = "the worker gave no reason";
  for (auto& [name, value] : body->items()) {
    if (name == "error" && value.is_string())
      text = value.get<std::string>();
    else if (name == "retry" && value.is_boolean())
      item.retry = value.get<bool>();
    else
      return refuse(call, name == "error"   ? "error must be a string"
                          : name == "retry" ? "retry must be true or false"
                                            : "unknown member '" + name + "'");
  }
  item.error = text;
  submit_command<settle_outcome>(state, call.reply, fail_command{{item}},
                                 settled);
}

void extend_lease(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto token = token_of(call);
  if (!token)
    return;
  auto body = object_of(call);
  if (!body)
    return;
  extension item;
  item.token = *token;
  item.ttl = std::chrono::seconds{60};
  std::string progress;
  for (auto& [name, value] : body->items()) {
    if (name == "ttl" && value.is_string()) {
      auto ttl = parse_duration(value.get<std::string>());
      if (!ttl)
        return refuse(call, "ttl: " + ttl.error().message);
      item.ttl = *ttl;
    } else if (name == "progress") {
      auto text = progress_of(value);
      if (!text)
        return refuse(call, "progress must be a string");
      progress = std::move(*text);
      item.progress = progress;
    } else {
      return refuse(call, name == "ttl" ? "ttl must be a duration such as 30s"
                                        : "unknown member '" + name + "'");
    }
  }
  submit_command<settle_outcome>(
    state, call.reply, extend_command{{item}}, [](const settle_outcome& out) {
      auto& result = out.items.front();
      if (result.status == settle_status::cancelled)
        return json_response(R"({"cancelled":true,"deadline":null})");
      if (result.status == settle_status::stale)
        return problem(error{errc::stale_lease});
      return json_response(
        fmt::format(R"({{"cancelled":false,"deadline":"{}"}})",
                    format_time(result.deadline)));
    });
}

void release_lease(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  if (auto token = token_of(call))
    submit_command<settle_outcome>(state, call.reply, release_command{{*token}},
                                   settled);
}

} // namespace muster::routes
