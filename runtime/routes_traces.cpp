#include "persistence/duration.hpp"
#include "runtime/inspection_json.hpp"
#include "runtime/logging.hpp"
#include "runtime/node_gathering.hpp"
#include "runtime/node_name.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

// Traces of messages, and the log: what is followed while it happens.

namespace muster::routes {

namespace {

constexpr millis max_wait{30'000};
constexpr millis max_duration{600'000};
constexpr std::uint64_t max_events = 10'000;
constexpr int trace_digits = 12;

/// The id of a trace has its node's name behind a dot, so that every node finds
/// it.
struct trace_place {
  std::string id;
  std::string node;
};

trace_place place_of(const std::string& id) {
  auto dot = id.find('.');
  return dot == std::string::npos
           ? trace_place{id, {}}
           : trace_place{id.substr(0, dot), id.substr(dot + 1)};
}

expected<millis> duration_of(const nlohmann::json& value, const char* name) {
  auto text = value.is_string() ? value.get<std::string>() : std::string{};
  auto result = parse_duration(text);
  if (!result || *result <= millis{0})
    return fail_with(errc::invalid_argument,
                     std::string{name} + " must be a duration such as 10s");
  return *result;
}

/// Reads a JSON object; an empty body is an empty one.
expected<nlohmann::json> object_of(const std::string& body) {
  if (body.empty())
    return nlohmann::json::object();
  auto result = nlohmann::json::parse(body, nullptr, false);
  if (!result.is_object())
    return fail_with(errc::invalid_argument, "the body must be a JSON object");
  return result;
}

expected<inspection_request> trace_request_of(const std::string& body) {
  auto object = object_of(body);
  if (!object)
    return tl::unexpected{object.error()};
  inspection_request result;
  result.kind = inspection_kind::start_trace;
  result.limit = 10;
  result.duration = millis{30'000};
  for (auto& [name, value] : object->items()) {
    if (name == "limit") {
      if (!value.is_number_unsigned()
          || value.get<std::uint64_t>() - 1 >= max_events)
        return fail_with(errc::invalid_argument, "limit must be 1 to 10000");
      result.limit = value.get<std::uint64_t>();
    } else if (name == "per" || name == "for") {
      auto length = duration_of(value, name.c_str());
      if (!length)
        return tl::unexpected{length.error()};
      (name == "per" ? result.per : result.duration)
        = std::min(*length, max_duration);
    } else {
      return fail_with(errc::invalid_argument, "unknown member '" + name + "'");
    }
  }
  return result;
}

/// What `wait` asks for, within bounds.
expected<millis> wait_of(const http_call& call) {
  auto wait = call.query.duration("wait", millis{0});
  if (!wait)
    return wait;
  return std::min(*wait, max_wait);
}

} // namespace

// -- traces -------------------------------------------------------------------

void start_trace(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"node"});
  auto request = trace_request_of(call.request.body);
  if (!ok_or_answer(known, call) || !ok_or_answer(request, call))
    return;
  request->name = call.arguments.front();
  request->text = random_hex(trace_digits);
  auto id = request->text;
  if (auto node = call.query.find("node"))
    id.append(".").append(*node);
  std::string json = R"({"id":)";
  append_json_string(json, id);
  json.push_back('}');
  ask_node(state, call, std::move(*request), node_limit,
           [json](inspection_answer&) { return json_response(json, 201); });
}

void read_trace(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"wait"});
  auto wait = wait_of(call);
  if (!ok_or_answer(known, call) || !ok_or_answer(wait, call))
    return;
  auto [id, node] = place_of(call.arguments.front());
  inspection_request request;
  request.kind = inspection_kind::read_trace;
  request.name = id;
  request.wait = *wait;
  auto name = node;
  if (auto port = state.backend.inspection; port && name.empty())
    name = port->nodes().front().name;
  ask_node(state, call, std::move(node), std::move(request), node_limit + *wait,
           [name](inspection_answer& answer) {
             std::string json;
             render(json, answer.trace, name);
             return json_response(std::move(json));
           });
}

void end_trace(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({}), call))
    return;
  auto [id, node] = place_of(call.arguments.front());
  inspection_request request;
  request.kind = inspection_kind::end_trace;
  request.name = id;
  ask_node(
    state, call, std::move(node), std::move(request), node_limit,
    [](inspection_answer&) { return json_response(R"({"ended":true})"); });
}

// -- the log ------------------------------------------------------------------

void read_log(gateway_state& state, http_call& call) {
  auto known
    = call.query.allow_only({"after", "level", "wait", "limit", "node"});
  auto wait = wait_of(call);
  auto limit = call.query.number("limit", 100, 1, log_ring::max_lines);
  auto after = call.query.number("after", log_ring::newest, 0, UINT64_MAX);
  if (!ok_or_answer(known, call) || !ok_or_answer(wait, call)
      || !ok_or_answer(limit, call) || !ok_or_answer(after, call))
    return;
  inspection_request request;
  request.kind = inspection_kind::read_log;
  request.text = call.query.find("level").value_or("debug");
  request.after = *after;
  request.limit = *limit;
  request.wait = *wait;
  ask_node(state, call, std::move(request), node_limit + *wait,
           [](inspection_answer& answer) {
             return json_response(std::move(answer.text));
           });
}

void set_log_level(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"node"});
  auto body = object_of(call.request.body);
  if (!ok_or_answer(known, call) || !ok_or_answer(body, call))
    return;
  auto level = body->find("level");
  if (body->size() != 1 || level == body->end() || !level->is_string())
    return call.reply->answer(problem(error{
      errc::invalid_argument, R"(the body must be like {"level":"debug"})"}));
  inspection_request request;
  request.kind = inspection_kind::set_log_level;
  request.text = level->get<std::string>();
  std::string json = R"({"level":)";
  append_json_string(json, request.text);
  json.push_back('}');
  ask_node(state, call, std::move(request), node_limit,
           [json](inspection_answer&) { return json_response(json); });
}

} // namespace muster::routes
