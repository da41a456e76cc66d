#include "persistence/store.hpp"

#include "persistence/store_tables.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace muster {

namespace {

constexpr std::uint32_t schema_version = 1;
constexpr mode_t file_mode = 0640;

constexpr std::array<const char*, table_count> table_names{
  "meta",   "queues", "queue_names", "jobs",   "payloads", "results",
  "ready",  "states", "finished",    "timers", "keys"};

std::string system_text(int number) {
  return std::error_code{number, std::system_category()}.message();
}

/// A file descriptor that closes itself.
struct descriptor {
  int fd = -1;

  explicit descriptor(int value) : fd(value) {
    // nop
  }

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  ~descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

// -- checks before LMDB touches anything --------------------------------------

// LMDB's file: two pages that each begin with a page header of 16 bytes and a
// description of the tree; the newer of the two counts. LMDB itself checks
// magic and version only.
constexpr std::size_t page_header = 16;
constexpr std::uint32_t lmdb_magic = 0xBEEFC0DE;
constexpr std::uint32_t lmdb_version = 1;
constexpr std::uint16_t meta_page_flag = 0x08;

struct file_head {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  struct {
    std::uint32_t pad;
    std::uint16_t flags;
    std::uint16_t depth;
    std::uint64_t counts[4];
    std::uint64_t root;
  } trees[2];
  std::uint64_t last_page;
  std::uint64_t transaction;
};

static_assert(sizeof(file_head) == 136);

bool read_head(int fd, off_t offset, file_head& head) {
  unsigned char page[page_header + sizeof(file_head)];
  if (::pread(fd, page, sizeof(page), offset)
      != static_cast<ssize_t>(sizeof(page)))
    return false;
  std::uint16_t flags = 0;
  std::memcpy(&flags, page + 10, sizeof(flags));
  std::memcpy(&head, page + page_header, sizeof(head));
  return (flags & meta_page_flag) != 0 && head.magic == lmdb_magic;
}

/// The pages that a file lacks at its end. They may be free ones that LMDB
/// never wrote; `check_tail` finds out.
struct missing_tail {
  std::uint64_t file_size = 0;
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
  std::uint64_t page_size = 0;
};

expected<std::optional<missing_tail>>
check_file(const std::filesystem::path& path) {
  descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    if (errno == ENOENT)
      return std::nullopt;
    return fail_with(errc::io_error,
                     "cannot open " + path.string() + ": "
                       + system_text(errno));
  }
  struct stat info {};
  if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode))
    return fail_with(errc::store_foreign,
                     path.string() + " is not a regular file");
  // Left by a process that died while it made the file.
  if (info.st_size == 0)
    return std::nullopt;
  file_head first{};
  if (!read_head(file.fd, 0, first))
    return fail_with(errc::store_foreign, path.string() + " is not a store");
  if (first.version != lmdb_version)
    return fail_with(errc::store_foreign,
                     path.string() + " has a format that this LMDB cannot read");
  auto page_size = first.trees[0].pad;
  file_head second{};
  if (page_size < 512 || page_size > 65536
      || !read_head(file.fd, page_size, second))
    return fail_with(errc::store_corrupt,
                     path.string() + " is damaged: its second page is no head");
  auto& newest = first.transaction >= second.transaction ? first : second;
  auto size = static_cast<std::uint64_t>(info.st_size);
  if (newest.transaction == 0 || (newest.last_page + 1) * page_size <= size)
    return std::nullopt;
  return missing_tail{size, size / page_size, newest.last_page, page_size};
}

expected<int> lock_directory(const std::filesystem::path& dir) {
  auto path = dir / "lock";
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, file_mode);
  if (fd < 0)
    return fail_with(errno == ENOSPC ? errc::disk_full : errc::io_error,
                     "cannot open " + path.string() + ": "
                       + system_text(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    auto number = errno;
    ::close(fd);
    if (number == EWOULDBLOCK)
      return fail_with(errc::store_locked,
                       "another process uses the data directory "
                         + dir.string());
    return fail_with(errc::io_error, "cannot lock " + path.string() + ": "
                                       + system_text(number));
  }
  return fd;
}

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

bool resize(const std::filesystem::path& path, std::uint64_t size) {
  return ::truncate(path.c_str(), static_cast<off_t>(size)) == 0;
}

/// Whether every page that the file lacked is a free one. The file has been
/// made long enough, with zeros, so that LMDB can look.
bool check_tail(const store::impl& db, const missing_tail& tail) {
  scoped_transaction scope{db.env, MDB_RDONLY};
  std::vector<bool> free(tail.last_page - tail.first_page + 1);
  // Table 0 lists free pages: each value is a count and so many numbers.
  constexpr MDB_dbi free_list = 0;
  lmdb::cursor pos{scope.txn, free_list};
  for (bool more = pos.first(); more; more = pos.next()) {
    std::vector<std::size_t> numbers(pos.value().size() / sizeof(std::size_t));
    std::memcpy(numbers.data(), pos.value().data(),
                numbers.size() * sizeof(std::size_t));
    for (std::size_t i = 1; i < numbers.size() && i <= numbers[0]; ++i)
      if (numbers[i] >= tail.first_page && numbers[i] <= tail.last_page)
        free[numbers[i] - tail.first_page] = true;
  }
  return std::find(free.begin(), free.end(), false) == free.end();
}

/// Opens every table; makes those that do not exist.
void open_tables(store::impl& db, bool fresh) {
  scoped_transaction scope{db.env, 0};
  for (std::size_t i = 0; i < table_count; ++i)
    lmdb::check(mdb_dbi_open(scope.txn, table_names[i], MDB_CREATE,
                             &db.tables[i]),
                "cannot open a table of the store");
  if (fresh) {
    std::random_device random;
    db.id = (std::uint64_t{random()} << 32) | random();
    auto meta = db[table::meta];
    lmdb::put(scope.txn, meta, meta_keys::magic, "store");
    lmdb::put(scope.txn, meta, meta_keys::schema,
              lmdb::key{}.u32(schema_version));
    lmdb::put(scope.txn, meta, meta_keys::store_id, lmdb::key{}.u64(db.id));
  }
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
  if (!std::filesystem::is_directory(dir))
    return fail_with(errc::io_error,
                     "cannot use " + dir.string() + " as data directory: "
                       + (ec ? ec.message() : "it is not a directory"));
  auto path = dir / "store.mdb";
  auto db = std::make_unique<impl>();
  db->options = options;
  if (auto fd = lock_directory(dir); fd)
    db->lock = *fd;
  else
    return tl::unexpected{std::move(fd.error())};
  auto tail = check_file(path);
  if (!tail)
    return tl::unexpected{std::move(tail.error())};
  auto& missing = *tail;
  auto restore = [&path, &missing] {
    if (missing)
      (void) resize(path, missing->file_size);
  };
  if (missing && !resize(path, (missing->last_page + 1) * missing->page_size))
    return fail_with(errc::io_error, "cannot write " + path.string() + ": "
                                       + system_text(errno));
  try {
    auto text = "cannot open " + path.string();
    lmdb::check(mdb_env_create(&db->env), text);
    lmdb::check(mdb_env_set_mapsize(db->env, options.map_size), text);
    lmdb::check(mdb_env_set_maxdbs(db->env, table_count), text);
    lmdb::check(mdb_env_set_maxreaders(db->env, options.max_readers), text);
    lmdb::check(mdb_env_open(db->env, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS,
                             file_mode),
                text);
    int dead = 0;
    lmdb::check(mdb_reader_check(db->env, &dead), text);
    if (missing && !check_tail(*db, *missing)) {
      restore();
      return fail_with(errc::store_corrupt,
                       fmt::format("{} is cut short: it should have {} bytes "
                                   "and has {}",
                                   path.string(),
                                   (missing->last_page + 1)
                                     * missing->page_size,
                                   missing->file_size));
    }
    auto fresh = check_contents(*db, path.string());
    if (!fresh) {
      restore();
      return tl::unexpected{std::move(fresh.error())};
    }
    open_tables(*db, *fresh);
  } catch (lmdb::failure& failed) {
    restore();
    return tl::unexpected{std::move(failed.reason)};
  }
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
    // Table 0 is LMDB's list of free pages: each value begins with its count.
    constexpr MDB_dbi free_list = 0;
    std::size_t free_pages = 0;
    lmdb::cursor pos{txn, free_list};
    for (bool more = pos.first(); more; more = pos.next()) {
      std::size_t count = 0;
      std::memcpy(&count, pos.value().data(),
                  std::min(sizeof(count), pos.value().size()));
      free_pages += count;
    }
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
  if (out.fd < 0)
    return fail_with(errc::io_error, "cannot create " + file.string() + ": "
                                       + system_text(errno));
  auto give_up = [&file](error reason) -> expected<void> {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    return tl::unexpected{std::move(reason)};
  };
  if (auto rc = mdb_env_copyfd2(impl_->env, out.fd, MDB_CP_COMPACT); rc != 0)
    return give_up(lmdb::to_error(rc, "cannot copy the store"));
  descriptor dir{::open(file.parent_path().empty()
                          ? "."
                          : file.parent_path().c_str(),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (::fsync(out.fd) != 0 || (dir.fd >= 0 && ::fsync(dir.fd) != 0))
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
