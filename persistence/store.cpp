#include "persistence/store.hpp"

#include "persistence/store_file.hpp"
#include "persistence/store_tables.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

namespace muster {

namespace {

/// 2: the table of attempts. A store of version 1 has none; what ended before
/// is told from its jobs, as far as they say it.
constexpr std::uint32_t schema_version = 2;
constexpr mode_t file_mode = 0640;
/// A map that had to be made smaller is a multiple of this, and not less than
/// that.
constexpr std::size_t map_unit = std::size_t{1} << 20;
constexpr std::size_t smallest_map = std::size_t{1} << 30;

constexpr std::array<const char*, table_count> table_names{
  "meta",  "queues", "queue_names", "jobs",   "payloads", "results",
  "ready", "states", "finished",    "timers", "keys",     "attempts"};

/// A transaction that is aborted unless it was committed.
struct scoped_transaction {
  MDB_txn* txn = nullptr;

  scoped_transaction(MDB_env* env, unsigned flags) {
    lmdb::check(mdb_txn_begin(env, nullptr, flags, &txn),
                "cannot begin a transaction");
  }

  scoped_transaction(const scoped_transaction&) = delete;
  scoped_transaction& operator=(const scoped_transaction&) = delete;

  ~scoped_transaction() {
    if (txn != nullptr)
      mdb_txn_abort(txn);
  }

  void commit() {
    lmdb::check(mdb_txn_commit(std::exchange(txn, nullptr)),
                "cannot write the store");
  }
};

// -- what LMDB opened ---------------------------------------------------------

/// Whether the environment is empty. Fails if it holds something not ours.
expected<bool> check_contents(store::impl& db, const std::string& path) {
  scoped_transaction scope{db.env, MDB_RDONLY};
  MDB_dbi meta = 0;
  auto rc = mdb_dbi_open(scope.txn, name_of(table::meta), 0, &meta);
  if (rc == MDB_NOTFOUND) {
    MDB_dbi main = 0;
    MDB_stat stat{};
    lmdb::check(mdb_dbi_open(scope.txn, nullptr, 0, &main), "cannot read");
    lmdb::check(mdb_stat(scope.txn, main, &stat), "cannot read");
    if (stat.ms_entries == 0)
      return true;
    return fail_with(errc::store_foreign,
                     path + " is an LMDB file, but not Muster's");
  }
  lmdb::check(rc, "cannot read " + path);
  auto magic = lmdb::get(scope.txn, meta, meta_keys::magic);
  auto schema = lmdb::get(scope.txn, meta, meta_keys::schema);
  auto id = lmdb::get(scope.txn, meta, meta_keys::store_id);
  if (!magic || !schema || !id || schema->size() != 4 || id->size() != 8)
    return fail_with(errc::store_foreign,
                     path + " is an LMDB file, but not Muster's");
  if (auto version = lmdb::number_at(*schema, 0, 4); version > schema_version)
    return fail_with(errc::store_newer,
                     path + " was written by a newer version of Muster (schema "
                       + std::to_string(version) + ", this one knows "
                       + std::to_string(schema_version) + ")");
  db.id = lmdb::number_at(*id, 0, 8);
  return false;
}

/// Gives a file that lacks pages its full length, with zeros, so that LMDB may
/// look at it; takes that back unless told that all is well.
class tail_repair {
public:
  tail_repair(const std::filesystem::path& path,
              std::optional<missing_tail> tail)
    : path_(path), tail_(tail) {
    // nop
  }

  tail_repair(const tail_repair&) = delete;
  tail_repair& operator=(const tail_repair&) = delete;

  ~tail_repair() {
    if (tail_)
      (void)resize(tail_->file_size);
  }

  expected<void> begin() {
    if (!tail_ || resize(tail_->whole_size))
      return {};
    return fail_with(errc::io_error, "cannot write " + path_.string() + ": "
                                       + system_text(errno));
  }

  /// Whether every page that the file lacked is a free one.
  expected<void> check(const store::impl& db) const {
    if (!tail_)
      return {};
    scoped_transaction scope{db.env, MDB_RDONLY};
    std::uint64_t free = 0;
    lmdb::each_free_page(scope.txn, [this, &free](std::uint64_t page) {
      if (page >= tail_->first_page && page <= tail_->last_page)
        ++free;
    });
    if (free > tail_->last_page - tail_->first_page)
      return {};
    return fail_with(errc::store_corrupt,
                     fmt::format("{} is cut short: it should have {} bytes "
                                 "and has {}",
                                 path_.string(), tail_->whole_size,
                                 tail_->file_size));
  }

  void keep() noexcept {
    tail_.reset();
  }

private:
  [[nodiscard]] bool resize(std::uint64_t size) const {
    return ::truncate(path_.c_str(), static_cast<off_t>(size)) == 0;
  }

  const std::filesystem::path& path_;
  std::optional<missing_tail> tail_;
};

/// Opens the environment. Where the map that was asked for does not fit into
/// the address space that the process may have, a smaller one is taken.
void open_environment(store::impl& db, const std::filesystem::path& path) {
  auto& options = db.options;
  auto text = "cannot open " + path.string();
  for (auto size = options.map_size;; size = size / 2 / map_unit * map_unit) {
    lmdb::check(mdb_env_create(&db.env), text);
    lmdb::check(mdb_env_set_mapsize(db.env, size), text);
    lmdb::check(mdb_env_set_maxdbs(db.env, table_count), text);
    lmdb::check(mdb_env_set_maxreaders(db.env, options.max_readers), text);
    auto rc
      = mdb_env_open(db.env, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS, file_mode);
    if (rc == MDB_SUCCESS)
      break;
    mdb_env_close(std::exchange(db.env, nullptr));
    if (rc != ENOMEM)
      lmdb::raise(rc, text);
    if (size / 2 < smallest_map)
      throw lmdb::failure{
        {errc::io_error,
         fmt::format(
           "{}: a map of {} bytes does not fit into the address space "
           "that this process may use",
           text, size)}};
  }
  int dead = 0;
  lmdb::check(mdb_reader_check(db.env, &dead), text);
}

/// Opens every table; makes those that do not exist, which is all that an older
/// store lacks.
void open_tables(store::impl& db, bool fresh) {
  scoped_transaction scope{db.env, 0};
  for (std::size_t i = 0; i < table_count; ++i)
    lmdb::check(
      mdb_dbi_open(scope.txn, table_names[i], MDB_CREATE, &db.tables[i]),
      "cannot open a table of the store");
  auto meta = db[table::meta];
  if (fresh) {
    std::random_device random;
    db.id = (std::uint64_t{random()} << 32) | random();
    lmdb::put(scope.txn, meta, meta_keys::magic, "store");
    lmdb::put(scope.txn, meta, meta_keys::store_id, lmdb::key{}.u64(db.id));
  }
  auto schema = lmdb::key{}.u32(schema_version);
  if (lmdb::get(scope.txn, meta, meta_keys::schema) != std::string_view{schema})
    lmdb::put(scope.txn, meta, meta_keys::schema, schema);
  scope.commit();
}

} // namespace

const char* name_of(table t) noexcept {
  return table_names[static_cast<std::size_t>(t)];
}

// -- store --------------------------------------------------------------------

store::impl::~impl() {
  if (env != nullptr) {
    std::unique_lock guard{mutex};
    none_reads.wait(guard, [this] { return readers == 0; });
    mdb_env_close(env);
  }
  if (lock >= 0)
    ::close(lock);
}

store::store(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

store::~store() = default;

expected<std::unique_ptr<store>> store::open(const store_options& options) {
  auto& dir = options.directory;
  std::error_code ec;
  std::filesystem::create_directories(dir, ec);
  if (!std::filesystem::is_directory(dir, ec))
    return fail_with(errc::io_error,
                     "cannot use " + dir.string() + " as data directory: "
                       + (ec ? ec.message() : "it is not a directory"));
  auto path = dir / "store.mdb";
  auto db = std::make_unique<impl>();
  db->options = options;
  auto lock = lock_directory(dir);
  if (!lock)
    return tl::unexpected{std::move(lock.error())};
  db->lock = *lock;
  auto missing = check_file(path);
  if (!missing)
    return tl::unexpected{std::move(missing.error())};
  tail_repair tail{path, *missing};
  try {
    auto ok = tail.begin().and_then([&]() -> expected<void> {
      open_environment(*db, path);
      return tail.check(*db);
    });
    auto fresh
      = ok.and_then([&] { return check_contents(*db, path.string()); });
    if (!fresh)
      return tl::unexpected{std::move(fresh.error())};
    open_tables(*db, *fresh);
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  }
  tail.keep();
  return std::unique_ptr<store>{new store{std::move(db)}};
}

expected<read_transaction> store::read() const {
  MDB_txn* txn = nullptr;
  {
    std::lock_guard guard{impl_->mutex};
    ++impl_->readers;
  }
  if (auto rc = mdb_txn_begin(impl_->env, nullptr, MDB_RDONLY, &txn); rc != 0) {
    std::lock_guard guard{impl_->mutex};
    --impl_->readers;
    impl_->none_reads.notify_all();
    return tl::unexpected{lmdb::to_error(rc, "cannot read the store")};
  }
  return read_transaction{*this, txn};
}

expected<store_usage> store::usage() const {
  auto reading = read();
  if (!reading)
    return tl::unexpected{std::move(reading.error())};
  try {
    auto* txn = reading->txn_;
    MDB_envinfo info{};
    MDB_stat stat{};
    lmdb::check(mdb_env_info(impl_->env, &info), "cannot read the store");
    lmdb::check(mdb_env_stat(impl_->env, &stat), "cannot read the store");
    auto free_pages = lmdb::count_free_pages(txn);
    store_usage result;
    result.page_size = stat.ms_psize;
    result.map_size = info.me_mapsize;
    result.used = (info.me_last_pgno + 1 - free_pages) * stat.ms_psize;
    return result;
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  }
}

expected<void> store::copy_to(const std::filesystem::path& file) const {
  descriptor out{
    ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file_mode)};
  if (!out.valid())
    return fail_with(errc::io_error, "cannot create " + file.string() + ": "
                                       + system_text(errno));
  auto give_up = [&file](error reason) -> expected<void> {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    return tl::unexpected{std::move(reason)};
  };
  if (auto rc = mdb_env_copyfd2(impl_->env, out.get(), MDB_CP_COMPACT); rc != 0)
    return give_up(lmdb::to_error(rc, "cannot copy the store"));
  descriptor dir{
    ::open(file.parent_path().empty() ? "." : file.parent_path().c_str(),
           O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (::fsync(out.get()) != 0 || (dir.valid() && ::fsync(dir.get()) != 0))
    return give_up({errc::io_error, "cannot flush " + file.string() + ": "
                                      + system_text(errno)});
  return {};
}

std::uint64_t store::store_id() const noexcept {
  return impl_->id;
}

// -- reading ------------------------------------------------------------------

read_transaction::read_transaction(const store& st, MDB_txn* txn) noexcept
  : store_(&st), txn_(txn) {
  // nop
}

read_transaction::read_transaction(read_transaction&& other) noexcept
  : store_(other.store_), txn_(std::exchange(other.txn_, nullptr)) {
  // nop
}

read_transaction&
read_transaction::operator=(read_transaction&& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(txn_, other.txn_);
  return *this;
}

read_transaction::~read_transaction() {
  if (txn_ == nullptr)
    return;
  mdb_txn_abort(txn_);
  auto& db = store_->internals();
  std::lock_guard guard{db.mutex};
  if (--db.readers == 0)
    db.none_reads.notify_all();
}

store_view read_transaction::view() const noexcept {
  return {*store_, txn_};
}

} // namespace muster
