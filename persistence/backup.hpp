#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <filesystem>

namespace muster {

/// No journal keeps a command out of its store's last commit for longer while
/// it is healthy; `backup_store` relies on it.
inline constexpr millis max_commit_interval{1'000};

/// Copies the store of a data directory into `destination`, which must be empty
/// or not exist, and which is a data directory then: a node can start on it.
/// The copy is consistent, compacted and flushed.
///
/// The directory may be in use: the store is then read beside its node, and the
/// copy holds every command that was answered before the call (the call waits
/// up to a second for the node's next commit). If it is not, what the log holds
/// beyond the store is applied first.
///
/// Blocks. Errors: `store_foreign`, `store_corrupt`, `store_newer`, `disk_full`,
/// `io_error`, `invalid_argument`.
[[nodiscard]] expected<void>
backup_store(const std::filesystem::path& data_dir,
             const std::filesystem::path& destination);

} // namespace muster
