#include "persistence/backup.hpp"

#include "persistence/journal.hpp"
#include "persistence/store_tables.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

namespace muster {

namespace {

namespace fs = std::filesystem;

using clock = std::chrono::steady_clock;

constexpr auto look_interval = std::chrono::milliseconds{5};
/// How long a commit may take where nothing says when it is done.
constexpr auto commit_slack = std::chrono::milliseconds{1'000};
constexpr mode_t file_mode = 0640;

tl::unexpected<error> system_error_of(const std::string& doing, int number) {
  return fail_with(
    number == ENOSPC ? errc::disk_full : errc::io_error,
    doing + ": " + std::error_code{number, std::system_category()}.message());
}

// -- beside a process that uses the directory ---------------------------------

struct close_environment {
  void operator()(MDB_env* env) const noexcept {
    mdb_env_close(env);
  }
};

using environment = std::unique_ptr<MDB_env, close_environment>;

environment open_beside(const fs::path& file) {
  auto doing = "cannot open " + file.string();
  MDB_env* raw = nullptr;
  lmdb::check(mdb_env_create(&raw), doing);
  environment env{raw};
  lmdb::check(mdb_env_set_maxdbs(raw, table_count), doing);
  lmdb::check(mdb_env_open(raw, file.c_str(),
                           MDB_RDONLY | MDB_NOSUBDIR | MDB_NOTLS, file_mode),
              doing);
  return env;
}

/// How many entries the last commit includes.
std::uint64_t committed_entries(MDB_env* env) {
  MDB_txn* txn = nullptr;
  lmdb::check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn),
              "cannot read the store");
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> guard{txn, mdb_txn_abort};
  MDB_dbi meta = 0;
  meta_record rec;
  if (mdb_dbi_open(txn, name_of(table::meta), 0, &meta) == 0)
    if (auto bytes = lmdb::get(txn, meta, meta_keys::state))
      if (!decode_record(*bytes, rec))
        throw lmdb::failure{
          {errc::store_corrupt, "the store's own record is damaged"}};
  return rec.applied;
}

std::size_t last_transaction(MDB_env* env) {
  MDB_envinfo info{};
  lmdb::check(mdb_env_info(env, &info), "cannot read the store");
  return info.me_last_txnid;
}

/// Waits until `done` says so. False at the end of the time.
template <class Predicate>
bool wait_until(clock::time_point end, Predicate done) {
  while (!done()) {
    if (clock::now() >= end)
      return false;
    std::this_thread::sleep_for(look_interval);
  }
  return true;
}

/// Waits until whatever was answered before now is committed.
expected<void> wait_for_commit(MDB_env* env, const backup_options& options) {
  auto now = clock::now();
  if (options.applied) {
    if (wait_until(now + options.limit,
                   [&] { return committed_entries(env) >= *options.applied; }))
      return {};
    return fail_with(
      errc::timed_out,
      "the node has not committed what it accepted; it may hang");
  }
  // A commit that ends now may have begun before, but not the one after it. If
  // neither comes, there was nothing to commit.
  auto first = last_transaction(env);
  (void)wait_until(now + max_commit_interval + commit_slack,
                   [&] { return last_transaction(env) >= first + 2; });
  return {};
}

expected<void> copy_beside(const backup_options& options,
                           const fs::path& file) {
  auto env = open_beside(options.data_dir / "store.mdb");
  if (auto ok = wait_for_commit(env.get(), options); !ok)
    return ok;
  auto fd
    = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file_mode);
  if (fd < 0)
    return system_error_of("cannot create " + file.string(), errno);
  auto rc = mdb_env_copyfd2(env.get(), fd, MDB_CP_COMPACT);
  auto flushed = rc != 0 || ::fsync(fd) == 0;
  auto number = errno;
  ::close(fd);
  if (rc != 0)
    return tl::unexpected{lmdb::to_error(rc, "cannot copy the store")};
  if (!flushed)
    return system_error_of("cannot flush " + file.string(), number);
  return {};
}

// -- a directory that nobody uses ---------------------------------------------

/// Copies store and log into `to`, with the directory locked.
expected<void> copy_files(const fs::path& data_dir, const fs::path& to) {
  store_options options;
  options.directory = data_dir;
  auto db = store::open(options);
  if (!db)
    return tl::unexpected{std::move(db.error())};
  if (auto ok = (*db)->copy_to(to / "store.mdb"); !ok)
    return ok;
  std::error_code ec;
  if (fs::exists(data_dir / "log", ec))
    fs::copy(data_dir / "log", to / "log", ec);
  if (ec)
    return system_error_of("cannot copy " + (data_dir / "log").string(),
                           ec.value());
  return {};
}

/// Has a journal apply what the copied log holds beyond the store.
expected<void> apply_log(const fs::path& dir) {
  journal_options options;
  options.directory = dir;
  auto opened = journal::open(std::move(options));
  if (!opened)
    return tl::unexpected{std::move(opened.error())};
  (*opened)->close();
  return {};
}

// -- both ---------------------------------------------------------------------

expected<void> flush_directory(const fs::path& dir) {
  auto fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto good = fd >= 0 && ::fsync(fd) == 0;
  auto number = errno;
  if (fd >= 0)
    ::close(fd);
  if (!good)
    return system_error_of("cannot flush " + dir.string(), number);
  return {};
}

/// Whether a process holds the directory's lock.
bool in_use(const fs::path& data_dir) {
  auto fd = ::open((data_dir / "lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return false;
  auto locked = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return locked;
}

/// Returns whether the directory was in use.
expected<bool> copy_into(const backup_options& options, const fs::path& dir) {
  auto file = dir / "store.mdb";
  expected<void> copied;
  do {
    copied = copy_files(options.data_dir, dir);
    if (copied)
      copied = apply_log(dir);
    if (copied)
      return false;
    if (copied.error().code != errc::store_locked)
      break;
    copied = copy_beside(options, file);
    if (copied && in_use(options.data_dir))
      return true;
    std::error_code ec;
    fs::remove(file, ec);
    // Where the process has ended meanwhile, its log has what it had not
    // committed.
  } while (!in_use(options.data_dir));
  return tl::unexpected{std::move(copied.error())};
}

expected<backup_summary> copy_and_show(const backup_options& options,
                                       const fs::path& unfinished) {
  std::error_code ec;
  if (!fs::create_directory(unfinished, ec))
    return system_error_of("cannot create " + unfinished.string(), ec.value());
  auto live = copy_into(options, unfinished);
  if (!live)
    return tl::unexpected{std::move(live.error())};
  auto file = options.destination / "store.mdb";
  fs::rename(unfinished / "store.mdb", file, ec);
  if (ec)
    return system_error_of("cannot create " + file.string(), ec.value());
  if (auto ok = flush_directory(options.destination); !ok)
    return tl::unexpected{std::move(ok.error())};
  return backup_summary{*live, fs::file_size(file, ec)};
}

} // namespace

expected<backup_summary> backup_store(const backup_options& options) {
  auto& destination = options.destination;
  std::error_code ec;
  if (!fs::exists(options.data_dir / "store.mdb", ec))
    return fail_with(errc::invalid_argument,
                     options.data_dir.string() + " holds no store");
  auto existed = fs::exists(destination, ec);
  fs::create_directories(destination, ec);
  if (ec)
    return system_error_of("cannot create " + destination.string(), ec.value());
  if (!fs::is_directory(destination, ec) || !fs::is_empty(destination, ec))
    return fail_with(errc::invalid_argument,
                     destination.string()
                       + " must be an empty directory, or "
                         "not exist");
  auto unfinished = destination / "unfinished";
  auto result = [&]() -> expected<backup_summary> {
    try {
      return copy_and_show(options, unfinished);
    } catch (lmdb::failure& failed) {
      return tl::unexpected{std::move(failed.reason)};
    }
  }();
  fs::remove_all(unfinished, ec);
  if (!result && !existed)
    fs::remove(destination, ec);
  return result;
}

} // namespace muster
