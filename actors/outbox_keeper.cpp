#include "actors/outbox_keeper.hpp"

#include "persistence/outbox_store.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t batch_items = 256;
constexpr std::size_t batch_bytes = std::size_t{1} << 20;

attempt_outcome to_outcome(kept_outcome kept) {
  attempt_outcome result;
  result.token = kept.token;
  result.kind = static_cast<outcome_kind>(
    std::min(kept.kind, static_cast<std::uint8_t>(outcome_kind::released)));
  result.text = std::move(kept.text);
  result.retry = kept.retry;
  return result;
}

} // namespace

struct outbox_keeper::impl {
  /// Where an outcome is.
  struct entry {
    /// Holds the outcome until it is on disk.
    caf::message batch;
    std::size_t index = 0;
    std::size_t bytes = 0;
    bool on_disk = false;
  };

  /// What one write is about.
  struct work {
    /// Hold what `added` looks at.
    std::vector<caf::message> holders;
    std::vector<const attempt_outcome*> items;
    std::vector<kept_outcome_view> added;
    std::vector<lease_token> removed;

    [[nodiscard]] bool empty() const noexcept {
      return added.empty() && removed.empty();
    }
  };

  impl(outbox_keeper_options opts, std::unique_ptr<outbox_store> disk)
    : options(std::move(opts)), store(std::move(disk)) {
    // nop
  }

  void start(const std::vector<kept_outcome>& found) {
    for (auto& item : found) {
      entries.emplace(item.token, entry{{}, 0, item.text.size(), true});
      bytes += item.text.size();
    }
    thread = std::thread{[this] { run(); }};
  }

  void run() {
    std::unique_lock guard{mutex};
    while (true) {
      auto due = [this] { return stopping || (!pending.empty() && !refused); };
      if (refused)
        wake.wait_for(guard, options.retry_pause, [this] { return stopping; });
      else
        wake.wait(guard, due);
      auto last = stopping;
      auto todo = take_work();
      if (!todo.empty()) {
        writing = true;
        guard.unlock();
        auto written = store->write(todo.added, todo.removed);
        guard.lock();
        writing = false;
        on_written(todo, written);
      }
      done.notify_all();
      if (last)
        return;
    }
  }

  work take_work() {
    work result;
    for (auto token : std::exchange(pending, {})) {
      auto pos = entries.find(token);
      if (pos == entries.end()) {
        result.removed.push_back(token);
      } else if (!pos->second.on_disk) {
        auto& item = item_of(pos->second);
        result.holders.push_back(pos->second.batch);
        result.items.push_back(&item);
        result.added.push_back({item.token,
                                static_cast<std::uint8_t>(item.kind), item.text,
                                item.retry});
      }
    }
    return result;
  }

  static const attempt_outcome& item_of(const entry& e) {
    return e.batch.get_as<outcome_batch>(0).items[e.index];
  }

  void on_written(const work& todo, const expected<void>& written) {
    if (!written) {
      if (!std::exchange(refused, true))
        log(node_event::severity::error,
            "outcomes cannot be kept on disk and stay in memory: "
              + written.error().message);
      for (auto& item : todo.added)
        pending.insert(item.token);
      pending.insert(todo.removed.begin(), todo.removed.end());
      ++refusals;
      return;
    }
    if (std::exchange(refused, false))
      log(node_event::severity::info, "outcomes are kept on disk again");
    for (auto* item : todo.items) {
      auto pos = entries.find(item->token);
      if (pos == entries.end()) {
        // Acknowledged during the write.
        pending.insert(item->token);
      } else if (!pos->second.on_disk && &item_of(pos->second) == item) {
        pos->second.on_disk = true;
        pos->second.batch = {};
      }
    }
  }

  void log(node_event::severity level, std::string text) const {
    if (options.log)
      options.log({level, "outbox", std::move(text)});
  }

  outbox_keeper_options options;
  std::unique_ptr<outbox_store> store;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable done;
  /// All that is not acknowledged.
  std::map<lease_token, entry> entries;
  /// Tokens whose place on disk is not what `entries` says.
  std::set<lease_token> pending;
  std::size_t bytes = 0;
  std::uint64_t refusals = 0;
  bool writing = false;
  bool refused = false;
  bool stopping = false;
  std::thread thread;
};

outbox_keeper::outbox_keeper(std::unique_ptr<impl> ptr)
  : impl_(std::move(ptr)) {
  // nop
}

outbox_keeper::~outbox_keeper() {
  {
    std::lock_guard guard{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

expected<std::shared_ptr<outbox_keeper>>
outbox_keeper::open(outbox_keeper_options options) {
  outbox_store_options disk;
  disk.directory = options.directory;
  disk.map_size
    = std::max<std::size_t>(4 * options.max_bytes, std::size_t{1} << 20);
  auto store = outbox_store::open(disk);
  if (!store)
    return tl::unexpected<error>{store.error()};
  auto found = (*store)->load();
  if (!found)
    return tl::unexpected<error>{found.error()};
  auto state = std::make_unique<impl>(std::move(options), std::move(*store));
  state->start(*found);
  return std::shared_ptr<outbox_keeper>{new outbox_keeper{std::move(state)}};
}

std::vector<std::vector<attempt_outcome>> outbox_keeper::unacknowledged() {
  flush();
  std::vector<std::vector<attempt_outcome>> result;
  std::size_t size = batch_bytes;
  auto add = [&result, &size](attempt_outcome item) {
    if (result.empty() || result.back().size() >= batch_items
        || size >= batch_bytes) {
      result.emplace_back();
      size = 0;
    }
    size += item.text.size();
    result.back().push_back(std::move(item));
  };
  std::unique_lock guard{impl_->mutex};
  // LMDB lets one thread read while another writes.
  if (auto kept = impl_->store->load())
    for (auto& item : *kept)
      if (impl_->entries.contains(item.token))
        add(to_outcome(std::move(item)));
  for (auto& [token, e] : impl_->entries)
    if (!e.on_disk)
      add(impl::item_of(e));
  return result;
}

void outbox_keeper::keep(caf::message batch) {
  auto& items = batch.get_as<outcome_batch>(0).items;
  {
    std::lock_guard guard{impl_->mutex};
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].kind == outcome_kind::released)
        continue;
      auto size = items[i].text.size();
      auto [pos, is_new] = impl_->entries.try_emplace(items[i].token);
      if (!is_new)
        impl_->bytes -= pos->second.bytes;
      pos->second = {batch, i, size, false};
      impl_->bytes += size;
      impl_->pending.insert(items[i].token);
    }
  }
  impl_->wake.notify_all();
}

void outbox_keeper::remove(const caf::message& batch) {
  {
    std::lock_guard guard{impl_->mutex};
    for (auto& item : batch.get_as<outcome_batch>(0).items) {
      auto pos = impl_->entries.find(item.token);
      if (pos == impl_->entries.end())
        continue;
      impl_->bytes -= pos->second.bytes;
      // If it is being written now, the thread finds it gone afterwards.
      if (pos->second.on_disk)
        impl_->pending.insert(item.token);
      else
        impl_->pending.erase(item.token);
      impl_->entries.erase(pos);
    }
  }
  impl_->wake.notify_all();
}

bool outbox_keeper::is_full() const noexcept {
  std::lock_guard guard{impl_->mutex};
  return impl_->bytes > impl_->options.max_bytes;
}

outbox_keeper::figures outbox_keeper::look() const {
  std::lock_guard guard{impl_->mutex};
  auto& entries = impl_->entries;
  auto on_disk = std::count_if(entries.begin(), entries.end(),
                               [](auto& each) { return each.second.on_disk; });
  return {entries.size(), impl_->bytes, impl_->refused,
          static_cast<std::size_t>(on_disk)};
}

void outbox_keeper::flush() {
  std::unique_lock guard{impl_->mutex};
  auto& st = *impl_;
  st.done.wait(guard, [&st, before = st.refusals] {
    return (st.pending.empty() && !st.writing) || st.refusals > before;
  });
}

} // namespace muster
