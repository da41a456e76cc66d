#pragma once

#include "actors/inspection_values.hpp"
#include "actors/node_event.hpp"
#include "actors/supervisor_info.hpp"
#include "runtime/log_ring.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

class cluster_board;
class node_inspection;

/// What a process tells and does when it is inspected, beyond its actors.
struct inspected_process {
  std::string node;
  std::shared_ptr<log_ring> log;
  std::function<std::vector<supervisor_info>()> supervisors;
  /// Where HTTP is; empty: nowhere at the moment.
  std::function<std::string()> http;
  /// Has the process end in order; must not block. Null: that is not ours to
  /// decide.
  std::function<void()> drain;
};

/// Inspection of a process; `board` has its other nodes, and its inspector,
/// which is to be started with `inspector_child`.
[[nodiscard]] std::shared_ptr<node_inspection>
make_inspection(const caf::actor_system& system,
                std::shared_ptr<cluster_board> board,
                inspected_process process);

/// How severe an event is as a line of the log.
[[nodiscard]] log_level level_of(node_event::severity severity) noexcept;

/// Keeps an event among the last lines, and with the actor that complains.
void keep_event(log_ring& log, const node_event& event);

/// See `inspection_options::others`.
[[nodiscard]] std::optional<inspection_answer>
answer_inspection(const inspected_process& process,
                  const inspection_request& request);

} // namespace muster
