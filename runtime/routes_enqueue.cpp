#include "runtime/job_input.hpp"
#include "runtime/routes.hpp"

#include <fmt/format.h>
#include <msgpack.hpp>

#include <iterator>

namespace muster::routes {

namespace {

constexpr std::string_view workload_name = "sha512";
constexpr std::uint64_t max_iterations = 100'000'000'000;
/// A slow machine does this many digests in a second.
constexpr std::uint64_t iterations_per_second = 100'000;

bool refuse_when_draining(gateway_state& state, http_call& call) {
  if (state.draining)
    call.reply->answer(problem(error{errc::shutting_down}));
  return state.draining;
}

http_response enqueued(const enqueue_outcome& out, std::string_view queue) {
  auto& job = out.jobs.front();
  auto id = to_string(job.id);
  // The queue's name needs no escapes.
  auto result
    = json_response(fmt::format(R"({{"id":"{}","queue":"{}","state":"{}"}})",
                                id, queue, to_string(job.state)),
                    job.duplicate ? 200 : 201);
  result.headers.emplace_back("Location", "/v1/jobs/" + id);
  return result;
}

std::string workload_payload(std::uint64_t iterations,
                             std::string_view buffer) {
  msgpack::sbuffer out{buffer.size() + 64};
  msgpack::packer<msgpack::sbuffer> to{out};
  to.pack_map(2);
  to.pack(std::string{"iterations"});
  to.pack_uint64(iterations);
  to.pack(std::string{"buffer"});
  to.pack_bin(static_cast<std::uint32_t>(buffer.size()));
  to.pack_bin_body(buffer.data(), static_cast<std::uint32_t>(buffer.size()));
  return {out.data(), out.size()};
}

} // namespace

void enqueue_job(gateway_state& state, http_call& call) {
  if (refuse_when_draining(state, call))
    return;
  auto& queue = call.arguments.front();
  auto known = call.query.allow_only(
    {"handler", "priority", "delay", "max_attempts", "timeout", "ttl"});
  auto job = job_from_query(call.query, queue);
  if (!ok_or_answer(known, call) || !ok_or_answer(job, call))
    return;
  job->payload = call.request.body;
  job->idempotency_key = call.request.idempotency_key;
  enqueue_command cmd{queue, {*job}};
  submit_command<enqueue_outcome>(
    state, call.reply, cmd,
    [queue](const enqueue_outcome& out) { return enqueued(out, queue); });
}

void enqueue_batch(gateway_state& state, http_call& call) {
  if (refuse_when_draining(state, call))
    return;
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto& queue = call.arguments.front();
  auto& type = call.request.content_type;
  auto& body = call.request.body;
  auto limit = state.options.max_payload;
  expected<std::unique_ptr<job_batch>> batch = fail_with(errc::internal);
  if (type == "application/x-ndjson") {
    batch = jobs_from_ndjson(std::move(body), queue, limit);
  } else if (type == "application/msgpack") {
    batch = jobs_from_msgpack(std::move(body), queue, limit);
  } else {
    call.reply->answer(problem(415, "a batch is application/x-ndjson or "
                                    "application/msgpack"));
    return;
  }
  if (!ok_or_answer(batch, call))
    return;
  submit_command<enqueue_outcome>(
    state, call.reply, (*batch)->command, [](const enqueue_outcome& out) {
      std::string json = R"({"ids":[)";
      for (auto& job : out.jobs)
        fmt::format_to(std::back_inserter(json), R"({}"{}")",
                       json.back() == '[' ? "" : ",", to_string(job.id));
      json += "]}";
      return json_response(std::move(json), 201);
    });
}

void enqueue_workload(gateway_state& state, http_call& call) {
  if (refuse_when_draining(state, call))
    return;
  auto known = call.query.allow_only({"iterations"});
  auto iterations = call.query.number("iterations", 1, 1, max_iterations);
  if (!ok_or_answer(known, call) || !ok_or_answer(iterations, call))
    return;
  auto payload = workload_payload(*iterations, call.request.body);
  new_job job;
  job.handler = workload_name;
  job.payload = payload;
  job.idempotency_key = call.request.idempotency_key;
  job.timeout += std::chrono::seconds{*iterations / iterations_per_second};
  submit_command<enqueue_outcome>(
    state, call.reply, enqueue_command{workload_name, {job}},
    [](const enqueue_outcome& out) {
      return json_response(
        fmt::format(R"({{"work_id":"{}"}})", to_string(out.jobs.front().id)));
    });
}

void pull_completed(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"top"});
  auto top = call.query.number("top", 1, 1, 10'000);
  if (!ok_or_answer(known, call) || !ok_or_answer(top, call))
    return;
  auto reading = read_or_answer(state, call);
  if (!reading)
    return;
  auto view = reading->view();
  completed_query query;
  query.queue = workload_name;
  query.limit = static_cast<std::uint32_t>(*top);
  query.succeeded_only = true;
  std::string json = "[";
  for (auto& job : view.completed(query)) {
    if (json.size() > max_list_bytes)
      break;
    auto value = view.result(job.id);
    if (job.handler != workload_name || !value)
      continue;
    fmt::format_to(
      std::back_inserter(json), R"({}{{"work_id":"{}","value":"{}"}})",
      json.back() == '[' ? "" : ",", to_string(job.id), hex_encode(*value));
  }
  json += "]";
  call.reply->answer(json_response(std::move(json)));
}

} // namespace muster::routes
