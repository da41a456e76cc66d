#include "runtime/json_render.hpp"
#include "runtime/long_poll.hpp"
#include "runtime/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace muster::routes {

namespace {

constexpr std::size_t max_preview_bytes = std::size_t{1} << 20;

/// The job that a path names; answers 404 for text that is no id.
std::optional<job_id> job_of(http_call& call) {
  auto id = parse_job_id(call.arguments.front());
  if (!id)
    call.reply->answer(problem(error{errc::job_not_found}));
  return id;
}

/// How a job is shown: everything of it, or its result.
using render_job
  = http_response (*)(const store_view& view, const job_info& job);

http_response show_job(const store_view& view, const job_info& job) {
  std::string json;
  render(json, job, view.payload_bytes(job.id).value_or(0),
         view.attempts(job.id));
  return json_response(std::move(json));
}

http_response show_result(const store_view& view, const job_info& job) {
  if (job.state == job_state::succeeded) {
    http_response result;
    result.content_type = "application/octet-stream";
    result.body = view.result(job.id).value_or(std::string{});
    return result;
  }
  if (is_final(job.state)) {
    return problem(
      410, fmt::format("the job is {}: {}", to_string(job.state),
                       job.error.empty() ? "no reason given" : job.error));
  }
  return json_response(fmt::format(R"({{"id":"{}","state":"{}"}})",
                                   to_string(job.id), to_string(job.state)),
                       202);
}

void answer_job(const reply_handle& reply, const expected<store_view>& view,
                job_id id, render_job show) {
  answer_with(reply, [&view, id, show] {
    if (!view)
      return problem(view.error());
    if (auto job = view->job(id))
      return show(*view, *job);
    return problem(error{errc::job_not_found});
  });
}

void read_job(gateway_state& state, const reply_handle& reply, job_id id,
              render_job show) {
  state.backend.journal->read(
    [reply, id, show](const expected<store_view>& view) {
      answer_job(reply, view, id, show);
    });
}

/// Answers when the job is final, or at the end of the wait.
void wait_for_job(gateway_state& state, http_call& call, job_id id, millis wait,
                  render_job show) {
  auto journal = state.backend.journal;
  auto shared = state.shared_from_this();
  auto poll = std::make_shared<long_poll>(shared);
  auto key = journal->watch(
    id, [shared, poll, reply = call.reply, id, show](std::optional<job_state>) {
      poll->finish();
      read_job(*shared, reply, id, show);
    });
  auto stop = [journal, key] { journal->unwatch(key); };
  call.reply->when_gone(stop);
  poll->begin(wait, stop);
}

void show(gateway_state& state, http_call& call, render_job how) {
  auto known = call.query.allow_only({"wait"});
  auto wait = call.query.duration("wait", millis{0});
  if (!ok_or_answer(known, call) || !ok_or_answer(wait, call))
    return;
  auto id = job_of(call);
  if (!id)
    return;
  auto limited = std::min<millis>(*wait, millis{state.options.max_wait});
  if (limited > millis{0})
    wait_for_job(state, call, *id, limited, how);
  else
    read_job(state, call.reply, *id, how);
}

http_response changed(job_id id, const change_outcome& out,
                      std::string_view what) {
  if (out.code == errc::wrong_state)
    return problem(
      error{errc::wrong_state, fmt::format("a job that is {} cannot be {}",
                                           to_string(out.state), what)});
  if (out.code != errc::none)
    return problem(error{out.code});
  return json_response(fmt::format(R"({{"id":"{}","state":"{}"}})",
                                   to_string(id), to_string(out.state)));
}

/// The first bytes of a payload, and how many there are.
http_response show_payload(const store_view& view, job_id id,
                           std::size_t limit) {
  auto total = view.payload_bytes(id);
  if (!total)
    return problem(error{errc::job_not_found});
  http_response result;
  result.content_type = "application/octet-stream";
  result.headers.emplace_back("Muster-Payload-Bytes", std::to_string(*total));
  result.body = view.payload_preview(id, limit).value_or(std::string{});
  return result;
}

} // namespace

void get_job(gateway_state& state, http_call& call) {
  show(state, call, show_job);
}

void get_result(gateway_state& state, http_call& call) {
  show(state, call, show_result);
}

void get_payload(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"limit"});
  auto limit
    = call.query.number("limit", max_preview_bytes, 1, max_preview_bytes);
  if (!ok_or_answer(known, call) || !ok_or_answer(limit, call))
    return;
  if (auto id = job_of(call))
    state.backend.journal->read([reply = call.reply, id = *id, limit = *limit](
                                  const expected<store_view>& view) {
      answer_with(reply, [&] {
        return view ? show_payload(*view, id, limit) : problem(view.error());
      });
    });
}

void cancel_job(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  if (auto id = job_of(call))
    submit_command<change_outcome>(state, call.reply, cancel_command{*id},
                                   [id](const change_outcome& out) {
                                     return changed(*id, out, "cancelled");
                                   });
}

void retry_job(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  if (auto id = job_of(call))
    submit_command<change_outcome>(
      state, call.reply, retry_command{*id},
      [id](const change_outcome& out) { return changed(*id, out, "retried"); });
}

void list_completed(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"top", "queue", "after"});
  auto top = call.query.number("top", 100, 1, 10'000);
  if (!ok_or_answer(known, call) || !ok_or_answer(top, call))
    return;
  completed_query query;
  query.limit = static_cast<std::uint32_t>(*top);
  query.queue = call.query.find("queue").value_or(std::string_view{});
  if (auto after = call.query.find("after")) {
    query.after = parse_unsigned(*after);
    if (!query.after) {
      call.reply->answer(
        problem(error{errc::invalid_argument,
                      "after must be a cursor of an earlier answer"}));
      return;
    }
  }
  auto reading = read_or_answer(state, call);
  if (!reading)
    return;
  auto jobs = reading->view().completed(query);
  // Later answers begin after the newest job that was seen.
  auto next = query.after.value_or(0);
  std::string json = R"({"jobs":[)";
  for (auto& job : jobs) {
    if (json.size() > max_list_bytes)
      break;
    if (json.back() != '[')
      json.push_back(',');
    render(json, job);
    next = std::max(next, job.finish_sequence);
  }
  fmt::format_to(std::back_inserter(json), R"(],"next":"{}"}})", next);
  call.reply->answer(json_response(std::move(json)));
}

} // namespace muster::routes
