#include "persistence/state_machine.hpp"

#include "persistence/state_machine_impl.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster {

std::string_view cut_text(std::string_view text) noexcept {
  if (text.size() <= limits::text)
    return text;
  auto size = limits::text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

void effects::clear() {
  finished.clear();
  revoked.clear();
  wakened.clear();
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
      throw lmdb::failure{{errc::store_corrupt,
                           "the store's own record is damaged"}};
  lmdb::cursor pos{txn, db[table::queues]};
  for (bool more = pos.first(); more; more = pos.next()) {
    queue_record rec;
    if (!decode_record(pos.value(), rec))
      throw lmdb::failure{{errc::store_corrupt,
                           "the record of a queue is damaged"}};
    keep(static_cast<std::uint32_t>(lmdb::number_at(pos.key(), 0, 4)),
         std::move(rec));
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

// -- queues and jobs ----------------------------------------------------------

queue_entry& state_machine::impl::keep(std::uint32_t id, queue_record rec) {
  auto queue = std::make_unique<queue_entry>();
  queue->id = id;
  queue->rec = std::move(rec);
  auto& result = *queue;
  queue_names.insert_or_assign(result.rec.name, &result);
  queues.insert_or_assign(id, std::move(queue));
  return result;
}

queue_entry* state_machine::impl::find_queue(std::string_view name) {
  auto pos = queue_names.find(std::string{name});
  return pos == queue_names.end() ? nullptr : pos->second;
}

queue_entry& state_machine::impl::queue_by_id(std::uint32_t id) {
  auto pos = queues.find(id);
  if (pos == queues.end())
    throw lmdb::failure{{errc::store_corrupt,
                         "a job belongs to a queue that is not there"}};
  return *pos->second;
}

queue_entry& state_machine::impl::make_queue(std::string_view name) {
  if (auto* queue = find_queue(name))
    return *queue;
  auto id = meta.next_queue++;
  meta_dirty = true;
  queue_record rec;
  rec.name = name;
  rec.bucket = {token_bucket::burst(0), meta.now};
  put(table::queue_names, name, keys::of_queue(id));
  auto& queue = keep(id, std::move(rec));
  touch(queue);
  return queue;
}

std::optional<job_record> state_machine::impl::find_job(job_id id) {
  auto bytes = get(table::jobs, keys::of_job(id));
  if (!bytes)
    return std::nullopt;
  job_record rec;
  if (!decode_record(*bytes, rec))
    throw lmdb::failure{{errc::store_corrupt,
                         "the record of job " + to_string(id)
                           + " is damaged"}};
  return rec;
}

void state_machine::impl::store_job(job_id id, const job_record& rec) {
  encode_record(rec, scratch);
  put(table::jobs, keys::of_job(id), scratch);
}

void state_machine::impl::set_timer(timer_kind kind, timestamp at,
                                    std::uint64_t id, std::string_view value) {
  put(table::timers, keys::of_timer(kind, at, id), value);
  if (known_wake && (!*known_wake || at < **known_wake))
    known_wake = at;
}

void state_machine::impl::clear_timer(timer_kind kind, timestamp at,
                                      std::uint64_t id) {
  erase(table::timers, keys::of_timer(kind, at, id));
  if (known_wake && *known_wake && at <= **known_wake)
    known_wake.reset();
}

std::optional<timestamp> state_machine::impl::next_wake() {
  if (!known_wake) {
    ensure_transaction();
    known_wake = store_view{outer, txn}.next_wake();
  }
  return *known_wake;
}

void state_machine::impl::leave_state(job_id id, job_record& rec,
                                      queue_entry& queue) {
  auto number = static_cast<std::uint64_t>(id);
  switch (rec.state) {
    case job_state::scheduled:
      erase(table::states, keys::of_state(queue.id, rec.state, number));
      if (rec.due_at)
        clear_timer(timer_kind::due, *rec.due_at, number);
      rec.due_at.reset();
      break;
    case job_state::ready:
      erase(table::ready, keys::of_ready(queue.id, rec.priority, id));
      break;
    case job_state::leased:
      if (rec.lease_deadline)
        clear_timer(timer_kind::lease, *rec.lease_deadline, number);
      rec.lease_deadline.reset();
      break;
    default:
      erase(table::states,
            keys::of_state(queue.id, rec.state, rec.finish_sequence));
      erase(table::finished, keys::of_finished(rec.finish_sequence));
      rec.finish_sequence = 0;
      rec.finished_at.reset();
  }
  --queue.count(rec.state);
  touch(queue);
}

void state_machine::impl::enter_ready(job_id id, job_record& rec,
                                      queue_entry& queue) {
  rec.state = job_state::ready;
  put(table::ready, keys::of_ready(queue.id, rec.priority, id), {});
  ++queue.count(job_state::ready);
  touch(queue);
  if (fx->wakened.empty() || fx->wakened.back() != queue.rec.name)
    fx->wakened.push_back(queue.rec.name);
}

void state_machine::impl::enter_scheduled(job_id id, job_record& rec,
                                          queue_entry& queue, timestamp due) {
  auto number = static_cast<std::uint64_t>(id);
  rec.state = job_state::scheduled;
  rec.due_at = due;
  put(table::states, keys::of_state(queue.id, rec.state, number),
      keys::of_job(id));
  set_timer(timer_kind::due, due, number);
  ++queue.count(rec.state);
  touch(queue);
}

void state_machine::impl::enter_final(job_id id, job_record& rec,
                                      queue_entry& queue, job_state state) {
  rec.state = state;
  rec.finished_at = meta.now;
  rec.finish_sequence = meta.next_finish++;
  meta_dirty = true;
  if (rec.expires_at)
    clear_timer(timer_kind::ttl, *rec.expires_at,
                static_cast<std::uint64_t>(id));
  put(table::states, keys::of_state(queue.id, state, rec.finish_sequence),
      keys::of_job(id));
  append(table::finished, keys::of_finished(rec.finish_sequence),
         keys::of_job(id));
  ++queue.count(state);
  touch(queue);
  if (!queue.rec.retention_at)
    arm_retention(queue, meta.now + queue.rec.settings.retention);
  fx->finished.push_back({id, state});
}

void state_machine::impl::drop_job(job_id id) {
  auto key = keys::of_job(id);
  erase(table::jobs, key);
  erase(table::payloads, key);
  erase(table::results, key);
}

// -- the public face ----------------------------------------------------------

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
  try {
    impl_->ensure_transaction();
    if (now > impl_->meta.now) {
      impl_->meta.now = now;
      impl_->meta_dirty = true;
    }
    impl_->fx = &out;
    return std::visit([this](auto& alt) { return impl_->apply(alt); }, cmd);
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  } catch (const std::exception& e) {
    return fail_with(errc::internal, e.what());
  }
}

expected<std::vector<outcome>> state_machine::apply_entry(std::string_view entry,
                                                          effects& out) {
  auto commands = entry_reader::open(entry);
  if (!commands)
    return tl::unexpected{std::move(commands.error())};
  std::vector<outcome> result;
  while (!commands->done()) {
    auto cmd = commands->next();
    if (!cmd)
      return tl::unexpected{std::move(cmd.error())};
    auto applied_outcome = apply(*cmd, commands->now(), out);
    if (!applied_outcome)
      return tl::unexpected{std::move(applied_outcome.error())};
    result.push_back(std::move(*applied_outcome));
  }
  ++impl_->meta.applied;
  impl_->meta_dirty = true;
  return result;
}

expected<void> state_machine::commit() {
  if (impl_->txn == nullptr
      || (!impl_->meta_dirty && impl_->dirty_queues.empty()
          && impl_->written == 0))
    return {};
  try {
    impl_->flush();
    lmdb::check(mdb_txn_commit(std::exchange(impl_->txn, nullptr)),
                "cannot write the store");
    impl_->written = 0;
    return {};
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  }
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
  try {
    impl_->ensure_transaction();
    impl_->flush();
    return store_view{impl_->outer, impl_->txn};
  } catch (lmdb::failure& failed) {
    return tl::unexpected{std::move(failed.reason)};
  }
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
