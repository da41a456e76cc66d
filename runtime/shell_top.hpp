#pragma once

#include "runtime/shell_views.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// What actors did between two looks at them. Answers of `GET /v1/actors`,
/// which count from each actor's start, go in; rows with shares and rates come
/// out. Pure.
class actor_window {
public:
  actor_window();
  ~actor_window();
  actor_window(const actor_window&) = delete;
  actor_window& operator=(const actor_window&) = delete;

  /// A later answer. Of an actor that the one before does not have, everything
  /// since its start counts.
  void add(shell_json answer, timestamp now);

  /// The latest answer with `busy_percent`, `in_rate` and `out_rate` in each of
  /// its `actors`: the first `limit`, the greatest of `busy`, `mailbox` or
  /// `messages` first, or by `name`.
  [[nodiscard]] shell_json rows(std::string_view order,
                                std::size_t limit) const;

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// `actor_window::rows` as people read them.
[[nodiscard]] std::string view_top(const shell_json& answer,
                                   const view_context& context);

} // namespace muster
