#include "persistence/journal.hpp"

#include "persistence/journal_core.hpp"

#include <pthread.h>
#include <uv.h>

#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t min_segment_size = std::size_t{64} << 10;
constexpr std::size_t min_map_size = std::size_t{1} << 20;

} // namespace

expected<void> validate(const journal_options& options) {
  auto invalid
    = [](const char* text) { return fail_with(errc::invalid_argument, text); };
  if (options.directory.empty())
    return invalid("directory: must be given");
  if (options.map_size < min_map_size)
    return invalid("map_size: must be at least 1 MiB");
  if (options.max_readers < 4)
    return invalid("max_readers: must be at least 4");
  if (options.segment_size < min_segment_size)
    return invalid("segment_size: must be at least 64 KiB");
  if (options.snapshot_entries == 0 || options.snapshot_bytes == 0)
    return invalid("snapshot_entries, snapshot_bytes: must be at least 1");
  if (options.commit_interval <= millis{0} || options.idle <= millis{0})
    return invalid("commit_interval, idle: must be at least 1ms");
  if (options.lease_grace < millis{0})
    return invalid("lease_grace: must not be negative");
  if (options.max_waiting == 0 || options.max_waiting_bytes == 0)
    return invalid("max_waiting, max_waiting_bytes: must be at least 1");
  if (options.store_reserve >= options.map_size)
    return invalid("store_reserve: must be less than map_size");
  return {};
}

/// The thread, its inbox, and the hand-over to the core that runs on it.
struct journal::impl {
  explicit impl(journal_options opts)
    : options(std::move(opts)), stats(std::make_shared<journal_counters>()) {
    // nop
  }

  ~impl() {
    stop();
  }

  // -- any thread -------------------------------------------------------------

  expected<void> start() {
    auto opened
      = store::open({options.directory, options.map_size, options.max_readers});
    if (!opened)
      return tl::unexpected{std::move(opened.error())};
    db = std::move(*opened);
    std::promise<expected<void>> started;
    auto result = started.get_future();
    thread = std::thread{[this, &started] { run(started); }};
    auto serves = result.get();
    if (!serves) {
      thread.join();
      db.reset();
    }
    return serves;
  }

  /// Runs `fn` on the journal's thread; false if there is none any more.
  bool post(std::function<void()> fn) {
    {
      std::lock_guard guard{mutex};
      if (!accepting)
        return false;
      inbox.emplace_back(std::move(fn));
    }
    uv_async_send(&wake);
    return true;
  }

  void submit(encoded_command cmd, submit_callback done) {
    auto size = cmd.bytes.size();
    auto reason = errc::unavailable;
    {
      std::lock_guard guard{mutex};
      if (accepting) {
        if (stats->try_admit(size, options.max_waiting,
                             options.max_waiting_bytes)) {
          commands.push_back({std::move(cmd), std::move(done)});
          reason = errc::none;
        } else {
          reason = errc::busy;
        }
      }
    }
    if (reason == errc::none)
      uv_async_send(&wake);
    else
      done(fail_with(reason));
  }

  void stop() {
    std::lock_guard closing{close_mutex};
    if (!thread.joinable())
      return;
    {
      std::lock_guard guard{mutex};
      if (accepting) {
        accepting = false;
        inbox.emplace_back([this] { core->close(); });
      }
    }
    uv_async_send(&wake);
    thread.join();
    std::lock_guard guard{mutex};
    db.reset();
  }

  /// None once the journal is closed. Whoever holds it keeps the store open.
  std::shared_ptr<store> open_store() const {
    std::lock_guard guard{mutex};
    return db;
  }

  // -- the journal's thread ---------------------------------------------------

  void run(std::promise<expected<void>>& started) {
    // The log's threads take it over.
    ::pthread_setname_np(::pthread_self(), "muster-journal");
    uv_loop_init(&loop);
    loop.data = this;
    uv_async_init(&loop, &wake, [](uv_async_t* handle) {
      static_cast<impl*>(handle->data)->drain_inbox();
    });
    wake.data = this;
    core = std::make_unique<journal_core>(&loop, *db, options, *stats);
    // The promise lives until the first call only.
    auto* promise = &started;
    core->open([this, promise](expected<void> result) mutable {
      if (result) {
        std::lock_guard guard{mutex};
        accepting = true;
      } else {
        core->close();
      }
      std::exchange(promise, nullptr)->set_value(std::move(result));
    });
    core->on_closed(
      [this] { uv_close(reinterpret_cast<uv_handle_t*>(&wake), nullptr); });
    uv_run(&loop, UV_RUN_DEFAULT);
    core.reset();
    uv_loop_close(&loop);
  }

  void drain_inbox() {
    {
      std::lock_guard guard{mutex};
      taken_commands.swap(commands);
      taken_tasks.swap(inbox);
    }
    for (auto& item : taken_commands)
      core->submit(std::move(item.cmd), std::move(item.done));
    taken_commands.clear();
    for (auto& task : taken_tasks)
      task();
    taken_tasks.clear();
  }

  struct submission {
    encoded_command cmd;
    submit_callback done;
  };

  journal_options options;
  std::shared_ptr<journal_counters> stats;
  std::shared_ptr<store> db;
  std::thread thread;
  uv_loop_t loop{};
  uv_async_t wake{};
  std::unique_ptr<journal_core> core;
  std::mutex close_mutex;

  mutable std::mutex mutex;
  bool accepting = false;
  std::vector<submission> commands;
  std::vector<std::function<void()>> inbox;
  /// Begins anywhere, so that an id of an earlier journal behind the same port
  /// means nothing to this one.
  std::atomic<std::uint64_t> next_id{
    std::random_device{}() * std::uint64_t{0x1'0000'0001} | 1};

  std::vector<submission> taken_commands;
  std::vector<std::function<void()>> taken_tasks;
};

journal::journal(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

journal::~journal() = default;

expected<std::unique_ptr<journal>> journal::open(journal_options options) {
  if (auto valid = validate(options); !valid)
    return tl::unexpected{std::move(valid.error())};
  auto ptr = std::make_unique<impl>(std::move(options));
  if (auto started = ptr->start(); !started)
    return tl::unexpected{std::move(started.error())};
  return std::unique_ptr<journal>{new journal{std::move(ptr)}};
}

void journal::submit(encoded_command cmd, submit_callback done) {
  impl_->submit(std::move(cmd), std::move(done));
}

void journal::read(read_callback fn) {
  auto shared = std::make_shared<read_callback>(std::move(fn));
  if (!impl_->post([self = impl_.get(), shared] { self->core->read(*shared); }))
    (*shared)(fail_with(errc::unavailable));
}

expected<read_transaction> journal::snapshot() const {
  if (auto db = impl_->open_store())
    return db->read();
  return fail_with(errc::unavailable);
}

demand_id journal::open_demand(lease_demand demand) {
  demand_id id{impl_->next_id.fetch_add(1)};
  auto shared = std::make_shared<lease_demand>(std::move(demand));
  if (!impl_->post([self = impl_.get(), id, shared] {
        self->core->open_demand(id, std::move(*shared));
      }))
    shared->deliver({});
  return id;
}

void journal::add_credit(demand_id id, std::uint32_t more) {
  impl_->post(
    [self = impl_.get(), id, more] { self->core->add_credit(id, more); });
}

void journal::withdraw(demand_id id) {
  impl_->post([self = impl_.get(), id] { self->core->withdraw(id); });
}

watch_id journal::watch(job_id id, watch_callback fn) {
  watch_id key{impl_->next_id.fetch_add(1)};
  auto shared = std::make_shared<watch_callback>(std::move(fn));
  if (!impl_->post([self = impl_.get(), key, id, shared] {
        self->core->watch(key, id, std::move(*shared));
      }))
    (*shared)(std::nullopt);
  return key;
}

void journal::unwatch(watch_id id) {
  impl_->post([self = impl_.get(), id] { self->core->unwatch(id); });
}

expected<void> journal::backup(const std::filesystem::path& file) {
  auto committed = std::make_shared<std::promise<expected<void>>>();
  auto result = committed->get_future();
  if (!impl_->post([self = impl_.get(), committed] {
        committed->set_value(self->core->commit_now());
      }))
    return fail_with(errc::unavailable);
  if (auto ok = result.get(); !ok)
    return ok;
  if (auto db = impl_->open_store())
    return db->copy_to(file);
  return fail_with(errc::unavailable);
}

expected<store_usage> journal::usage() const {
  if (auto db = impl_->open_store())
    return db->usage();
  return fail_with(errc::unavailable);
}

journal_stats journal::stats() const {
  return impl_->stats->read();
}

void journal::close() {
  impl_->stop();
}

} // namespace muster
