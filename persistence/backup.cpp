#include "persistence/backup.hpp"

#include "persistence/journal.hpp"
#include "persistence/store_tables.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

namespace muster {

namespace {

namespace fs = std::filesystem;

constexpr auto look_interval = std::chrono::milliseconds{5};
/// A commit may take its time on a busy disk.
constexpr auto commit_slack = std::chrono::milliseconds{500};

struct close_environment {
  void operator()(MDB_env* env) const noexcept {
    mdb_env_close(env);
  }
};

using environment = std::unique_ptr<MDB_env, close_environment>;

/// Opens the store beside the process that owns it.
environment open_beside(const fs::path& file) {
  auto doing = "cannot open " + file.string();
  MDB_env* raw = nullptr;
  lmdb::check(mdb_env_create(&raw), doing);
  environment env{raw};
  lmdb::check(mdb_env_set_maxdbs(raw, table_count), doing);
  lmdb::check(mdb_env_open(raw, file.c_str(),
                           MDB_RDONLY | MDB_NOSUBDIR | MDB_NOTLS, 0640),
              doing);
  return env;
}

/// The time of the latest committed command; none if the store is not ours.
std::optional<timestamp> committed_time(MDB_env* env) {
  MDB_txn* txn = nullptr;
  lmdb::check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), "cannot read");
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> guard{txn, mdb_txn_abort};
  MDB_dbi meta = 0;
  if (mdb_dbi_open(txn, name_of(table::meta), 0, &meta) != 0)
    return std::nullopt;
  if (!lmdb::get(txn, meta, meta_keys::magic))
    return std::nullopt;
  meta_record rec;
  if (auto bytes = lmdb::get(txn, meta, meta_keys::state))
    if (!decode_record(*bytes, rec))
      return std::nullopt;
  return rec.now;
}

/// Waits until every command that was answered before now is committed: a later
/// one is, or so much time has passed that those must be.
expected<void> wait_for_commit(MDB_env* env) {
  auto begun = std::chrono::time_point_cast<millis>(
    std::chrono::system_clock::now());
  auto until = std::chrono::steady_clock::now() + max_commit_interval
               + commit_slack;
  while (true) {
    auto at = committed_time(env);
    if (!at)
      return fail_with(errc::store_foreign,
                       "the data directory holds no store of Muster's");
    if (*at > begun || std::chrono::steady_clock::now() >= until)
      return {};
    std::this_thread::sleep_for(look_interval);
  }
}

expected<void> copy_beside(const fs::path& data_dir, const fs::path& file) {
  auto env = open_beside(data_dir / "store.mdb");
  if (auto ok = wait_for_commit(env.get()); !ok)
    return ok;
  auto fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0)
    return fail_with(errc::io_error,
                     "cannot create " + file.string() + ": "
                       + std::error_code{errno, std::system_category()}
                           .message());
  auto rc = mdb_env_copyfd2(env.get(), fd, MDB_CP_COMPACT);
  auto flushed = rc == 0 && ::fsync(fd) == 0;
  ::close(fd);
  if (flushed)
    return {};
  std::error_code ignored;
  fs::remove(file, ignored);
  if (rc != 0)
    return tl::unexpected{lmdb::to_error(rc, "cannot copy the store")};
  return fail_with(errc::io_error, "cannot flush " + file.string());
}

expected<void> copy_stopped(const fs::path& data_dir, const fs::path& file) {
  journal_options options;
  options.directory = data_dir;
  auto opened = journal::open(std::move(options));
  if (!opened)
    return tl::unexpected{std::move(opened.error())};
  auto result = (*opened)->backup(file);
  (*opened)->close();
  return result;
}

} // namespace

expected<void> backup_store(const fs::path& data_dir,
                            const fs::path& destination) {
  std::error_code ec;
  if (!fs::exists(data_dir / "store.mdb", ec))
    return fail_with(errc::invalid_argument,
                     data_dir.string() + " holds no store");
  fs::create_directories(destination, ec);
  if (!fs::is_directory(destination, ec) || !fs::is_empty(destination, ec))
    return fail_with(errc::invalid_argument,
                     destination.string() + " must be an empty directory, or "
                                            "not exist");
  auto file = destination / "store.mdb";
  auto result = copy_stopped(data_dir, file);
  if (result || result.error().code != errc::store_locked)
    return result;
  try {
    return copy_beside(data_dir, file);
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  }
}

} // namespace muster
