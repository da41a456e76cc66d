#include "runtime/node.hpp"

#include "actors/inspector_actor.hpp"
#include "actors/node_transport.hpp"
#include "actors/plugin_loader.hpp"
#include "runtime/gateway_actor.hpp"
#include "runtime/inspection_answers.hpp"
#include "runtime/metrics.hpp"
#include "runtime/node_name.hpp"
#include "runtime/peer_file.hpp"
#include "runtime/routes.hpp"
#include "runtime/worker_figures.hpp"
#include "runtime/worker_processes.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <caf/telemetry/collector/prometheus.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace muster {

namespace {

constexpr int port_tries = 1'000;
// What a process takes to end beyond the time that its jobs get.
constexpr millis process_margin{15'000};
constexpr millis lock_limit{10'000};
constexpr millis lock_pause{20};

/// This very program, even if its file was replaced since: nodes of other
/// versions do not fit. By its own name, where it is still there.
std::string own_program() {
  constexpr auto link = "/proc/self/exe";
  std::error_code ec;
  auto file = std::filesystem::read_symlink(link, ec);
  return ec || !std::filesystem::exists(file, ec) ? link : file.string();
}

} // namespace

struct node::impl {
  impl(node_config& cfg, node_settings opts, const logger& sink)
    : settings(std::move(opts)), log(sink), system(cfg) {
    // nop
  }

  ~impl() {
    if (actors)
      actors->stop();
    leave();
    if (ours)
      remove_facts();
  }

  // -- start ------------------------------------------------------------------

  expected<void> start() {
    facts.pid = ::getpid();
    facts.incarnation = random_hex(12);
    if (settings.manager)
      facts.roles.emplace_back("manager");
    if (settings.worker)
      facts.roles.emplace_back("worker");
    facts.name = choose_name(settings.name, settings.data_dir);
    if (auto ok = make_data_dir(); !ok)
      return ok;
    if (auto ok = listen(); !ok)
      return ok;
    if (auto ok = start_actors(); !ok)
      return ok;
    ours = true;
    // It would tell of a node that is no more.
    remove_facts();
    if (auto ok = keep_name(facts.name, settings.data_dir); !ok)
      return ok;
    if (auto ok = start_inspection(); !ok)
      return ok;
    if (auto ok = start_http(); !ok)
      return ok;
    if (auto ok = replace_file(facts_file(), to_json(facts)); !ok)
      return ok;
    tell_early_events();
    return {};
  }

  [[nodiscard]] expected<void> make_data_dir() const {
    std::error_code ec;
    std::filesystem::create_directories(settings.data_dir, ec);
    if (ec)
      return fail_with(errc::io_error,
                       fmt::format("cannot make the directory {}: {}",
                                   settings.data_dir.string(), ec.message()));
    return {};
  }

  expected<void> start_actors() {
    auto handlers = std::make_shared<handler_registry>();
    for (auto& [name, words] : settings.exec_handlers) {
      exec_handler_options options;
      options.command = words;
      options.max_result_bytes = settings.max_result;
      if (auto ok = handlers->add(name, make_exec_handler(options)); !ok)
        return ok;
    }
    if (auto ok = load_plugins(*handlers); !ok)
      return ok;
    add_builtin_handlers(*handlers);
    local_node_options options;
    options.journal = settings.journal;
    options.manager = settings.manager;
    options.worker = settings.worker && settings.worker_processes == 0;
    options.worker_settings = settings.worker_settings;
    options.worker_settings.name = facts.name;
    options.worker_settings.incarnation = facts.incarnation;
    if (!settings.manager)
      options.worker_settings.outbox_directory = settings.data_dir;
    if (settings.worker_process) {
      options.worker_settings.supervised = true;
      options.worker_settings.running_note
        = settings.data_dir / running_note_name;
    }
    options.worker_processes = worker_processes();
    options.worker_process_end = settings.drain_timeout + process_margin;
    options.handlers = std::move(handlers);
    options.cluster = cluster();
    options.log = [this](const node_event& event) { tell(event); };
    return start_actors(options);
  }

  /// The one before may just be ending.
  expected<void> start_actors(const local_node_options& options) {
    auto give_up = std::chrono::steady_clock::now() + lock_limit;
    while (true) {
      auto result = local_node::start(system, options, port);
      if (result) {
        actors = std::move(*result);
        return {};
      }
      if (!settings.worker_process || result.error().code != errc::store_locked
          || std::chrono::steady_clock::now() >= give_up)
        return tl::unexpected{std::move(result.error())};
      std::this_thread::sleep_for(lock_pause);
    }
  }

  [[nodiscard]] std::vector<worker_process> worker_processes() const {
    worker_process_plan plan;
    plan.program = own_program();
    plan.settings = &settings;
    plan.node_name = facts.name;
    if (settings.manager)
      plan.manager = facts.node;
    std::vector<worker_process> result;
    for (std::uint32_t i = 0; i < settings.worker_processes; ++i)
      result.push_back(plan_worker_process(plan, i));
    return result;
  }

  expected<void> load_plugins(handler_registry& to) {
    for (auto& file : settings.plugins) {
      auto names = load_plugin(file, to);
      if (!names)
        return fail_with(names.error().code,
                         "handlers: " + names.error().message);
      auto list = fmt::format("{}", fmt::join(*names, ","));
      tell({node_event::severity::info,
            "worker",
            "loaded a plug-in",
            {{"file", file.string()}, {"handlers", std::move(list)}}});
    }
    return {};
  }

  /// Keeps events until the start has succeeded: of one that fails only the
  /// reason is told, by whoever asked for it.
  void tell(const node_event& event) {
    if (event.level == node_event::severity::error)
      note_actor_error(event.text);
    std::lock_guard guard{events_mutex};
    if (starting)
      early_events.push_back(event);
    else
      write(event);
  }

  void write(const node_event& event) const {
    std::vector<logger::field> fields{{"component", event.component}};
    // Its lines stand among its parent's.
    if (settings.worker_process)
      fields.emplace_back("worker", facts.name);
    fields.insert(fields.end(), event.fields.begin(), event.fields.end());
    log.log(level_of(event.level), event.text, fields);
  }

  void tell_early_events() {
    std::lock_guard guard{events_mutex};
    starting = false;
    for (auto& event : std::exchange(early_events, {}))
      write(event);
  }

  expected<void> start_inspection() {
    inspected_process process;
    process.node = facts.name;
    process.log = log.ring();
    process.supervisors = [this] { return actors->supervisors(); };
    process.http = [this] { return board->http(); };
    process.drain = [] { ::kill(::getpid(), SIGTERM); };
    inspection = make_inspection(system, board, std::move(process));
    return actors->add_child(inspector_child(inspection));
  }

  expected<void> start_http() {
    gateway_backend backend;
    backend.journal = port;
    backend.workers = [this] { return actors->workers(); };
    backend.nodes = [this] { return board->nodes(); };
    backend.supervisors = [this] { return actors->supervisors(); };
    backend.serving = [this] { return actors->serving(); };
    backend.metrics = [this] { return metrics(); };
    backend.inspection = inspection;
    gateway_actor_options options{settings.http, std::move(backend), http, {}};
    options.on_stuck = [this](const error& reason) { end_at_once(reason); };
    if (auto ok = actors->add_child(gateway_child(std::move(options))); !ok)
      return ok;
    facts.http = {http->address(), http->port()};
    board->set_http(to_string(advertised_address(
      {settings.advertise.host, facts.http.port}, facts.http)));
    facts.https = !settings.http.certificate.empty();
    return {};
  }

  /// Binds the port itself, and not a port that a probe found free: it might be
  /// taken by then.
  expected<void> listen() {
    gate = spawn_gate(system, board);
    auto wanted = settings.node_port;
    error why;
    for (int tries = 0; tries < port_tries; ++tries, ++wanted) {
      if (is_its_managers(wanted))
        continue;
      auto bound = publish_actor(system, gate, settings.node_address, wanted);
      if (bound) {
        facts.node = {settings.node_address, *bound};
        return {};
      }
      why = bound.error();
      if (settings.strict_ports || wanted == 65'535 || wanted == 0)
        break;
    }
    return fail_with(errc::io_error,
                     fmt::format("cannot listen on {} port {} for other nodes: "
                                 "{}",
                                 settings.node_address, settings.node_port,
                                 settings.strict_ports && wanted != 0
                                   ? "the port is occupied, or the address is "
                                     "not of this machine"
                                   : why.message));
  }

  /// Whether the only node that a worker is to join is to be at that port of
  /// this machine, though it may not be there yet.
  [[nodiscard]] bool is_its_managers(std::uint16_t wanted) const {
    return !settings.manager && !settings.strict_ports
           && settings.join.size() == 1 && settings.join.front().port == wanted
           && wanted != 65'535 && is_loopback(settings.join.front().host);
  }

  cluster_options cluster() {
    cluster_options result;
    auto& self = result.identity;
    self.node.name = facts.name;
    self.node.roles = {settings.manager, settings.worker};
    self.node.addresses.push_back(
      advertised_address(settings.advertise, facts.node));
    self.incarnation = facts.incarnation;
    self.started = started;
    result.gate = gate;
    result.join = settings.join;
    result.remembered = read_peers(settings.data_dir);
    // Our processes end with us, and are elsewhere the next time.
    std::set<std::string> own;
    for (auto& process : worker_processes())
      own.insert(process.name);
    result.remember = [dir = settings.data_dir, own = std::move(own),
                       &sink = log](std::vector<known_node> nodes) {
      std::erase_if(nodes, [&](auto& node) { return own.contains(node.name); });
      if (auto ok = keep_peers(nodes, dir); !ok)
        sink.warning(ok.error().message, {{"component", "cluster"}});
    };
    result.board = board;
    return result;
  }

  // -- figures ----------------------------------------------------------------

  std::string metrics() {
    node_figures figures;
    figures.name = facts.name;
    figures.incarnation = facts.incarnation;
    figures.journal = port->stats();
    if (auto usage = port->usage())
      figures.usage = *usage;
    if (auto reading = port->snapshot())
      figures.queues = reading->view().queues({}, max_measured_queues + 1);
    figures.worker = worker_figures();
    figures.workers = actors->workers();
    figures.children = actors->child_figures();
    figures.now = wall_clock();
    figures.started = started;
    auto result = render_metrics(figures);
    caf::telemetry::collector::prometheus collector;
    auto own = collector.collect_from(system.metrics());
    result.append(own.data(), own.size());
    return result;
  }

  /// Of our worker, or of our processes.
  worker_counters worker_figures() {
    if (settings.worker_processes == 0)
      return actors->counters();
    std::lock_guard guard{sums_mutex};
    for (auto& process : worker_processes())
      if (auto now = read_figures(process.outbox_directory / figures_file_name))
        sums.update(process.name, std::move(*now));
    return sums.total();
  }

  // -- end --------------------------------------------------------------------

  /// Where nothing can end in order any more. What was accepted is on disk.
  [[noreturn]] void end_at_once(const error& reason) const {
    log.error("the node ends at once", {{"reason", reason.message}});
    fmt::print(stderr, "muster node: gave up: {}\n", reason.message);
    std::fflush(stderr);
    std::_Exit(1);
  }

  void shut_down() {
    log.info("draining");
    http->drain();
    actors->drain(settings.drain_timeout);
    actors->stop();
    leave();
    log.info("stopped");
  }

  /// Without this the actor system waits for the actor, and its end for the
  /// port's.
  void leave() {
    if (!gate)
      return;
    caf::anon_send_exit(gate, caf::exit_reason::user_shutdown);
    gate = nullptr;
    close_transport(system);
  }

  [[nodiscard]] std::filesystem::path facts_file() const {
    return settings.data_dir / "node.json";
  }

  void remove_facts() const {
    std::error_code ec;
    std::filesystem::remove(facts_file(), ec);
  }

  node_settings settings;
  const logger& log;
  timestamp started = wall_clock();
  node_facts facts;
  std::mutex events_mutex;
  bool starting = true;
  std::vector<node_event> early_events;
  std::mutex sums_mutex;
  figure_sums sums;
  /// Whether the data directory is locked by us.
  bool ours = false;
  caf::actor_system system;
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  std::shared_ptr<cluster_board> board = std::make_shared<cluster_board>();
  std::unique_ptr<local_node> actors;
  std::shared_ptr<node_inspection> inspection;
  std::shared_ptr<gateway_slot> http = std::make_shared<gateway_slot>();
  caf::actor gate;
};

node::node(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

node::~node() = default;

expected<std::unique_ptr<node>>
node::start(node_config& config, node_settings settings, const logger& log) {
  auto ptr = std::make_unique<impl>(config, std::move(settings), log);
  if (auto ok = ptr->start(); !ok)
    return tl::unexpected{std::move(ok.error())};
  return std::unique_ptr<node>{new node{std::move(ptr)}};
}

const node_facts& node::facts() const {
  return impl_->facts;
}

std::optional<error> node::failed() const {
  return impl_->actors->failed();
}

bool node::has_stuck_handlers() const {
  return impl_->actors->counters().stuck > 0;
}

void node::keep_figures() const {
  static_cast<void>(
    muster::keep_figures({impl_->facts.incarnation, impl_->actors->counters()},
                         impl_->settings.data_dir / figures_file_name));
}

void node::shut_down() {
  impl_->shut_down();
}

} // namespace muster
