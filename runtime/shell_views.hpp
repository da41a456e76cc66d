#pragma once

#include "persistence/job.hpp"
#include "runtime/shell_screen.hpp"
#include "runtime/shell_values.hpp"

#include <string>
#include <string_view>

// A node's answers as people read them. Each function takes an answer that is
// `make_printable` and returns lines with their ends.

namespace muster {

struct view_context {
  screen on;
  /// What ages are reckoned from.
  timestamp now;
};

using shell_view
  = std::string (*)(const shell_json& answer, const view_context& context);

/// How the answer to a command is shown; null for those that are shown in a way
/// of their own.
[[nodiscard]] shell_view view_of(std::string_view command);

[[nodiscard]] std::string view_nodes(const shell_json& answer,
                                     const view_context& context);
[[nodiscard]] std::string view_tree(const shell_json& answer,
                                    const view_context& context);
[[nodiscard]] std::string view_actors(const shell_json& answer,
                                      const view_context& context);
[[nodiscard]] std::string view_actor(const shell_json& answer,
                                     const view_context& context);
[[nodiscard]] std::string view_state(const shell_json& answer,
                                     const view_context& context);
[[nodiscard]] std::string view_workers(const shell_json& answer,
                                       const view_context& context);
/// One row of `view_workers`.
[[nodiscard]] std::string view_worker(const shell_json& answer,
                                      const view_context& context);
[[nodiscard]] std::string view_queues(const shell_json& answer,
                                      const view_context& context);
[[nodiscard]] std::string view_queue(const shell_json& answer,
                                     const view_context& context);
[[nodiscard]] std::string view_settings(const shell_json& answer,
                                        const view_context& context);
[[nodiscard]] std::string view_jobs(const shell_json& answer,
                                    const view_context& context);
[[nodiscard]] std::string view_job(const shell_json& answer,
                                   const view_context& context);
[[nodiscard]] std::string view_leases(const shell_json& answer,
                                      const view_context& context);
/// `[{"name","labels","value"}]`, of `parse_metrics`.
[[nodiscard]] std::string view_metrics(const shell_json& answer,
                                       const view_context& context);

/// Which nodes of a many-node answer could not say what they have.
[[nodiscard]] std::string view_silent_nodes(const shell_json& answer,
                                            const view_context& context);

/// One event of a trace; one line.
[[nodiscard]] std::string view_event(const shell_json& event,
                                     const view_context& context);
/// One line of a log.
[[nodiscard]] std::string view_log_line(const shell_json& line,
                                        const view_context& context);

/// The samples of Prometheus' text whose names begin with `prefix`, at most
/// `limit`: `[{"name","labels","value"}]`, all text.
[[nodiscard]] shell_json parse_metrics(std::string_view text,
                                       std::string_view prefix,
                                       std::size_t limit);

} // namespace muster
