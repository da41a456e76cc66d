#pragma once

#include "persistence/expected.hpp"

#include <filesystem>
#include <string>

namespace muster {

// A node's name outlives the node: it is kept in the file `node.name` of its
// data directory.

/// The name given, else the one kept, else the host's name and a short random
/// id.
[[nodiscard]] std::string choose_name(const std::string& given,
                                      const std::filesystem::path& data_dir);

/// Writes the file unless it says so already.
[[nodiscard]] expected<void> keep_name(const std::string& name,
                                       const std::filesystem::path& data_dir);

/// Random lower-case hexadecimal digits.
[[nodiscard]] std::string random_hex(int digits);

} // namespace muster
