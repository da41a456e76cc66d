#pragma once

#include "persistence/expected.hpp"
#include "runtime/logging.hpp"
#include "runtime/node_config.hpp"
#include "runtime/node_json.hpp"

#include <memory>
#include <optional>

namespace muster {

/// A process' node: the actors, the HTTP gateway, the port for other nodes.
/// Thread-safe but for `start`, `shut_down` and the destructor.
class node {
public:
  /// Starts everything and writes `node.json`. `config` must be what the
  /// settings came from; it and `log` must outlive the node. Blocks, for
  /// minutes where a long log has to be applied. Errors: those of
  /// `local_node::start` and `gateway::start`, `io_error` where no port can be
  /// had.
  [[nodiscard]] static expected<std::unique_ptr<node>>
  start(node_config& config, node_settings settings, const logger& log);

  /// Closes everything without waiting for running jobs, removes `node.json`.
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  [[nodiscard]] const node_facts& facts() const;

  /// Why the node cannot go on, if so.
  [[nodiscard]] std::optional<error> failed() const;

  /// Whether a handler goes on long after it was to stop: only the end of the
  /// process ends it.
  [[nodiscard]] bool has_stuck_handlers() const;

  /// Of a worker process: leaves its figures for its parent.
  void keep_figures() const;

  /// Takes nothing new, finishes or hands back what runs, closes. Blocks.
  void shut_down();

private:
  struct impl;
  explicit node(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
