#include "persistence/duration.hpp"
#include "runtime/inspection_json.hpp"
#include "runtime/node_gathering.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace muster::routes {

namespace {

constexpr millis max_window{10'000};
/// Ending an actor in order, and starting it again, takes its time.
constexpr millis control_limit{15'000};
/// Who runs these routes.
constexpr std::string_view gateway_name = "node/gateway";
/// Of a list of actors.
constexpr std::size_t max_bytes = std::size_t{1} << 20;

struct list_query {
  inspection_request request;
  millis limit = node_limit;
};

expected<list_query> list_query_of(const query_parameters& query) {
  if (auto known = query.allow_only({"node", "sort", "limit", "window"});
      !known)
    return tl::unexpected{known.error()};
  auto limit = query.number("limit", 100, 1, max_actor_rows);
  if (!limit)
    return tl::unexpected{limit.error()};
  auto window = query.duration("window", millis{0});
  if (!window)
    return tl::unexpected{window.error()};
  auto order = parse_actor_order(query.find("sort").value_or("name"));
  if (!order)
    return fail_with(errc::invalid_argument,
                     "sort must be name, mailbox, busy or messages");
  if (*window > max_window)
    return fail_with(errc::invalid_argument, "window must be at most 10s");
  list_query result;
  result.request.kind = inspection_kind::list_actors;
  result.request.limit = *limit;
  result.request.order = *order;
  result.request.wait = *window;
  result.limit += *window;
  return result;
}

/// The rows of all nodes, in one order.
http_response show_actors(std::vector<node_part>& parts, actor_order order,
                          std::size_t limit) {
  std::vector<std::pair<actor_row, std::string_view>> rows;
  for (auto& part : parts)
    for (auto& row : part.answer.actors)
      rows.emplace_back(std::move(row), part.name);
  std::stable_sort(rows.begin(), rows.end(),
                   [order](const auto& a, const auto& b) {
                     return comes_before(a.first, b.first, order);
                   });
  if (rows.size() > limit)
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(limit), rows.end());
  std::string json = R"({"actors":[)";
  for (auto& [row, node] : rows) {
    if (json.size() > max_bytes)
      break;
    if (json.back() != '[')
      json.push_back(',');
    render(json, row, node, false);
  }
  json += "],";
  render_nodes(json, parts);
  json.push_back('}');
  return json_response(std::move(json));
}

std::string own_name(const gateway_state& state) {
  return state.backend.inspection
           ? state.backend.inspection->nodes().front().name
           : std::string{};
}

/// The node that a query names, else this one.
std::string node_of(const gateway_state& state, const http_call& call) {
  auto given = call.query.find("node");
  return given ? std::string{*given} : own_name(state);
}

std::string named(const std::string& name, const std::string& node) {
  std::string json = R"({"name":)";
  append_json_string(json, name);
  json += R"(,"node":)";
  append_json_string(json, node);
  return json;
}

void control(gateway_state& state, http_call& call, inspection_kind kind) {
  if (!ok_or_answer(call.query.allow_only({"node"}), call))
    return;
  inspection_request request;
  request.kind = kind;
  request.name = call.arguments.front();
  auto node = node_of(state, call);
  auto json = named(request.name, node) + R"(,"done":true})";
  // The gateway cannot answer once it has ended: it does before.
  if (request.name == gateway_name && node == own_name(state)) {
    if (kind == inspection_kind::stop_actor)
      return call.reply->answer(problem(error{
        errc::wrong_state, "it serves this very request; ask another node"}));
    if (kind == inspection_kind::restart_actor)
      call.reply->answer(json_response(json));
  }
  ask_node(state, call, std::move(request), control_limit,
           [json](inspection_answer&) { return json_response(json); });
}

} // namespace

void list_actors(gateway_state& state, http_call& call) {
  auto query = list_query_of(call.query);
  if (!ok_or_answer(query, call))
    return;
  ask_nodes(state, call, query->request, query->limit,
            [order = query->request.order,
             limit = query->request.limit](std::vector<node_part>& parts) {
              return show_actors(parts, order, limit);
            });
}

void get_actor(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({"node"}), call))
    return;
  inspection_request request;
  request.kind = inspection_kind::list_actors;
  request.name = call.arguments.front();
  request.limit = 1;
  ask_node(state, call, request, node_limit,
           [name = request.name,
            node = node_of(state, call)](inspection_answer& answer) {
             if (answer.actors.empty())
               return problem(error{errc::not_found,
                                    "node " + node + " has no actor " + name});
             std::string json;
             render(json, answer.actors.front(), node, true);
             return json_response(std::move(json));
           });
}

void get_actor_state(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({"node"}), call))
    return;
  inspection_request request;
  request.kind = inspection_kind::get_state;
  request.name = call.arguments.front();
  auto head = named(request.name, node_of(state, call)) + R"(,"state":)";
  ask_node(state, call, std::move(request), node_limit,
           [head](inspection_answer& answer) {
             return json_response(head + answer.text + '}');
           });
}

void restart_actor(gateway_state& state, http_call& call) {
  control(state, call, inspection_kind::restart_actor);
}

void stop_actor(gateway_state& state, http_call& call) {
  control(state, call, inspection_kind::stop_actor);
}

void kill_actor(gateway_state& state, http_call& call) {
  control(state, call, inspection_kind::kill_actor);
}

void drain_node(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  inspection_request request;
  request.kind = inspection_kind::drain_node;
  auto node = call.arguments.front();
  std::string json = R"({"node":)";
  append_json_string(json, node);
  json += R"(,"draining":true})";
  ask_node(state, call, std::move(node), std::move(request), node_limit,
           [json](inspection_answer&) { return json_response(json, 202); });
}

void list_supervisors(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({"node"}), call))
    return;
  if (!state.backend.inspection) {
    std::string json = R"({"supervisors":)";
    render(json, state.backend.supervisors(), {});
    json.push_back('}');
    return call.reply->answer(json_response(std::move(json)));
  }
  inspection_request request;
  request.kind = inspection_kind::list_supervisors;
  ask_nodes(state, call, request, node_limit,
            [](std::vector<node_part>& parts) {
              std::string json = R"({"supervisors":[)";
              for (auto& part : parts) {
                if (part.answer.text.size() <= 2)
                  continue;
                if (json.back() != '[')
                  json.push_back(',');
                json.append(part.answer.text, 1, part.answer.text.size() - 2);
              }
              json += "],";
              render_nodes(json, parts);
              json.push_back('}');
              return json_response(std::move(json));
            });
}

} // namespace muster::routes
