#include "runtime/json_render.hpp"
#include "runtime/routes.hpp"

#include <functional>
#include <map>
#include <string>

namespace muster::routes {

void list_workers(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto now = wall_clock();
  std::string json = R"({"workers":[)";
  for (auto& worker : state.backend.workers()) {
    if (json.back() != '[')
      json.push_back(',');
    render(json, worker, now);
  }
  json += "]}";
  call.reply->answer(json_response(std::move(json)));
}

void list_nodes(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto now = wall_clock();
  std::map<std::string, const worker_info*, std::less<>> by_name;
  auto workers = state.backend.workers();
  for (auto& worker : workers)
    by_name.emplace(worker.name, &worker);
  std::string json = R"({"nodes":[)";
  for (auto& node : state.backend.nodes()) {
    if (json.back() != '[')
      json.push_back(',');
    auto worker = by_name.find(node.node.name);
    render(json, node, worker != by_name.end() ? worker->second : nullptr, now);
  }
  json += "]}";
  call.reply->answer(json_response(std::move(json)));
}

void health(gateway_state&, http_call& call) {
  call.reply->answer(json_response(R"({"status":"alive"})"));
}

void readiness(gateway_state& state, http_call& call) {
  if (state.draining)
    call.reply->answer(problem(error{errc::shutting_down}));
  else if (!state.backend.serving())
    call.reply->answer(problem(error{errc::unavailable}));
  else
    call.reply->answer(json_response(R"({"status":"serving"})"));
}

void metrics(gateway_state& state, http_call& call) {
  http_response result;
  result.content_type = "text/plain; version=0.0.4; charset=utf-8";
  result.body = state.backend.metrics() + state.metrics.render();
  call.reply->answer(std::move(result));
}

} // namespace muster::routes
