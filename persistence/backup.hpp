#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace muster {

/// No journal keeps an applied command out of its store's last commit for
/// longer, apart from the time that the commit itself takes.
inline constexpr millis max_commit_interval{1'000};

struct backup_options {
  std::filesystem::path data_dir;
  /// Must not exist or be an empty directory. Is a data directory afterwards:
  /// a node can start on it.
  std::filesystem::path destination;
  /// Of a directory in use: how many entries its journal had applied (see
  /// `journal_stats::applied`) when the copy was asked for. The copy includes
  /// them all. Without it the copy waits as long as a commit can take to come:
  /// some seconds, but not for a disk that is slower than that.
  std::optional<std::uint64_t> applied;
  /// How long to wait for these entries to be committed.
  millis limit{60'000};
};

struct backup_summary {
  /// Whether another process used the directory meanwhile.
  bool live = false;
  std::uintmax_t bytes = 0;
};

/// Copies the store of a data directory, consistent, compacted and flushed. The
/// destination's `store.mdb` appears when it is complete.
///
/// - In use: the store is read beside the process that writes it, which goes on
///   meanwhile. The copy includes every command that was answered before the
///   call.
/// - Not in use: the directory is locked, and its log is copied too and applied
///   to the copy. The original is not changed.
///
/// Blocks. Errors: `store_foreign`, `store_corrupt`, `store_newer`,
/// `disk_full`, `io_error`, `timed_out`, `invalid_argument`.
[[nodiscard]] expected<backup_summary>
backup_store(const backup_options& options);

} // namespace muster
