#pragma once

#include "persistence/expected.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

// What is looked at, with read-only calls, before LMDB may touch a data
// directory. Private to persistence/.

namespace muster {

/// A file descriptor that closes itself.
class descriptor {
public:
  explicit descriptor(int fd) noexcept : fd_(fd) {
    // nop
  }

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor();

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }

  [[nodiscard]] bool valid() const noexcept {
    return fd_ >= 0;
  }

private:
  int fd_;
};

/// The system's words for an error number.
[[nodiscard]] std::string system_text(int number);

/// Locks a data directory to this process until the result is closed.
/// Errors: `store_locked`, `disk_full`, `io_error`.
[[nodiscard]] expected<int> lock_directory(const std::filesystem::path& dir);

/// The pages that a store's file lacks at its end.
struct missing_tail {
  std::uint64_t file_size = 0;
  /// What the file should have.
  std::uint64_t whole_size = 0;
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
};

/// Checks the heads of a store's file, which LMDB itself hardly does. A file
/// that does not exist, or is empty because its maker died at once, is good.
///
/// A file may be shorter than its head says and still be whole: LMDB does not
/// write pages that a transaction took and gave back. Only its list of free
/// pages can tell, so the caller gets to know what is missing.
/// Errors: `store_foreign`, `store_corrupt`, `io_error`.
[[nodiscard]] expected<std::optional<missing_tail>>
check_file(const std::filesystem::path& path);

} // namespace muster
