#include "actors/inspection.hpp"

#include "actors/caf_helpers.hpp"
#include "actors/inspection_messages.hpp"

#include <algorithm>
#include <utility>

namespace muster {

node_inspection::node_inspection(std::shared_ptr<actor_census> census,
                                 inspection_options options)
  : census_(std::move(census)), options_(std::move(options)) {
  // nop
}

std::vector<inspected_node> node_inspection::nodes() const {
  std::vector<inspected_node> result{{options_.node, "self"}};
  for (auto& info : options_.board->nodes())
    if (info.state == "connected" || info.state == "lost")
      result.push_back({info.node.name, info.state});
  return result;
}

void node_inspection::call(inspection_call what) {
  if (what.node.empty() || what.node == options_.node) {
    what.node.clear();
    if (auto ready = answer(what.request))
      return what.on_answer(std::move(*ready));
  }
  auto inspector = options_.board->inspector();
  if (!inspector)
    return what.on_answer(
      refuse(errc::unavailable, "the inspector is not there at the moment"));
  tell_anonymously(
    inspector,
    inspect_call{std::make_shared<const inspection_call>(std::move(what))});
}

inspection_answer node_inspection::no_actor(const std::string& name) const {
  return refuse(errc::not_found,
                "node " + options_.node + " has no actor " + name);
}

std::vector<actor_row> node_inspection::rows() const {
  auto result = census_->rows();
  add_supervision(result, options_.supervisors());
  return result;
}

std::optional<inspection_answer>
node_inspection::answer(const inspection_request& request) const {
  switch (request.kind) {
    case inspection_kind::list_actors: {
      if (request.wait > millis{0})
        return std::nullopt;
      inspection_answer result;
      result.actors = rows();
      if (!request.name.empty())
        std::erase_if(result.actors, [&request](auto& row) {
          return row.name != request.name;
        });
      sort_and_cut(result.actors, request.order,
                   std::min(request.limit, max_actor_rows));
      return result;
    }
    case inspection_kind::start_trace:
      return begin_trace(request);
    case inspection_kind::read_trace:
      return read_trace(request);
    case inspection_kind::end_trace:
      if (auto trace = census_->find_trace(request.name)) {
        trace->end("it was ended");
        return inspection_answer{};
      }
      return refuse(errc::not_found, "no trace has this id");
    case inspection_kind::get_state:
    case inspection_kind::restart_actor:
    case inspection_kind::stop_actor:
    case inspection_kind::kill_actor:
      return std::nullopt;
    default:
      return options_.others(request);
  }
}

inspection_answer
node_inspection::begin_trace(const inspection_request& request) const {
  auto begun = census_->start_trace(
    request.text, request.name, {request.limit, request.per, request.duration});
  if (begun)
    return {};
  if (begun.error().code == errc::not_found)
    return no_actor(request.name);
  return refuse(begun.error().code, begun.error().message);
}

std::optional<inspection_answer>
node_inspection::read_trace(const inspection_request& request) const {
  auto trace = census_->find_trace(request.name);
  if (!trace)
    return refuse(errc::not_found, "no trace has this id");
  auto now = message_trace::clock::now();
  if (request.wait > millis{0} && !trace->has_news(now))
    return std::nullopt;
  inspection_answer result;
  result.trace = trace->take(now);
  if (result.trace.ended)
    census_->forget_trace(request.name);
  return result;
}

} // namespace muster
