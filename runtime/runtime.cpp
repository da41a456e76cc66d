#include "runtime/runtime.hpp"

#include "actors/inspector_actor.hpp"
#include "actors/local_node.hpp"
#include "actors/messages.hpp"
#include "persistence/command.hpp"
#include "persistence/journal.hpp"
#include "runtime/gateway_actor.hpp"
#include "runtime/inspection_answers.hpp"
#include "runtime/metrics.hpp"
#include "runtime/node_config.hpp"
#include "runtime/node_name.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <exception>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

/// An answer takes milliseconds; after this something is wrong.
constexpr millis answer_limit{30'000};
/// So long a look at a job may take, whatever time is left.
constexpr millis read_limit{2'000};
/// Between two looks while the journal is away.
constexpr millis look_again{50};

/// Nothing leaves this library as an exception.
template <class F>
auto guarded(F fn) noexcept -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::exception& ex) {
    return fail_with(errc::internal, ex.what());
  } catch (...) {
    return fail_with(errc::internal);
  }
}

template <class T>
tl::unexpected<error> forward(expected<T>& failed) {
  return tl::unexpected<error>{std::move(failed.error())};
}

/// Waits for what a callback is called with. The callback may come later, when
/// nobody waits any more.
template <class T, class Start>
expected<T> answer_to(Start start, clock_type::time_point until) {
  auto promise = std::make_shared<std::promise<expected<T>>>();
  auto future = promise->get_future();
  start(
    [promise](expected<T> answer) { promise->set_value(std::move(answer)); });
  if (future.wait_until(until) != std::future_status::ready)
    return fail_with(errc::timed_out);
  return future.get();
}

struct system_config : caf::actor_system_config {
  system_config() {
    set_scheduler_defaults(*this);
  }
};

expected<void> check(const runtime_options& options) {
  auto invalid
    = [](const char* text) { return fail_with(errc::invalid_argument, text); };
  if (options.directory.empty())
    return invalid("directory: must not be empty");
  if (options.drain_timeout < millis{0})
    return invalid("drain_timeout: must not be negative");
  if (options.http && options.http->tokens.empty()
      && !is_loopback(options.http->address))
    return invalid("http: an address that others can reach needs tokens");
  if (options.system != nullptr
      && caf::query_type_name(caf::type_id_v<lease_token>).empty())
    return invalid("system: call register_message_types before it is made");
  return {};
}

expected<std::string> result_of(const store_view& view, job_id id) {
  auto job = view.job(id);
  if (!job)
    return fail_with(errc::job_not_found);
  if (!is_final(job->state))
    return fail_with(errc::timed_out, "the job is not done yet");
  if (job->state == job_state::cancelled)
    return fail_with(errc::cancelled, job->error.empty()
                                        ? std::string{describe(errc::cancelled)}
                                        : std::move(job->error));
  if (job->state == job_state::dead)
    return fail_with(errc::handler_failed, std::move(job->error));
  return view.result(id).value_or(std::string{});
}

} // namespace

struct runtime::impl {
  explicit impl(runtime_options opts) : options(std::move(opts)) {
    // nop
  }

  ~impl() {
    close();
  }

  // -- start ------------------------------------------------------------------

  expected<void> start() {
    if (auto ok = check(options); !ok)
      return ok;
    if (auto ok = make_directory(); !ok)
      return ok;
    make_system();
    if (auto ok = start_actors(); !ok)
      return ok;
    return options.http ? start_http() : expected<void>{};
  }

  [[nodiscard]] expected<void> make_directory() const {
    std::error_code ec;
    std::filesystem::create_directories(options.directory, ec);
    if (ec)
      return fail_with(errc::io_error, "cannot make the directory "
                                         + options.directory.string() + ": "
                                         + ec.message());
    return {};
  }

  void make_system() {
    if (options.system != nullptr)
      return;
    register_message_types();
    own_config = std::make_unique<system_config>();
    own_system = std::make_unique<caf::actor_system>(*own_config);
    options.system = own_system.get();
  }

  expected<void> start_actors() {
    auto handlers = std::make_shared<handler_registry>();
    for (auto& [id, fn] : options.handlers)
      if (auto ok = handlers->add(id, fn); !ok)
        return ok;
    local_node_options node;
    node.journal.directory = options.directory;
    node.worker = options.worker;
    node.worker_settings.name = choose_name({}, options.directory);
    node.worker_settings.concurrency = options.concurrency;
    node.worker_settings.queues = options.queues;
    node.worker_settings.max_result_bytes = options.max_result;
    node.handlers = std::move(handlers);
    node.log = [ring = log, next = options.log](const node_event& event) {
      keep_event(*ring, event);
      if (next)
        next(event);
    };
    name = node.worker_settings.name;
    auto begun = local_node::start(*options.system, std::move(node), port);
    if (!begun)
      return forward(begun);
    actors = std::move(*begun);
    return keep_name(name, options.directory);
  }

  expected<void> start_inspection() {
    inspected_process process;
    process.node = name;
    process.log = log;
    process.supervisors = [this] { return actors->supervisors(); };
    process.http = [board = board] { return board->http(); };
    inspection = make_inspection(*options.system, board, std::move(process));
    return actors->add_child(inspector_child(inspection));
  }

  expected<void> start_http() {
    if (auto ok = start_inspection(); !ok)
      return ok;
    auto& wish = *options.http;
    gateway_actor_options gate;
    gate.settings.address = wish.address;
    gate.settings.port = wish.port;
    gate.settings.strict_port = wish.strict_port;
    gate.settings.max_payload = options.max_payload;
    gate.settings.max_result = options.max_result;
    gate.settings.max_batch_body
      = std::max(gate.settings.max_batch_body, options.max_payload);
    if (auto ok = gate.settings.tokens.add_lines(wish.tokens); !ok)
      return fail_with(errc::invalid_argument, "http: " + ok.error().message);
    gate.backend.journal = port;
    gate.backend.workers = [this] { return actors->workers(); };
    gate.backend.nodes = [] { return std::vector<node_info>{}; };
    gate.backend.supervisors = [this] { return actors->supervisors(); };
    gate.backend.serving = [this] { return actors->serving(); };
    gate.backend.metrics = [this] { return metrics(); };
    gate.backend.inspection = inspection;
    gate.slot = http;
    // To end the process is not ours to decide.
    gate.on_stuck = [](const error&) {};
    gate.patience = INT_MAX;
    return actors->add_child(gateway_child(std::move(gate)));
  }

  std::string metrics() {
    node_figures figures;
    figures.name = name;
    figures.journal = port->stats();
    if (auto usage = port->usage())
      figures.usage = *usage;
    if (auto reading = port->snapshot())
      figures.queues = reading->view().queues({}, max_measured_queues + 1);
    figures.worker = actors->counters();
    figures.workers = actors->workers();
    figures.children = actors->child_figures();
    figures.now
      = std::chrono::time_point_cast<millis>(std::chrono::system_clock::now());
    figures.started = started;
    return render_metrics(figures);
  }

  // -- jobs -------------------------------------------------------------------

  template <class Outcome>
  expected<Outcome> change(const command& cmd) {
    if (auto valid = validate(cmd); !valid)
      return forward(valid);
    if (closed)
      return fail_with(errc::shutting_down, "the runtime is closed");
    auto answer = answer_to<outcome>(
      [&](auto done) { port->submit(encode(cmd), std::move(done)); },
      clock_type::now() + answer_limit);
    if (!answer)
      return forward(answer);
    return std::get<Outcome>(std::move(*answer));
  }

  expected<void> change_job(const command& cmd, const char* what) {
    auto done = change<change_outcome>(cmd);
    if (!done)
      return forward(done);
    if (done->code == errc::wrong_state)
      return fail_with(errc::wrong_state,
                       "a job that is " + std::string{to_string(done->state)}
                         + " cannot be " + what);
    if (done->code != errc::none)
      return fail_with(done->code);
    return {};
  }

  /// `fn` runs on the journal's thread and sees all that was answered before.
  template <class T, class F>
  expected<T> read(F fn, clock_type::time_point until) const {
    auto answer = answer_to<T>(
      [&](auto done) {
        port->read([done, fn](const expected<store_view>& view) {
          done(guarded([&]() -> expected<T> {
            if (!view)
              return tl::unexpected<error>{view.error()};
            return fn(*view);
          }));
        });
      },
      until);
    if (!answer && answer.error().code == errc::unavailable && closed)
      return fail_with(errc::shutting_down, "the runtime is closed");
    return answer;
  }

  expected<std::string> wait(job_id id, millis limit) {
    auto begin = clock_type::now();
    auto until = begin + std::clamp(limit, millis{0}, limits::duration);
    while (true) {
      watch(id, until);
      auto result = read<std::string>(
        [id](const store_view& view) { return result_of(view, id); },
        std::max(until, clock_type::now() + read_limit));
      auto later = !result
                   && (result.error().code == errc::timed_out
                       || result.error().code == errc::unavailable);
      // The journal may have been started again: then the watch is gone.
      if (!later || closed || clock_type::now() + look_again >= until)
        return result;
      std::this_thread::sleep_for(look_again);
    }
  }

  /// Blocks until the job is final, the journal goes away, or time is over.
  void watch(job_id id, clock_type::time_point until) {
    auto promise = std::make_shared<std::promise<void>>();
    auto future = promise->get_future();
    auto key = port->watch(
      id, [promise](std::optional<job_state>) { promise->set_value(); });
    if (future.wait_until(until) != std::future_status::ready)
      port->unwatch(key);
  }

  // -- end --------------------------------------------------------------------

  void close() {
    std::lock_guard guard{closing};
    if (closed.exchange(true) || !actors)
      return;
    if (options.http)
      http->drain();
    actors->drain(options.drain_timeout);
    actors->stop();
  }

  runtime_options options;
  std::string name;
  timestamp started
    = std::chrono::time_point_cast<millis>(std::chrono::system_clock::now());
  std::unique_ptr<system_config> own_config;
  std::unique_ptr<caf::actor_system> own_system;
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  std::shared_ptr<cluster_board> board = std::make_shared<cluster_board>();
  std::shared_ptr<log_ring> log = std::make_shared<log_ring>(log_level::info);
  std::shared_ptr<node_inspection> inspection;
  std::shared_ptr<gateway_slot> http = std::make_shared<gateway_slot>();
  std::unique_ptr<local_node> actors;
  std::mutex closing;
  std::atomic<bool> closed{false};
};

runtime::runtime(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

runtime::~runtime() = default;

runtime::runtime(runtime&& other) noexcept = default;

runtime& runtime::operator=(runtime&& other) noexcept = default;

expected<runtime> runtime::open(runtime_options options) {
  return guarded([&]() -> expected<runtime> {
    auto ptr = std::make_unique<impl>(std::move(options));
    if (auto ok = ptr->start(); !ok)
      return forward(ok);
    return runtime{std::move(ptr)};
  });
}

expected<std::vector<job_id>>
runtime::submit(std::string_view queue,
                const std::vector<std::string_view>& payloads,
                const job_settings& options) {
  return guarded([&]() -> expected<std::vector<job_id>> {
    enqueue_command cmd;
    cmd.queue = queue;
    for (auto payload : payloads) {
      if (payload.size() > impl_->options.max_payload)
        return fail_with(errc::payload_too_large);
      cmd.jobs.push_back(to_new_job(options, queue, payload));
    }
    auto done = impl_->change<enqueue_outcome>(cmd);
    if (!done)
      return forward(done);
    std::vector<job_id> ids;
    for (auto& job : done->jobs)
      ids.push_back(job.id);
    return ids;
  });
}

expected<job_id> runtime::enqueue_bytes(std::string_view queue,
                                        std::string_view payload,
                                        const job_settings& options) {
  return submit(queue, {payload}, options).map([](const auto& ids) {
    return ids.front();
  });
}

expected<std::vector<job_id>>
runtime::enqueue_all_bytes(std::string_view queue,
                           const std::vector<std::string>& payloads,
                           const job_settings& options) {
  if (!options.idempotency_key.empty())
    return fail_with(errc::invalid_argument,
                     "idempotency_key: is for one job, not for many");
  return submit(queue, {payloads.begin(), payloads.end()}, options);
}

expected<std::string> runtime::wait_bytes(job_id id, millis limit) {
  return guarded([&] { return impl_->wait(id, limit); });
}

expected<job_info> runtime::job(job_id id) const {
  return guarded([&] {
    return impl_->read<job_info>(
      [id](const store_view& view) -> expected<job_info> {
        if (auto found = view.job(id))
          return std::move(*found);
        return fail_with(errc::job_not_found);
      },
      clock_type::now() + answer_limit);
  });
}

expected<void> runtime::cancel(job_id id) {
  return guarded(
    [&] { return impl_->change_job(cancel_command{id}, "cancelled"); });
}

expected<void> runtime::retry(job_id id) {
  return guarded(
    [&] { return impl_->change_job(retry_command{id}, "retried"); });
}

std::optional<error> runtime::failed() const {
  return impl_->actors->failed();
}

std::uint16_t runtime::http_port() const {
  return impl_->options.http ? impl_->http->port() : std::uint16_t{0};
}

void runtime::close() {
  impl_->close();
}

caf::actor_system& runtime::system() {
  return *impl_->options.system;
}

expected<void> runtime::supervise(child_specification spec) {
  return guarded([&] { return impl_->actors->add_child(std::move(spec)); });
}

std::shared_ptr<journal_port> runtime::journal() const {
  return impl_->port;
}

} // namespace muster
