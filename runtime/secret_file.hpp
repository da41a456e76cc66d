#pragma once

#include "persistence/expected.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace muster {

/// Reads a file that must be its owner's alone: one that its group or others
/// may read, write or execute is refused, as is one over 1 MiB. Errors:
/// `invalid_argument` with a sentence that names the file.
[[nodiscard]] expected<std::string>
read_secret_file(const std::filesystem::path& file);

/// Makes a file that is its owner's alone, flushed. Errors: `io_error`, also if
/// there is a file of this name already, which is left alone.
[[nodiscard]] expected<void>
create_secret_file(const std::filesystem::path& file, std::string_view text);

/// Whether nobody but a file's owner may do anything with it.
[[nodiscard]] bool is_private_file(const std::filesystem::path& file);

} // namespace muster
