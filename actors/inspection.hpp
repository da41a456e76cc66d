#pragma once

#include "actors/actor_census.hpp"
#include "actors/cluster_board.hpp"
#include "actors/inspection_values.hpp"
#include "actors/supervisor_info.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster {

struct inspection_options {
  /// This node's name.
  std::string node;
  /// Who else is there; the inspector is found there, too.
  std::shared_ptr<cluster_board> board;
  /// This node's supervisors, those above others first.
  std::function<std::vector<supervisor_info>()> supervisors;
  /// Answers what is not about actors; none: there is nothing yet, ask again.
  /// Called from any thread; must not block.
  std::function<std::optional<inspection_answer>(const inspection_request&)>
    others;
};

/// What this process answers without asking an actor, so that none that hangs
/// holds it up, and the way to whoever answers the rest. Thread-safe.
class node_inspection : public inspection_port {
public:
  node_inspection(std::shared_ptr<actor_census> census,
                  inspection_options options);

  [[nodiscard]] std::vector<inspected_node> nodes() const override;
  void call(inspection_call what) override;

  /// None: it needs an actor, or there is nothing to tell yet.
  [[nodiscard]] std::optional<inspection_answer>
  answer(const inspection_request& request) const;

  /// Those of the tree included, in no order.
  [[nodiscard]] std::vector<actor_row> rows() const;

  [[nodiscard]] actor_census& census() const noexcept {
    return *census_;
  }

  [[nodiscard]] cluster_board& board() const noexcept {
    return *options_.board;
  }

  /// Refuses a request about an actor that this node does not have.
  [[nodiscard]] inspection_answer no_actor(const std::string& name) const;

private:
  [[nodiscard]] inspection_answer
  begin_trace(const inspection_request& request) const;
  [[nodiscard]] std::optional<inspection_answer>
  read_trace(const inspection_request& request) const;

  std::shared_ptr<actor_census> census_;
  inspection_options options_;
};

} // namespace muster
