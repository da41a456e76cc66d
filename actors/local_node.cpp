#include "actors/local_node.hpp"

#include "actors/journal_actor.hpp"
#include "actors/manager_actor.hpp"
#include "actors/supervisor_actor.hpp"
#include "actors/worker_actor.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace muster {

namespace {

// Recovery of a long log takes its time.
constexpr std::chrono::minutes journal_start_limit{60};
constexpr std::chrono::minutes journal_shutdown{2};
constexpr std::chrono::minutes stop_limit{3};
constexpr millis drain_margin{10'000};
/// For other nodes to hear that this one ends.
constexpr millis leave_limit{500};
constexpr millis start_margin{60'000};
constexpr auto supervisor_id = "node";
// Longer than an external command may take to end when it is asked to.
constexpr millis thread_limit{5'000};

std::string random_incarnation() {
  std::random_device device;
  constexpr auto digits = "0123456789abcdef";
  std::string result;
  for (int i = 0; i < 12; ++i)
    result += digits[device() % 16];
  return result;
}

expected<void> validate(const local_node_options& options) {
  auto invalid
    = [](const char* text) { return fail_with(errc::invalid_argument, text); };
  if (!options.manager && !options.worker && options.worker_processes.empty())
    return invalid("roles: a node is a manager, a worker, or both");
  if (options.manager)
    if (auto valid = muster::validate(options.journal); !valid)
      return valid;
  auto& worker = options.worker_settings;
  if (!options.worker)
    return {};
  if (worker.name.size() > limits::worker_name)
    return invalid("name: must be at most 255 bytes");
  if (worker.concurrency > 10'000)
    return invalid("concurrency: must be at most 10000");
  if (worker.lease_ttl < millis{100})
    return invalid("lease_ttl: must be at least 100ms");
  if (worker.heartbeat < millis{0} || worker.heartbeat >= worker.lease_ttl)
    return invalid("heartbeat: must be less than lease_ttl");
  if (!std::all_of(worker.queues.begin(), worker.queues.end(), is_valid_name))
    return invalid("queues: a name is 1 to 128 of A-Z a-z 0-9 . _ -");
  return {};
}

void fill_in(worker_options& options) {
  if (options.name.empty())
    options.name = "worker";
  if (options.incarnation.empty())
    options.incarnation = random_incarnation();
  if (options.concurrency == 0)
    options.concurrency = std::max(std::thread::hardware_concurrency(), 1u);
  if (options.heartbeat == millis{0})
    options.heartbeat = options.lease_ttl / 3;
}

} // namespace

void set_scheduler_defaults(caf::actor_system_config& config) {
  // The default policy polls when it has nothing to do, and lets an actor with
  // a full mailbox keep its thread.
  config.set("caf.scheduler.policy", "sharing");
  config.set("caf.scheduler.max-throughput", std::size_t{100});
}

struct local_node::impl {
  impl(caf::actor_system& sys, local_node_options opts,
       std::shared_ptr<journal_port> journal)
    : system(sys), options(std::move(opts)), port(std::move(journal)) {
    if (!options.handlers)
      options.handlers = std::make_shared<handler_registry>();
    metrics = std::make_shared<worker_metrics>(options.handlers);
  }

  expected<void> open_outbox() {
    auto& settings = options.worker_settings;
    if (!options.worker || settings.outbox_directory.empty())
      return {};
    outbox_keeper_options opts;
    opts.directory = settings.outbox_directory;
    opts.max_bytes = settings.max_outbox_bytes;
    opts.log = options.log;
    auto opened = outbox_keeper::open(std::move(opts));
    if (!opened)
      return tl::unexpected<error>{opened.error()};
    keeper = std::move(*opened);
    return {};
  }

  expected<void> start() {
    if (auto opened = open_outbox(); !opened)
      return opened;
    supervisor_options sup;
    sup.id = supervisor_id;
    sup.directory = directory;
    sup.log = options.log;
    if (options.manager) {
      sup.children.push_back(journal_child());
      sup.children.push_back(manager_child());
    }
    if (options.cluster)
      sup.children.push_back(cluster_child());
    if (options.worker)
      sup.children.push_back(worker_child());
    if (!options.worker_processes.empty())
      sup.children.push_back(pool_child());
    supervisor = spawn_actor<supervisor_state>(system, std::move(sup));
    caf::scoped_actor self{system};
    expected<void> result;
    self->request(supervisor, 2 * journal_start_limit, start_children{})
      .receive([] {},
               [&result](const caf::error& err) {
                 result = tl::unexpected<error>{from_caf(err)};
               });
    return result;
  }

  expected<void> add(child_specification spec) {
    expected<void> result;
    auto limit = spec.start_limit + start_margin;
    caf::scoped_actor self{system};
    self
      ->request(supervisor, limit,
                muster::add_child{
                  std::make_shared<child_specification>(std::move(spec))})
      .receive([](const std::string&) {},
               [&result](const caf::error& err) {
                 result = tl::unexpected<error>{from_caf(err)};
               });
    return result;
  }

  child_specification journal_child() {
    journal_actor_options opts{options.journal, port};
    opts.journal.on_revoked
      = [feed = revocations, next = options.journal.on_revoked](auto leases) {
          feed->publish(leases);
          if (next)
            next(std::move(leases));
        };
    opts.journal.on_paused
      = [feed = revocations, next = options.journal.on_paused](auto queues) {
          feed->publish({}, queues);
          if (next)
            next(std::move(queues));
        };
    child_specification spec;
    spec.id = "journal";
    spec.start = [opts](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_detached<journal_state>(sys, opts);
    };
    spec.start_limit = journal_start_limit;
    spec.shutdown = journal_shutdown;
    return spec;
  }

  child_specification manager_child() {
    manager_options opts{port, revocations, board, options.log};
    child_specification spec;
    spec.id = "manager";
    spec.start = [opts](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_actor<manager_state>(sys, opts);
    };
    return spec;
  }

  child_specification cluster_child() {
    auto opts = *options.cluster;
    opts.own_manager = [dir = directory] { return dir->find("manager"); };
    opts.log = options.log;
    child_specification spec;
    spec.id = "cluster";
    spec.start = [opts](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_actor<cluster_state>(sys, opts);
    };
    return spec;
  }

  /// Ours, or that of the cluster.
  std::function<caf::actor()> manager_locator() {
    if (options.manager || !options.cluster)
      return [dir = directory] { return dir->find("manager"); };
    return [cluster = options.cluster->board] { return cluster->manager(); };
  }

  child_specification pool_child() {
    worker_pool_options opts;
    opts.processes = options.worker_processes;
    opts.end_limit = options.worker_process_end;
    opts.locate_manager = manager_locator();
    opts.parent = supervisor_id;
    opts.directory = directory;
    opts.log = options.log;
    return worker_pool_child(std::move(opts));
  }

  child_specification worker_child() {
    worker_actor_options opts;
    opts.settings = options.worker_settings;
    opts.metrics = metrics;
    opts.keeper = keeper;
    opts.log = options.log;
    opts.locate_manager = manager_locator();
    opts.on_runner = [all = runners](std::shared_ptr<job_runner> runner) {
      all->add(std::move(runner));
    };
    child_specification spec;
    spec.id = "worker";
    spec.start = [opts, starts = 0](
                   caf::actor_system& sys) mutable -> expected<caf::actor> {
      auto own = opts;
      if (++starts > 1)
        own.settings.incarnation += '-' + std::to_string(starts);
      return spawn_actor<worker_state>(sys, std::move(own));
    };
    return spec;
  }

  void drain(millis limit) {
    caf::scoped_actor self{system};
    // All at once; then their answers.
    std::vector<std::function<void()>> answers;
    auto ask = [&](const caf::actor& who, millis time, auto msg) {
      auto request = self->request(who, time, std::move(msg));
      answers.push_back([this, answer = std::make_shared<decltype(request)>(
                                 std::move(request))] {
        answer->receive([] {},
                        [this](const caf::error& err) { warn_undrained(err); });
      });
    };
    if (auto pool = directory->find(worker_pool_name))
      for (auto& process : options.worker_processes)
        ask(pool, options.worker_process_end + drain_margin,
            terminate_child{process.name});
    if (auto worker = directory->find("worker"))
      ask(worker, limit + drain_margin, drain_worker{limit});
    for (auto& take : answers)
      take();
    // Who does not hear of it finds the connection gone.
    if (auto cluster = directory->find("cluster"))
      self
        ->request(cluster, leave_limit + drain_margin,
                  leave_cluster{leave_limit})
        .receive([] {}, [](const caf::error&) {});
  }

  void warn_undrained(const caf::error& err) const {
    if (options.log)
      options.log({node_event::severity::warning, "node",
                   "not drained: " + from_caf(err).message});
  }

  void stop() {
    std::lock_guard guard{stop_mutex};
    if (!supervisor)
      return;
    caf::scoped_actor self{system};
    self->monitor(supervisor);
    self->send(supervisor, stop_children{});
    self->receive([](const caf::down_msg&) {}, caf::after(stop_limit) >> [] {});
    supervisor = nullptr;
    runners->wait_until_ended();
  }

  /// The runners of all workers that there were, as long as they have threads.
  class runner_list {
  public:
    void add(std::shared_ptr<job_runner> runner) {
      std::lock_guard guard{mutex_};
      std::erase_if(runners_,
                    [](auto& old) { return old->wait_until_ended(millis{0}); });
      runners_.push_back(std::move(runner));
    }

    void wait_until_ended() {
      std::lock_guard guard{mutex_};
      auto end = job_runner::clock::now() + thread_limit;
      for (auto& runner : runners_)
        static_cast<void>(
          runner->wait_until_ended(end - job_runner::clock::now()));
      runners_.clear();
    }

  private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<job_runner>> runners_;
  };

  caf::actor_system& system;
  local_node_options options;
  std::shared_ptr<journal_port> port;
  std::shared_ptr<revocation_feed> revocations
    = std::make_shared<revocation_feed>();
  std::shared_ptr<worker_board> board = std::make_shared<worker_board>();
  std::shared_ptr<child_directory> directory
    = std::make_shared<child_directory>();
  std::shared_ptr<worker_metrics> metrics;
  std::shared_ptr<outbox_keeper> keeper;
  std::shared_ptr<runner_list> runners = std::make_shared<runner_list>();
  std::mutex stop_mutex;
  caf::actor supervisor;
};

expected<std::unique_ptr<local_node>>
local_node::start(caf::actor_system& system, local_node_options options,
                  std::shared_ptr<journal_port> port) {
  if (auto valid = validate(options); !valid)
    return tl::unexpected<error>{valid.error()};
  fill_in(options.worker_settings);
  auto state
    = std::make_unique<impl>(system, std::move(options), std::move(port));
  if (auto started = state->start(); !started) {
    state->stop();
    return tl::unexpected<error>{started.error()};
  }
  return std::unique_ptr<local_node>{new local_node{std::move(state)}};
}

local_node::local_node(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

local_node::~local_node() {
  stop();
}

std::vector<worker_info> local_node::workers() const {
  return impl_->board->workers();
}

worker_counters local_node::counters() const {
  auto result = impl_->metrics->read();
  if (impl_->keeper) {
    auto kept = impl_->keeper->look();
    result.outbox_outcomes = kept.on_disk;
    result.outbox_bytes = kept.bytes;
  }
  return result;
}

std::vector<supervisor_info> local_node::supervisors() const {
  return impl_->directory->supervisors();
}

std::vector<child_counters> local_node::child_figures() const {
  return impl_->directory->counters();
}

expected<void> local_node::add_child(child_specification spec) {
  return impl_->add(std::move(spec));
}

void local_node::kill_supervisor() {
  ask_to_end(impl_->supervisor, caf::exit_reason::kill);
}

std::vector<std::string> local_node::child_names() const {
  return impl_->directory->names();
}

caf::actor local_node::find(std::string_view child) const {
  return impl_->directory->find(child);
}

bool local_node::serving() const {
  auto& options = impl_->options;
  if (!options.manager)
    return (!options.worker || impl_->directory->find("worker") != nullptr)
           && (!options.cluster
               || options.cluster->board->manager() != nullptr);
  return impl_->board->serving() && impl_->port->get() != nullptr;
}

std::optional<error> local_node::failed() const {
  return impl_->directory->failure();
}

void local_node::drain(millis limit) {
  impl_->drain(limit);
}

void local_node::stop() {
  impl_->stop();
}

} // namespace muster
