#include "persistence/state_machine.hpp"

#include "persistence/state_machine_impl.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster {

void effects::clear() {
  finished.clear();
  revoked.clear();
  wakened.clear();
  paused.clear();
}

// -- transaction --------------------------------------------------------------

void state_machine::impl::load() {
  meta = meta_record{};
  meta_dirty = false;
  written = 0;
  queues.clear();
  queue_names.clear();
  dirty_queues.clear();
  known_wake.reset();
  ensure_transaction();
  if (auto bytes = get(table::meta, meta_keys::state))
    if (!decode_record(*bytes, meta))
      throw lmdb::failure{
        {errc::store_corrupt, "the store's own record is damaged"}};
  lmdb::cursor pos{txn, db[table::queues]};
  for (bool more = pos.first(); more; more = pos.next()) {
    queue_record rec;
    if (!decode_record(pos.value(), rec))
      throw lmdb::failure{
        {errc::store_corrupt, "the record of a queue is damaged"}};
    keep(keys::queue_of(pos.key()), std::move(rec));
  }
}

void state_machine::impl::try_load() noexcept {
  try {
    load();
    broken.reset();
  } catch (lmdb::failure& failed) {
    broken = std::move(failed.reason);
  } catch (const std::exception&) {
    broken = error{errc::internal};
  }
}

void state_machine::impl::ensure_transaction() {
  if (txn == nullptr)
    lmdb::check(mdb_txn_begin(db.env, nullptr, 0, &txn),
                "cannot write the store");
}

void state_machine::impl::flush() {
  for (auto* queue : dirty_queues) {
    encode_record(queue->rec, scratch);
    put(table::queues, keys::of_queue(queue->id), scratch);
    queue->dirty = false;
  }
  dirty_queues.clear();
  if (std::exchange(meta_dirty, false)) {
    encode_record(meta, scratch);
    put(table::meta, meta_keys::state, scratch);
  }
}

void state_machine::impl::drop_transaction() noexcept {
  if (txn != nullptr)
    mdb_txn_abort(std::exchange(txn, nullptr));
}

void state_machine::impl::put(table t, std::string_view key,
                              std::string_view value) {
  written += key.size() + value.size() + 32;
  lmdb::put(txn, db[t], key, value);
}

void state_machine::impl::append(table t, std::string_view key,
                                 std::string_view value) {
  written += key.size() + value.size() + 32;
  lmdb::append(txn, db[t], key, value);
}

bool state_machine::impl::erase(table t, std::string_view key) {
  written += 32;
  return lmdb::erase(txn, db[t], key);
}

std::optional<std::string_view> state_machine::impl::get(table t,
                                                         std::string_view key) {
  return lmdb::get(txn, db[t], key);
}

// -- the public face ----------------------------------------------------------

namespace {

/// Runs `fn`; what it throws becomes a value.
template <class Fn>
auto guarded(Fn fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
}

} // namespace

state_machine::state_machine(store& st) : impl_(std::make_unique<impl>(st)) {
  impl_->try_load();
}

state_machine::~state_machine() {
  impl_->drop_transaction();
}

expected<void> state_machine::loaded() const {
  if (impl_->broken)
    return tl::unexpected{*impl_->broken};
  return {};
}

expected<outcome> state_machine::apply(const command& cmd, timestamp now,
                                       effects& out) {
  if (impl_->broken)
    return tl::unexpected{*impl_->broken};
  return guarded([&]() -> expected<outcome> {
    impl_->ensure_transaction();
    if (now > impl_->meta.now) {
      impl_->meta.now = now;
      impl_->meta_dirty = true;
    }
    impl_->fx = &out;
    return std::visit([this](auto& alt) { return impl_->apply(alt); }, cmd);
  });
}

expected<std::vector<outcome>>
state_machine::apply_entry(std::string_view entry, effects& out) {
  auto commands = entry_reader::open(entry);
  if (!commands)
    return tl::unexpected{std::move(commands.error())};
  return guarded([&]() -> expected<std::vector<outcome>> {
    std::vector<outcome> result;
    while (!commands->done()) {
      auto cmd = commands->next();
      if (!cmd)
        return tl::unexpected{std::move(cmd.error())};
      auto answer = apply(*cmd, commands->now(), out);
      if (!answer)
        return tl::unexpected{std::move(answer.error())};
      result.push_back(std::move(*answer));
    }
    // An entry without commands counts as well.
    impl_->ensure_transaction();
    ++impl_->meta.applied;
    impl_->meta_dirty = true;
    return result;
  });
}

expected<void> state_machine::commit() {
  if (impl_->txn == nullptr
      || (!impl_->meta_dirty && impl_->dirty_queues.empty()
          && impl_->written == 0))
    return {};
  return guarded([this]() -> expected<void> {
    impl_->flush();
    lmdb::check(mdb_txn_commit(std::exchange(impl_->txn, nullptr)),
                "cannot write the store");
    impl_->written = 0;
    return {};
  });
}

void state_machine::abort() noexcept {
  impl_->drop_transaction();
  impl_->try_load();
  impl_->drop_transaction();
}

std::uint64_t state_machine::applied() const noexcept {
  return impl_->meta.applied;
}

std::size_t state_machine::uncommitted_bytes() const noexcept {
  return impl_->written;
}

timestamp state_machine::now() const noexcept {
  return impl_->meta.now;
}

expected<store_view> state_machine::view() {
  return guarded([this]() -> expected<store_view> {
    impl_->ensure_transaction();
    impl_->flush();
    return store_view{impl_->outer, impl_->txn};
  });
}

lease_capacity state_machine::capacity(std::string_view queue, timestamp now) {
  auto* found = impl_->find_queue(queue);
  return found ? impl_->capacity(*found, std::max(now, impl_->meta.now))
               : lease_capacity{};
}

std::optional<state_machine::queue_depth>
state_machine::depth(std::string_view queue) {
  auto* found = impl_->find_queue(queue);
  if (found == nullptr)
    return std::nullopt;
  return queue_depth{found->count(job_state::scheduled)
                       + found->count(job_state::ready),
                     found->rec.settings.max_depth};
}

bool state_machine::has_leases() const {
  return std::any_of(impl_->queues.begin(), impl_->queues.end(), [](auto& kvp) {
    return kvp.second->count(job_state::leased) > 0;
  });
}

std::vector<std::string> state_machine::leasable_queues() {
  std::vector<std::string> result;
  for (auto& [id, queue] : impl_->queues)
    if (queue->count(job_state::ready) > 0 && !queue->rec.settings.paused)
      result.push_back(queue->rec.name);
  return result;
}

std::optional<timestamp> state_machine::next_wake() {
  try {
    return impl_->next_wake();
  } catch (const lmdb::failure&) {
    return std::nullopt;
  }
}

} // namespace muster
