#pragma once

#include "actors/endpoint.hpp"
#include "actors/node_hello.hpp"
#include "persistence/expected.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// The nodes that a node knew are kept in the file `peers.json` of its data
// directory, so that after a restart, perhaps at another port, it finds them
// and they need not find it.

[[nodiscard]] std::string to_json(const std::vector<known_node>& nodes);

/// Reads what `to_json` has written; `malformed` for anything else.
[[nodiscard]] expected<std::vector<known_node>>
parse_peers(std::string_view text);

/// Nothing where there is no such file, or none that can be read: it is a help,
/// not a need.
[[nodiscard]] std::vector<known_node>
read_peers(const std::filesystem::path& data_dir);

/// Errors: `io_error`.
[[nodiscard]] expected<void> keep_peers(const std::vector<known_node>& nodes,
                                        const std::filesystem::path& data_dir);

/// What a node tells others of where it is: what it was told to tell, else the
/// address that it listens on, or the machine's name where that is every
/// address.
[[nodiscard]] endpoint advertised_address(endpoint told,
                                          const endpoint& listening);

} // namespace muster
