#pragma once

#include "actors/inspection_values.hpp"
#include "runtime/routes.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// How long other nodes have for their answers, beyond what a request waits for
/// itself.
inline constexpr millis node_limit{2'000};

/// What a node said, or why it said nothing.
struct node_part {
  std::string name;
  /// `ok`, `unresponsive`, `lost` or `refused`.
  std::string_view state = "unresponsive";
  std::string error;
  /// Of nodes that are `ok`.
  inspection_answer answer;
};

/// Asks one node, the one that the query's `node` names, or this one. Answers
/// with what `show` makes of the answer, or with the problem; 504 if the node
/// does not answer within `limit`.
void ask_node(gateway_state& state, http_call& call, inspection_request request,
              millis limit,
              std::function<http_response(inspection_answer&)> show);

/// Asks one node by its name; empty: this one.
void ask_node(gateway_state& state, http_call& call, std::string node,
              inspection_request request, millis limit,
              std::function<http_response(inspection_answer&)> show);

/// Asks this node and all that it is connected to, or the one that the query's
/// `node` names, and answers when all have answered or `limit` has passed.
void ask_nodes(gateway_state& state, http_call& call,
               const inspection_request& request, millis limit,
               std::function<http_response(std::vector<node_part>&)> show);

/// Appends `"nodes":[...]`.
void render_nodes(std::string& out, const std::vector<node_part>& parts);

} // namespace muster
