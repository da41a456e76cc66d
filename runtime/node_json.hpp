#pragma once

#include "persistence/expected.hpp"
#include "runtime/command_line.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What a node tells about itself once it serves.
struct node_facts {
  std::string name;
  int pid = 0;
  /// Tells this start of the node from the ones before.
  std::string incarnation;
  std::vector<std::string> roles;
  endpoint http;
  endpoint node;
  /// Whether HTTP goes over TLS.
  bool https = false;

  friend bool operator==(const node_facts&, const node_facts&) = default;
};

/// The line that a node prints when it serves.
[[nodiscard]] std::string ready_line(const node_facts& facts);

/// The content of `node.json`, with a line's end.
[[nodiscard]] std::string to_json(const node_facts& facts);

/// Reads what `to_json` has written; `malformed` for anything else.
[[nodiscard]] expected<node_facts> parse_node_json(std::string_view text);

/// Reads `node.json` of a data directory: the facts of the node that uses it,
/// or of one that crashed there. `io_error` if there is no such file.
[[nodiscard]] expected<node_facts>
read_node_json(const std::filesystem::path& data_dir);

/// Replaces a file so that readers see the old content or the new, whole.
/// Flushed. Errors: `io_error`.
[[nodiscard]] expected<void> replace_file(const std::filesystem::path& path,
                                          std::string_view content);

} // namespace muster
