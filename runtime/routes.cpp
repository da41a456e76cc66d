#include "runtime/routes.hpp"

#include <algorithm>
#include <array>

namespace muster {

namespace {

constexpr std::array table{
  route{"POST", "/v1/queues/{queue}/jobs", scope::enqueue, body_limit::payload,
        routes::enqueue_job},
  route{"POST", "/v1/queues/{queue}/jobs/batch", scope::enqueue,
        body_limit::batch, routes::enqueue_batch},
  route{"GET", "/v1/queues/{queue}/jobs", scope::read, body_limit::none,
        routes::list_jobs},
  route{"DELETE", "/v1/queues/{queue}/jobs", scope::admin, body_limit::none,
        routes::purge_queue},
  route{"GET", "/v1/jobs/{id}", scope::read, body_limit::none, routes::get_job},
  route{"DELETE", "/v1/jobs/{id}", scope::admin, body_limit::none,
        routes::cancel_job},
  route{"GET", "/v1/jobs/{id}/result", scope::read, body_limit::none,
        routes::get_result},
  route{"GET", "/v1/jobs/{id}/payload", scope::read, body_limit::none,
        routes::get_payload},
  route{"POST", "/v1/jobs/{id}/retry", scope::admin, body_limit::none,
        routes::retry_job},
  route{"POST", "/v1/queues/{queue}/leases", scope::work, body_limit::none,
        routes::take_leases},
  route{"GET", "/v1/leases", scope::read, body_limit::none,
        routes::list_leases},
  route{"POST", "/v1/leases/{token}/complete", scope::work, body_limit::result,
        routes::complete_lease},
  route{"POST", "/v1/leases/{token}/fail", scope::work, body_limit::text,
        routes::fail_lease},
  route{"POST", "/v1/leases/{token}/extend", scope::work, body_limit::text,
        routes::extend_lease},
  route{"POST", "/v1/leases/{token}/release", scope::work, body_limit::none,
        routes::release_lease},
  route{"GET", "/v1/queues", scope::read, body_limit::none,
        routes::list_queues},
  route{"GET", "/v1/queues/{queue}", scope::read, body_limit::none,
        routes::get_queue},
  route{"PATCH", "/v1/queues/{queue}", scope::admin, body_limit::text,
        routes::configure_queue},
  route{"GET", "/v1/completed", scope::read, body_limit::none,
        routes::list_completed},
  route{"GET", "/v1/workers", scope::read, body_limit::none,
        routes::list_workers},
  route{"GET", "/v1/nodes", scope::read, body_limit::none, routes::list_nodes},
  route{"GET", "/v1/supervisors", scope::read, body_limit::none,
        routes::list_supervisors},
  route{"GET", "/v1/actors", scope::read, body_limit::none,
        routes::list_actors},
  route{"GET", "/v1/actors/{name}", scope::read, body_limit::none,
        routes::get_actor},
  route{"GET", "/v1/actors/{name}/state", scope::read, body_limit::none,
        routes::get_actor_state},
  route{"POST", "/v1/actors/{name}/restart", scope::admin, body_limit::none,
        routes::restart_actor},
  route{"POST", "/v1/actors/{name}/stop", scope::admin, body_limit::none,
        routes::stop_actor},
  route{"POST", "/v1/actors/{name}/kill", scope::admin, body_limit::none,
        routes::kill_actor},
  route{"POST", "/v1/actors/{name}/traces", scope::admin, body_limit::text,
        routes::start_trace},
  route{"GET", "/v1/traces/{id}", scope::admin, body_limit::none,
        routes::read_trace},
  route{"DELETE", "/v1/traces/{id}", scope::admin, body_limit::none,
        routes::end_trace},
  route{"GET", "/v1/log", scope::read, body_limit::none, routes::read_log},
  route{"PUT", "/v1/log", scope::admin, body_limit::text,
        routes::set_log_level},
  route{"POST", "/v1/nodes/{name}/drain", scope::admin, body_limit::none,
        routes::drain_node},
  route{"GET", "/healthz", scope::open, body_limit::none, routes::health},
  route{"GET", "/readyz", scope::open, body_limit::none, routes::readiness},
  route{"GET", "/metrics", scope::read, body_limit::none, routes::metrics},
  route{"PUT", "/enqueue", scope::enqueue, body_limit::payload,
        routes::enqueue_workload},
  route{"POST", "/enqueue", scope::enqueue, body_limit::payload,
        routes::enqueue_workload},
  route{"POST", "/pullCompleted", scope::read, body_limit::none,
        routes::pull_completed},
};

constexpr std::size_t max_segments = 8;
constexpr std::size_t max_text_body = std::size_t{64} << 10;
// Some clients send an empty JSON object where nothing is asked for.
constexpr std::size_t max_ignored_body = std::size_t{1} << 10;

struct segments {
  std::array<std::string_view, max_segments> parts{};
  std::size_t count = 0;
};

/// Nothing for a path that is longer than any route.
std::optional<segments> split(std::string_view path) {
  segments result;
  if (path.empty() || path.front() != '/')
    return std::nullopt;
  path.remove_prefix(1);
  while (true) {
    if (result.count == max_segments)
      return std::nullopt;
    auto end = std::min(path.find('/'), path.size());
    result.parts[result.count++] = path.substr(0, end);
    if (end == path.size())
      return result;
    path.remove_prefix(end + 1);
  }
}

const std::array<segments, table.size()>& patterns() {
  static const auto result = [] {
    std::array<segments, table.size()> all;
    for (std::size_t i = 0; i < table.size(); ++i)
      all[i] = *split(table[i].path);
    return all;
  }();
  return result;
}

bool fits(const segments& pattern, const segments& path) {
  if (pattern.count != path.count)
    return false;
  for (std::size_t i = 0; i < pattern.count; ++i)
    if (pattern.parts[i] != path.parts[i]
        && (!pattern.parts[i].starts_with('{') || path.parts[i].empty()))
      return false;
  return true;
}

bool is_about_queues(const route& what) {
  constexpr std::array<std::string_view, 9> others{
    "/v1/workers", "/v1/nodes", "/v1/supervisors", "/v1/actors", "/v1/traces",
    "/v1/log",     "/healthz",  "/readyz",         "/metrics"};
  return std::none_of(others.begin(), others.end(), [&what](auto prefix) {
    return what.path.starts_with(prefix);
  });
}

/// Whether this node is no manager. Asked where there is no journal only, which
/// a manager may lack for a moment, too.
bool is_worker_only(const gateway_state& state) {
  auto nodes = state.backend.nodes();
  return !nodes.empty() && !nodes.front().node.roles.manager;
}

} // namespace

std::span<const route> all_routes() {
  return table;
}

std::size_t bytes_of(body_limit limit,
                     const gateway_options& options) noexcept {
  switch (limit) {
    case body_limit::payload:
      return options.max_payload;
    case body_limit::result:
      return options.max_result;
    case body_limit::batch:
      return options.max_batch_body;
    case body_limit::text:
      return max_text_body;
    case body_limit::none:
      break;
  }
  return max_ignored_body;
}

route_match match_route(std::string_view method, std::string_view path) {
  route_match result;
  auto parts = split(path);
  if (!parts)
    return result;
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto& pattern = patterns()[i];
    if (!fits(pattern, *parts))
      continue;
    if (table[i].method != method) {
      if (!result.allowed.empty())
        result.allowed += ", ";
      result.allowed += table[i].method;
      if (table[i].method == "GET")
        result.allowed += ", HEAD";
      continue;
    }
    for (std::size_t k = 0; k < pattern.count; ++k) {
      if (!pattern.parts[k].starts_with('{'))
        continue;
      auto argument = percent_decode(parts->parts[k]);
      if (!argument)
        return {};
      result.arguments.push_back(std::move(*argument));
    }
    result.found = &table[i];
    return result;
  }
  return result;
}

void run_route(gateway_state& state, const route& what, http_call& call) {
  if (is_about_queues(what) && !state.backend.journal->get()
      && is_worker_only(state))
    call.reply->answer(problem(
      error{errc::not_leader,
            "This node is a worker and keeps no queues; ask its manager, which "
            "GET /v1/nodes names."}));
  else
    what.run(state, call);
}

std::optional<read_transaction> read_or_answer(gateway_state& state,
                                               http_call& call) {
  auto reading = state.backend.journal->snapshot();
  if (!ok_or_answer(reading, call))
    return std::nullopt;
  return std::move(*reading);
}

timestamp wall_clock() {
  return std::chrono::time_point_cast<millis>(std::chrono::system_clock::now());
}

http_response json_response(std::string body, int status) {
  http_response result;
  result.status = status;
  result.body = std::move(body);
  return result;
}

} // namespace muster
