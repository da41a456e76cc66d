#pragma once

#include "persistence/expected.hpp"
#include "persistence/store_view.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace muster {

struct store_options {
  /// Created if it does not exist.
  std::filesystem::path directory;
  /// The largest size that the store can grow to. Address space and a sparse
  /// file, not memory and not disk.
  std::size_t map_size = std::size_t{1} << 40;
  /// How many readers may look at once.
  unsigned max_readers = 512;
};

/// A read-only look at the last commit. May be used by one thread at a time;
/// as long as it lives, pages that are freed meanwhile cannot be reused, so
/// keep it short.
class read_transaction {
public:
  read_transaction(read_transaction&&) noexcept;
  read_transaction& operator=(read_transaction&&) noexcept;
  ~read_transaction();

  [[nodiscard]] store_view view() const noexcept;

private:
  friend class store;
  read_transaction(const store& st, MDB_txn* txn) noexcept;

  const store* store_;
  MDB_txn* txn_;
};

/// How much of the map is in use.
struct store_usage {
  std::size_t map_size = 0;
  /// Bytes of pages that hold something.
  std::size_t used = 0;
  std::size_t page_size = 0;
};

/// The LMDB environment of one data directory: opening with all its checks,
/// read transactions, usage, copies. Writing is `state_machine`'s.
class store {
public:
  /// Opens or creates the store and takes the directory's lock.
  /// Errors: `store_locked`, `store_foreign`, `store_corrupt`, `store_newer`,
  /// `disk_full`, `io_error`, `invalid_argument`; files are untouched then.
  [[nodiscard]] static expected<std::unique_ptr<store>>
  open(const store_options& options);

  ~store();
  store(const store&) = delete;
  store& operator=(const store&) = delete;

  /// Thread-safe. Fails with `busy` when `max_readers` look already.
  [[nodiscard]] expected<read_transaction> read() const;

  /// As of the last commit. Thread-safe. Counts free pages, so its cost grows
  /// with the number of free-list records.
  [[nodiscard]] expected<store_usage> usage() const;

  /// Writes a consistent, compacted copy of the last commit into `file`, which
  /// must not exist, and flushes it. Thread-safe; others go on meanwhile.
  [[nodiscard]] expected<void> copy_to(const std::filesystem::path& file) const;

  /// A random number made with the store, kept in it and its copies.
  [[nodiscard]] std::uint64_t store_id() const noexcept;

  struct impl;
  [[nodiscard]] impl& internals() const noexcept {
    return *impl_;
  }

private:
  explicit store(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
