#pragma once

#include "persistence/expected.hpp"
#include "runtime/logging.hpp"
#include "runtime/node_config.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace muster {

/// What a node tells about itself once it serves.
struct node_facts {
  std::string name;
  std::string incarnation;
  std::vector<std::string> roles;
  std::string http_address;
  std::uint16_t http_port = 0;
  std::string node_address;
  std::uint16_t node_port = 0;
};

/// The line that a node prints when it serves.
[[nodiscard]] std::string ready_line(const node_facts& facts);

/// The same as JSON, with the process id: the content of `node.json`.
[[nodiscard]] std::string node_json(const node_facts& facts, int pid);

/// A process' node: the actors, the HTTP gateway, the port for other nodes.
class node {
public:
  /// Starts everything and writes `node.json`. `config` must be what the
  /// settings came from; it and `log` must outlive the node.
  [[nodiscard]] static expected<std::unique_ptr<node>>
  start(node_config& config, node_settings settings, const logger& log);

  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  [[nodiscard]] const node_facts& facts() const;

  /// Why the node cannot go on, if so.
  [[nodiscard]] std::optional<error> failed() const;

  /// Takes nothing new, finishes or hands back what runs, closes. Blocks.
  void shut_down();

private:
  struct impl;
  explicit node(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
