#include "persistence/lmdb.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace muster::lmdb {

error to_error(int rc, std::string_view doing) {
  auto text = std::string{doing} + ": " + mdb_strerror(rc);
  switch (rc) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
      return {errc::store_full, std::move(text)};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
      return {errc::store_corrupt, std::move(text)};
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return {errc::store_foreign, std::move(text)};
    case MDB_READERS_FULL:
      return {errc::busy, std::move(text)};
    case ENOSPC:
    case EDQUOT:
      return {errc::disk_full, std::move(text)};
    default:
      return {errc::io_error, std::move(text)};
  }
}

void raise(int rc, std::string_view doing) {
  throw failure{to_error(rc, doing)};
}

std::uint64_t number_at(std::string_view bytes, std::size_t offset,
                        std::size_t width) noexcept {
  if (bytes.size() < offset + width)
    return 0;
  std::uint64_t result = 0;
  for (auto c : bytes.substr(offset, width))
    result = (result << 8) | static_cast<unsigned char>(c);
  return result;
}

std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi dbi,
                                    std::string_view k) {
  auto key_val = to_val(k);
  MDB_val value{};
  auto rc = mdb_get(txn, dbi, &key_val, &value);
  if (rc == MDB_NOTFOUND)
    return std::nullopt;
  check(rc, "cannot read the store");
  return to_view(value);
}

void put(MDB_txn* txn, MDB_dbi dbi, std::string_view k, std::string_view value,
         unsigned flags) {
  auto key_val = to_val(k);
  auto data = to_val(value);
  check(mdb_put(txn, dbi, &key_val, &data, flags), "cannot write the store");
}

bool erase(MDB_txn* txn, MDB_dbi dbi, std::string_view k) {
  auto key_val = to_val(k);
  auto rc = mdb_del(txn, dbi, &key_val, nullptr);
  if (rc == MDB_NOTFOUND)
    return false;
  check(rc, "cannot write the store");
  return true;
}

cursor::cursor(MDB_txn* txn, MDB_dbi dbi) {
  check(mdb_cursor_open(txn, dbi, &handle_), "cannot read the store");
}

cursor::~cursor() {
  if (handle_ != nullptr)
    mdb_cursor_close(handle_);
}

bool cursor::seek(std::string_view k) {
  key_ = to_val(k);
  return move(MDB_SET_RANGE);
}

bool cursor::first() {
  return move(MDB_FIRST);
}

bool cursor::next() {
  return move(MDB_NEXT);
}

bool cursor::last() {
  return move(MDB_LAST);
}

bool cursor::prev() {
  return move(MDB_PREV);
}

void cursor::erase() {
  check(mdb_cursor_del(handle_, 0), "cannot write the store");
}

bool cursor::move(MDB_cursor_op op) {
  auto rc = mdb_cursor_get(handle_, &key_, &value_, op);
  if (rc == MDB_NOTFOUND)
    return false;
  check(rc, "cannot read the store");
  return true;
}

// -- free pages ---------------------------------------------------------------

namespace {

constexpr MDB_dbi free_list = 0;

/// The number at `index` of a value of machine numbers; 0 beyond its end.
std::size_t machine_number(std::string_view value, std::size_t index) {
  std::size_t result = 0;
  if (value.size() / sizeof(result) > index)
    std::memcpy(&result, value.data() + index * sizeof(result), sizeof(result));
  return result;
}

} // namespace

std::uint64_t count_free_pages(MDB_txn* txn) {
  std::uint64_t result = 0;
  cursor pos{txn, free_list};
  for (bool more = pos.first(); more; more = pos.next())
    result += machine_number(pos.value(), 0);
  return result;
}

void each_free_page(MDB_txn* txn,
                    const std::function<void(std::uint64_t)>& visit) {
  cursor pos{txn, free_list};
  for (bool more = pos.first(); more; more = pos.next()) {
    auto listed = pos.value().size() / sizeof(std::size_t);
    auto count = std::min(machine_number(pos.value(), 0) + 1, listed);
    for (std::size_t i = 1; i < count; ++i)
      visit(machine_number(pos.value(), i));
  }
}

} // namespace muster::lmdb
