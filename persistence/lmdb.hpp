#pragma once

#include "persistence/expected.hpp"

#include <lmdb.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

// A thin cover over LMDB for this folder alone: views instead of MDB_val, keys
// that sort as numbers do, and one exception that never leaves the folder.

namespace muster::lmdb {

/// What LMDB or the system refused; caught at the border of persistence/.
struct failure {
  error reason;
};

/// Turns an LMDB or system error number into an error.
[[nodiscard]] error to_error(int rc, std::string_view doing);

[[noreturn]] void raise(int rc, std::string_view doing);

inline void check(int rc, std::string_view doing) {
  if (rc != MDB_SUCCESS) [[unlikely]]
    raise(rc, doing);
}

[[nodiscard]] inline MDB_val to_val(std::string_view bytes) noexcept {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

[[nodiscard]] inline std::string_view to_view(const MDB_val& val) noexcept {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

/// Builds a key of big-endian numbers, so that keys sort as the numbers do.
class key {
public:
  key& u8(std::uint8_t value) noexcept {
    return put(value, 1);
  }

  key& u32(std::uint32_t value) noexcept {
    return put(value, 4);
  }

  key& u64(std::uint64_t value) noexcept {
    return put(value, 8);
  }

  operator std::string_view() const noexcept {
    return {bytes_.data(), size_};
  }

private:
  key& put(std::uint64_t value, std::size_t width) noexcept {
    for (auto shift = 8 * width; shift > 0; shift -= 8)
      bytes_[size_++] = static_cast<char>((value >> (shift - 8)) & 0xFF);
    return *this;
  }

  std::array<char, 24> bytes_{};
  std::size_t size_ = 0;
};

/// Reads the big-endian number of `width` bytes at `offset`.
[[nodiscard]] std::uint64_t number_at(std::string_view bytes,
                                      std::size_t offset,
                                      std::size_t width) noexcept;

/// A value, or nothing if the key is absent. The view lasts until the next
/// write of the transaction.
[[nodiscard]] std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi dbi,
                                                  std::string_view k);

void put(MDB_txn* txn, MDB_dbi dbi, std::string_view k, std::string_view value,
         unsigned flags = 0);

/// Puts a key that is greater than all others in the table.
inline void append(MDB_txn* txn, MDB_dbi dbi, std::string_view k,
                   std::string_view value) {
  put(txn, dbi, k, value, MDB_APPEND);
}

/// Returns whether the key was there.
bool erase(MDB_txn* txn, MDB_dbi dbi, std::string_view k);

class cursor {
public:
  cursor(MDB_txn* txn, MDB_dbi dbi);
  ~cursor();
  cursor(cursor&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      key_(other.key_),
      value_(other.value_) {
    // nop
  }
  cursor& operator=(cursor&&) = delete;

  /// Moves to the first key that is not less than `k`.
  bool seek(std::string_view k);
  bool first();
  bool next();
  bool last();
  bool prev();
  /// Removes what the cursor is at; `next` then moves to what followed.
  void erase();

  [[nodiscard]] std::string_view key() const noexcept {
    return to_view(key_);
  }

  [[nodiscard]] std::string_view value() const noexcept {
    return to_view(value_);
  }

private:
  bool move(MDB_cursor_op op);

  MDB_cursor* handle_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
};

// -- free pages ---------------------------------------------------------------

// Table 0 is LMDB's own list of free pages: each value is a count and so many
// page numbers, in the machine's byte order.

/// How many pages the transaction's state has free.
[[nodiscard]] std::uint64_t count_free_pages(MDB_txn* txn);

void each_free_page(MDB_txn* txn,
                    const std::function<void(std::uint64_t)>& visit);

} // namespace muster::lmdb
