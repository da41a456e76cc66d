#pragma once

#include "persistence/expected.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace muster {

class handler_registry;

/// Loads a shared object made with `MUSTER_PLUGIN` (see `plugin.hpp`) and adds
/// its handlers; returns their names. The file is taken as it is named,
/// relative to the working directory, and never looked for anywhere else. It
/// stays loaded as long as the process runs, since a handler may be stuck in
/// it. What it does when it is loaded it does in this process.
///
/// Errors, in one sentence with the file's name: `io_error` if it is not there
/// or no shared object, `malformed` if it is no plug-in, `version_mismatch` if
/// it was built for another version of the interface, `invalid_argument` for
/// handlers whose name is wrong or taken. Handlers that were added before the
/// error stay.
[[nodiscard]] expected<std::vector<std::string>>
load_plugin(const std::filesystem::path& file, handler_registry& to);

} // namespace muster
