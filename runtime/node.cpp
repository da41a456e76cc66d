#include "runtime/node.hpp"

#include "runtime/http_text.hpp"
#include "runtime/metrics.hpp"
#include "runtime/routes.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/send.hpp>
#include <caf/telemetry/collector/prometheus.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <random>
#include <system_error>
#include <utility>

namespace muster {

namespace {

constexpr int port_tries = 1'000;

std::string random_hex(int digits) {
  std::random_device random;
  std::string result;
  for (int i = 0; i < digits; ++i)
    result += "0123456789abcdef"[random() % 16];
  return result;
}

/// Letters, digits and `._-` of the host's name.
std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0)
    return "node";
  std::string result;
  for (auto c : std::string{buffer.data()})
    if (is_valid_name({&c, 1}) && result.size() < 48)
      result += c;
  return result.empty() ? "node" : result;
}

/// The name that the data directory keeps; empty if it keeps none.
std::string kept_name(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::string result;
  std::getline(in, result);
  return is_valid_name(result) ? result : std::string{};
}

expected<void> write_file(const std::filesystem::path& path,
                          std::string_view content) {
  auto temporary = path;
  temporary += ".new";
  auto refuse = [&temporary](int number) {
    return fail_with(errc::io_error,
                     fmt::format("cannot write {}: {}", temporary.string(),
                                 std::error_code{number, std::system_category()}
                                   .message()));
  };
  auto* file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr)
    return refuse(errno);
  auto written = std::fwrite(content.data(), 1, content.size(), file);
  auto flushed = std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
  auto number = errno;
  std::fclose(file);
  if (written != content.size() || !flushed)
    return refuse(number);
  std::error_code ec;
  std::filesystem::rename(temporary, path, ec);
  if (ec)
    return refuse(ec.value());
  return {};
}

/// What other nodes find at the node port for now: somebody who says who it is.
caf::behavior greeter(caf::event_based_actor* self, const std::string& name) {
  self->set_default_handler(caf::drop);
  return {[name](caf::get_atom) { return name; }};
}

} // namespace

std::string ready_line(const node_facts& facts) {
  return fmt::format("muster node {} ready http={}:{} node={}:{} roles={}",
                     facts.name, facts.http_address, facts.http_port,
                     facts.node_address, facts.node_port,
                     fmt::join(facts.roles, ","));
}

std::string node_json(const node_facts& facts, int pid) {
  std::string out = R"({"name":)";
  append_json_string(out, facts.name);
  out += fmt::format(R"(,"pid":{},"incarnation":"{}","roles":[)", pid,
                     facts.incarnation);
  for (auto& role : facts.roles)
    out += fmt::format(R"({}"{}")", out.back() == '[' ? "" : ",", role);
  out += R"(],"http":{"address":)";
  append_json_string(out, facts.http_address);
  out += fmt::format(R"(,"port":{}}},"node":{{"address":)", facts.http_port);
  append_json_string(out, facts.node_address);
  out += fmt::format(",\"port\":{}}}}}\n", facts.node_port);
  return out;
}

struct node::impl {
  impl(node_config& cfg, node_settings opts, const logger& sink)
    : settings(std::move(opts)), log(sink), system(cfg) {
    // nop
  }

  ~impl() {
    if (http)
      http->stop();
    if (actors)
      actors->stop();
    if (greeting)
      caf::anon_send_exit(greeting, caf::exit_reason::user_shutdown);
  }

  // -- start ------------------------------------------------------------------

  expected<void> start() {
    facts.incarnation = random_hex(12);
    auto name_file = settings.data_dir / "node.name";
    facts.name = settings.name.empty() ? kept_name(name_file) : settings.name;
    if (facts.name.empty())
      facts.name = host_name() + '-' + random_hex(6);
    if (settings.manager)
      facts.roles.emplace_back("manager");
    if (settings.worker)
      facts.roles.emplace_back("worker");
    if (auto ok = start_actors(); !ok)
      return ok;
    if (auto ok = write_file(name_file, facts.name + '\n'); !ok)
      return ok;
    if (auto ok = start_http(); !ok)
      return ok;
    if (auto ok = publish(); !ok)
      return ok;
    return write_file(settings.data_dir / "node.json",
                      node_json(facts, ::getpid()));
  }

  expected<void> start_actors() {
    auto handlers = std::make_shared<handler_registry>();
    for (auto& [name, program] : settings.exec_handlers) {
      exec_handler_options options;
      options.command = program;
      options.max_result_bytes = settings.max_result;
      if (auto ok = handlers->add(name, make_exec_handler(options)); !ok)
        return ok;
    }
    add_builtin_handlers(*handlers);
    local_node_options options;
    options.journal = settings.journal;
    options.manager = settings.manager;
    options.worker = settings.worker;
    options.worker_settings = settings.worker_settings;
    options.worker_settings.name = facts.name;
    options.worker_settings.incarnation = facts.incarnation;
    options.handlers = std::move(handlers);
    options.log = [sink = &log](const node_event& event) {
      auto level = event.level == node_event::severity::error
                     ? log_level::error
                   : event.level == node_event::severity::warning
                     ? log_level::warning
                     : log_level::info;
      sink->log(level, event.text, {{"component", event.component}});
    };
    auto result = local_node::start(system, std::move(options), port);
    if (!result)
      return tl::unexpected{std::move(result.error())};
    actors = std::move(*result);
    return {};
  }

  expected<void> start_http() {
    gateway_backend backend;
    backend.journal = port;
    backend.workers = [this] { return actors->workers(); };
    backend.serving = [this] { return actors->serving(); };
    backend.metrics = [this] { return metrics(); };
    auto result = gateway::start(settings.http, std::move(backend));
    if (!result)
      return tl::unexpected{std::move(result.error())};
    http = std::move(*result);
    facts.http_address = http->address();
    facts.http_port = http->port();
    return {};
  }

  expected<void> publish() {
    greeting = system.spawn(greeter, facts.name);
    auto wanted = settings.node_port;
    caf::error why;
    for (int tries = 0; tries < port_tries; ++tries, ++wanted) {
      // Reuse takes a port whose last connections are still dying, and never
      // one that somebody listens on.
      auto bound = system.middleman().publish(
        greeting, wanted, settings.node_address.c_str(), true);
      if (bound) {
        facts.node_address = settings.node_address;
        facts.node_port = *bound;
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
                                 to_string(why)));
  }

  // -- figures ----------------------------------------------------------------

  std::string metrics() {
    node_figures figures;
    figures.journal = port->stats();
    if (auto usage = port->usage())
      figures.usage = *usage;
    if (auto reading = port->snapshot())
      figures.queues = reading->view().queues({}, max_measured_queues);
    figures.worker = actors->counters();
    figures.workers = actors->workers();
    figures.now = wall_clock();
    figures.started = started;
    auto result = render_metrics(figures);
    caf::telemetry::collector::prometheus collector;
    auto own = collector.collect_from(system.metrics());
    result.append(own.data(), own.size());
    return result;
  }

  // -- end --------------------------------------------------------------------

  void shut_down() {
    log.info("draining");
    http->drain();
    actors->drain(settings.drain_timeout);
    http->stop();
    actors->stop();
    caf::anon_send_exit(greeting, caf::exit_reason::user_shutdown);
    greeting = nullptr;
    log.info("stopped");
  }

  node_settings settings;
  const logger& log;
  timestamp started = wall_clock();
  node_facts facts;
  caf::actor_system system;
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  std::unique_ptr<local_node> actors;
  std::unique_ptr<gateway> http;
  caf::actor greeting;
};

node::node(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

node::~node() = default;

expected<std::unique_ptr<node>> node::start(node_config& config,
                                            node_settings settings,
                                            const logger& log) {
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

void node::shut_down() {
  impl_->shut_down();
}

} // namespace muster
