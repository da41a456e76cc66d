#include "persistence/outbox_store.hpp"

#include "persistence/lmdb.hpp"
#include "persistence/msgpack_io.hpp"
#include "persistence/store_file.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <optional>
#include <system_error>
#include <utility>

// The file has one table: its records are msgpack, its keys the tokens in
// big-endian; a key that no token has (job 0) holds what the file is.

namespace muster {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr std::string_view magic = "muster outbox";
constexpr mdb_mode_t file_mode = 0640;
constexpr std::size_t token_size = 12;

lmdb::key key_of(lease_token token) {
  return lmdb::key{}
    .u64(static_cast<std::uint64_t>(token.id))
    .u32(token.attempt);
}

const lmdb::key head_key = key_of({});

std::string encode_head() {
  std::string result;
  string_sink sink{result};
  string_packer to{sink};
  to.pack_array(2);
  pack_text(to, magic);
  to.pack_uint32(format_version);
  return result;
}

void encode(std::string& out, const kept_outcome_view& item) {
  out.clear();
  string_sink sink{out};
  string_packer to{sink};
  to.pack_array(3);
  to.pack_uint8(item.kind);
  item.retry ? to.pack_true() : to.pack_false();
  pack_bytes(to, item.text);
}

kept_outcome decode(std::string_view key, std::string_view value) {
  if (key.size() != token_size)
    throw malformed_bytes{};
  kept_outcome result;
  result.token = {job_id{lmdb::number_at(key, 0, 8)},
                  static_cast<std::uint32_t>(lmdb::number_at(key, 8, 4))};
  msgpack_cursor at{value};
  field_reader from{at};
  from.read(result.kind);
  from.read(result.retry);
  from.read(result.text);
  from.finish();
  return result;
}

/// A transaction that is given up unless it is committed.
class transaction {
public:
  transaction(MDB_env* env, unsigned flags) {
    lmdb::check(mdb_txn_begin(env, nullptr, flags, &txn_),
                "cannot use the outbox");
  }
  ~transaction() {
    if (txn_ != nullptr)
      mdb_txn_abort(txn_);
  }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;

  void commit() {
    lmdb::check(mdb_txn_commit(std::exchange(txn_, nullptr)),
                "cannot write the outbox");
  }

  [[nodiscard]] MDB_txn* get() const noexcept {
    return txn_;
  }

private:
  MDB_txn* txn_ = nullptr;
};

/// Calls `fn` and turns what persistence/ throws inside into an error.
template <class F>
auto guarded(const std::filesystem::path& file, F fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const lmdb::failure& e) {
    return tl::unexpected{e.reason};
  } catch (const malformed_bytes&) {
    return fail_with(errc::store_corrupt,
                     file.string() + " is damaged: a record cannot be read");
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
}

} // namespace

struct outbox_store::impl {
  ~impl() {
    if (env != nullptr)
      mdb_env_close(env);
    if (lock >= 0)
      ::close(lock);
  }

  expected<void> open(const outbox_store_options& options) {
    std::error_code ec;
    std::filesystem::create_directories(options.directory, ec);
    if (ec)
      return fail_with(errc::io_error,
                       fmt::format("cannot make the directory {}: {}",
                                   options.directory.string(), ec.message()));
    auto locked = lock_directory(options.directory);
    if (!locked)
      return tl::unexpected{std::move(locked.error())};
    lock = *locked;
    if (auto good = check_file(file); !good)
      return tl::unexpected{std::move(good.error())};
    return guarded(file, [&]() -> expected<void> {
      auto text = "cannot open " + file.string();
      lmdb::check(mdb_env_create(&env), text);
      lmdb::check(mdb_env_set_mapsize(env, options.map_size), text);
      lmdb::check(
        mdb_env_open(env, file.c_str(), MDB_NOSUBDIR | MDB_NOTLS, file_mode),
        text);
      transaction txn{env, 0};
      lmdb::check(mdb_dbi_open(txn.get(), nullptr, 0, &table), text);
      auto checked = check_head(txn.get());
      if (checked)
        txn.commit();
      return checked;
    });
  }

  expected<void> check_head(MDB_txn* txn) const {
    auto head = lmdb::get(txn, table, head_key);
    if (!head) {
      lmdb::cursor at{txn, table};
      if (at.first())
        return foreign();
      lmdb::put(txn, table, head_key, encode_head());
      return {};
    }
    msgpack_cursor at{*head};
    field_reader from{at};
    std::string_view name;
    std::uint32_t version = 0;
    from.read(name);
    from.read(version);
    if (name != magic)
      return foreign();
    if (version > format_version)
      return fail_with(errc::store_newer,
                       fmt::format("{} was written by a newer version of "
                                   "Muster (format {}, this one reads {})",
                                   file.string(), version, format_version));
    return {};
  }

  [[nodiscard]] tl::unexpected<error> foreign() const {
    return fail_with(errc::store_foreign, file.string() + " is not an outbox");
  }

  std::filesystem::path file;
  int lock = -1;
  MDB_env* env = nullptr;
  MDB_dbi table = 0;
  std::string scratch;
};

outbox_store::outbox_store(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

outbox_store::~outbox_store() = default;

expected<std::unique_ptr<outbox_store>>
outbox_store::open(const outbox_store_options& options) {
  auto ptr = std::make_unique<impl>();
  ptr->file = options.directory / "outbox.mdb";
  if (auto opened = ptr->open(options); !opened)
    return tl::unexpected{std::move(opened.error())};
  return std::unique_ptr<outbox_store>{new outbox_store{std::move(ptr)}};
}

expected<std::vector<kept_outcome>> outbox_store::load() const {
  return guarded(impl_->file, [&]() -> expected<std::vector<kept_outcome>> {
    std::vector<kept_outcome> result;
    transaction txn{impl_->env, MDB_RDONLY};
    lmdb::cursor at{txn.get(), impl_->table};
    std::string_view head = head_key;
    for (bool more = at.first(); more; more = at.next())
      if (at.key() != head)
        result.push_back(decode(at.key(), at.value()));
    return result;
  });
}

expected<void> outbox_store::write(const std::vector<kept_outcome_view>& added,
                                   const std::vector<lease_token>& removed) {
  return guarded(impl_->file, [&]() -> expected<void> {
    transaction txn{impl_->env, 0};
    for (auto token : removed)
      lmdb::erase(txn.get(), impl_->table, key_of(token));
    for (auto& item : added) {
      encode(impl_->scratch, item);
      lmdb::put(txn.get(), impl_->table, key_of(item.token), impl_->scratch);
    }
    txn.commit();
    return {};
  });
}

} // namespace muster
