#include "runtime/node_config.hpp"

#include "persistence/backup.hpp"
#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"
#include "runtime/config_text.hpp"
#include "runtime/worker_processes.hpp"

#include <caf/config_value.hpp>
#include <caf/io/middleman.hpp>
#include <caf/pec.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t max_name = 64;
constexpr std::uint32_t max_concurrency = 10'000;
constexpr std::uint32_t max_worker_processes = 256;
constexpr millis min_node_heartbeat{50};

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

/// An error of an options struct, with the name that the setting has for users.
tl::unexpected<error> invalid_field(const error& reason) {
  auto text = reason.message;
  std::replace(text.begin(), text.end(), '_', '-');
  return invalid(std::move(text));
}

/// Whether a value can be an option's. `sync` would write it into the option's
/// target, where a flag may stand that takes precedence.
bool fits(const caf::config_option& option, const caf::config_value& value) {
  auto type = option.type_name();
  if (type == "bool")
    return static_cast<bool>(caf::get_as<bool>(value));
  if (type == "uint16_t")
    return static_cast<bool>(caf::get_as<std::uint16_t>(value));
  if (type == "uint32_t")
    return static_cast<bool>(caf::get_as<std::uint32_t>(value));
  return true;
}

/// What CAF could not read of the file or the command line.
std::string describe(const caf::config_option_set& options,
                     const caf::error& err, const std::string& file) {
  auto& context = err.context();
  if (err.category() == caf::type_id_v<caf::pec>) {
    auto code = static_cast<caf::pec>(err.code());
    if (context.match_elements<std::string>())
      return describe_bad_option(options, code, context.get_as<std::string>(0));
    if (context.match_elements<std::int32_t, std::int32_t>())
      return fmt::format(
        "config-file: '{}' cannot be read from line {}, column "
        "{} on",
        file, context.get_as<std::int32_t>(0), context.get_as<std::int32_t>(1));
  }
  return to_string(err);
}

/// Takes `--config-file=` out of the arguments.
std::optional<std::string> take_file_option(std::vector<std::string>& args) {
  constexpr std::string_view option = "--config-file=";
  std::optional<std::string> result;
  std::erase_if(args, [&](const std::string& arg) {
    if (!arg.starts_with(option))
      return false;
    result = arg.substr(option.size());
    return true;
  });
  return result;
}

/// The file's text as CAF reads it right.
expected<std::string> read_config_file(const std::string& file) {
  std::error_code ec;
  std::ifstream in{file, std::ios::binary};
  if (!in || std::filesystem::is_directory(file, ec))
    return invalid(fmt::format("config-file: cannot open '{}'", file));
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto result = expand_dotted_keys(text);
  if (!result)
    return invalid(
      fmt::format("config-file: '{}', {}", file, result.error().message));
  return result;
}

} // namespace

expected<void> node_config::read(arguments args) {
  arguments_.assign(args.begin(), args.end());
  auto sorted = sort_arguments(custom_options_, args);
  if (!sorted.positional.empty())
    return invalid("unexpected argument '" + sorted.positional.front() + "'");
  for (auto& arg : sorted.options)
    if (arg.starts_with("--exec.") || arg.starts_with("--exec="))
      return invalid("exec.handlers can stand in the file given by "
                     "--config-file only");
    else if (arg.starts_with("--http.tokens") || arg.starts_with("--http="))
      return invalid("http.tokens can stand in the file given by --config-file "
                     "only, since others can see a command line");
  auto file = take_file_option(sorted.options);
  file_ = file.value_or("");
  std::istringstream in;
  if (!file)
    in.setstate(std::ios::failbit);
  else if (auto text = read_config_file(*file); !text)
    return tl::unexpected{std::move(text.error())};
  else
    in.str(std::move(*text));
  auto text = in.str();
  if (auto err = parse(std::move(sorted.options), in))
    return invalid(describe(custom_options_, err, file_));
  if (!remainder.empty())
    return invalid("unexpected argument '" + remainder.front() + "'");
  if (auto ok = check_file(text); !ok)
    return ok;
  if (auto ok = check_scheduler(); !ok)
    return ok;
  if (auto ok = set_node_traffic(); !ok)
    return ok;
  return set_node_tls();
}

/// CAF passes over names that it does not know and values that do not fit, and
/// keeps neither. So the file is read once more.
expected<void> node_config::check_file(const std::string& text) const {
  std::istringstream in{text};
  auto raw = parse_config(in);
  if (!raw)
    return invalid("config-file: " + to_string(raw.error()));
  for (auto& [name, value] : *raw) {
    if (name == "caf" || name == "exec" || name == "http")
      continue;
    auto* option = custom_options_.qualified_name_lookup("global", name);
    if (option == nullptr)
      return invalid(
        fmt::format("config-file: there is no setting '{}'", name));
    if (!fits(*option, value))
      return invalid(describe_bad_value(*option, to_string(value)));
  }
  for (auto [group, only] :
       {std::pair{"exec", "handlers"}, {"http", "tokens"}}) {
    auto pos = raw->find(group);
    if (pos == raw->end())
      continue;
    auto members = caf::get_if<caf::settings>(&pos->second);
    if (!members)
      return invalid(
        fmt::format("config-file: {0} must be {0}.{1}", group, only));
    for (auto& [name, value] : *members)
      if (name != only)
        return invalid(
          fmt::format("config-file: there is no setting '{}.{}'", group, name));
  }
  return {};
}

expected<void> node_config::check_scheduler() const {
  auto policy = caf::get_or(content, "caf.scheduler.policy", "");
  if (policy != "sharing" && policy != "stealing")
    return invalid("caf.scheduler.policy must be sharing or stealing");
  auto throughput
    = caf::get_as<std::size_t>(content, "caf.scheduler.max-throughput");
  if (!throughput || *throughput == 0)
    return invalid("caf.scheduler.max-throughput must be at least 1");
  return {};
}

expected<void> node_config::set_node_traffic() {
  auto heartbeat = parse_duration(raw_.node_heartbeat);
  if (!heartbeat || *heartbeat < min_node_heartbeat)
    return invalid("node-heartbeat must be a duration of at least 50ms");
  auto limit = parse_duration(raw_.node_timeout);
  if (!limit || *limit < 2 * *heartbeat)
    return invalid("node-timeout must be a duration of at least twice "
                   "node-heartbeat");
  set("caf.middleman.heartbeat-interval", caf::timespan{*heartbeat});
  set("caf.middleman.connection-timeout", caf::timespan{*limit});
  // Other programs that use CAF are no nodes.
  set("caf.middleman.app-identifiers", std::vector<std::string>{"muster"});
  return {};
}

expected<node_settings> node_config::settings() const {
  using step = expected<void> (node_config::*)(node_settings&) const;
  constexpr std::array<step, 13> steps{
    &node_config::read_roles,     &node_config::read_join,
    &node_config::read_addresses, &node_config::read_worker,
    &node_config::read_durations, &node_config::read_sizes,
    &node_config::read_logging,   &node_config::read_exec,
    &node_config::read_plugins,   &node_config::read_https,
    &node_config::read_tokens,    &node_config::check_exposure,
    &node_config::read_processes};
  node_settings result;
  for (auto read_part : steps)
    if (auto ok = (this->*read_part)(result); !ok)
      return tl::unexpected{std::move(ok.error())};
  return result;
}

expected<void> node_config::read_roles(node_settings& to) const {
  to.manager = to.worker = false;
  for (auto& role : split_list(raw_.roles)) {
    if (role == "manager")
      to.manager = true;
    else if (role == "worker")
      to.worker = true;
    else if (role == "balancer")
      return invalid("roles: this version has no balancer yet");
    else
      return invalid("roles: '" + role + "' is none of manager, worker");
  }
  if (!to.manager && !to.worker)
    return invalid("roles must name manager, worker, or both");
  return {};
}

expected<void> node_config::read_join(node_settings& to) const {
  for (auto& text : split_list(raw_.join)) {
    auto at = parse_endpoint(text);
    if (!at)
      return invalid("join: " + at.error().message);
    to.join.push_back(std::move(*at));
  }
  if (!to.manager && to.join.empty())
    return invalid("join: a worker without a manager of its own needs the "
                   "HOST:PORT of one");
  if (raw_.node_advertise.empty())
    return {};
  if (auto at = parse_endpoint(raw_.node_advertise))
    to.advertise = std::move(*at);
  else if (raw_.node_advertise.find(':') == std::string::npos)
    to.advertise = {raw_.node_advertise, 0};
  else
    return invalid("node-advertise must be HOST or HOST:PORT");
  return {};
}

expected<void> node_config::read_addresses(node_settings& to) const {
  to.name = raw_.name;
  if (to.name.size() > max_name
      || (!to.name.empty() && !is_valid_name(to.name)))
    return invalid("name must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
  if (raw_.data_dir.empty())
    return invalid("data-dir must not be empty");
  to.data_dir = raw_.data_dir;
  to.insecure = raw_.insecure;
  to.exit_with_stdin = raw_.exit_with_stdin;
  to.worker_process = raw_.worker_process;
  to.arguments = arguments_;
  to.strict_ports = raw_.strict_ports;
  to.http.address = raw_.http_address;
  to.http.port = raw_.http_port;
  to.http.strict_port = raw_.strict_ports;
  to.http.threads = raw_.http_threads;
  to.http.max_connections = raw_.max_connections;
  to.node_address = raw_.node_address;
  to.node_port = raw_.node_port;
  std::pair<const char*, const std::string*> addresses[] = {
    {"http-address", &raw_.http_address}, {"node-address", &raw_.node_address}};
  for (auto& [name, address] : addresses)
    if (address->empty())
      return invalid(fmt::format("{} must not be empty", name));
  if (raw_.http_port != 0 && raw_.http_port == raw_.node_port
      && raw_.http_address == raw_.node_address && raw_.strict_ports)
    return invalid("http-port and node-port must differ");
  return {};
}

expected<void> node_config::read_worker(node_settings& to) const {
  if (raw_.concurrency > max_concurrency)
    return invalid("concurrency must be at most 10000");
  to.worker_settings.concurrency = raw_.concurrency;
  to.worker_settings.queues = split_list(raw_.queues);
  for (auto& queue : to.worker_settings.queues)
    if (!is_valid_name(queue))
      return invalid("queues: '" + queue + "' is no queue name");
  return {};
}

expected<void> node_config::read_durations(node_settings& to) const {
  struct entry {
    const char* name;
    const std::string* text;
    millis* value;
  };
  const entry entries[] = {
    {"lease-ttl", &raw_.lease_ttl, &to.worker_settings.lease_ttl},
    {"heartbeat", &raw_.heartbeat, &to.worker_settings.heartbeat},
    {"lease-grace", &raw_.lease_grace, &to.journal.lease_grace},
    {"drain-timeout", &raw_.drain_timeout, &to.drain_timeout},
    {"commit-interval", &raw_.commit_interval, &to.journal.commit_interval},
  };
  for (auto& each : entries) {
    auto value = parse_duration(*each.text);
    if (!value)
      return invalid(fmt::format("{}: {}", each.name, value.error().message));
    *each.value = *value;
  }
  if (to.worker_settings.lease_ttl < millis{1'000})
    return invalid("lease-ttl must be at least 1s");
  if (to.worker_settings.heartbeat >= to.worker_settings.lease_ttl)
    return invalid("heartbeat must be less than lease-ttl");
  if (to.journal.commit_interval < millis{1}
      || to.journal.commit_interval > max_commit_interval)
    return invalid("commit-interval must be 1ms to 1s");
  return {};
}

expected<void> node_config::read_sizes(node_settings& to) const {
  struct entry {
    const char* name;
    const std::string* text;
    std::size_t* value;
  };
  const entry entries[] = {
    {"map-size", &raw_.map_size, &to.journal.map_size},
    {"segment-size", &raw_.segment_size, &to.journal.segment_size},
    {"snapshot-bytes", &raw_.snapshot_bytes, &to.journal.snapshot_bytes},
    {"store-reserve", &raw_.store_reserve, &to.journal.store_reserve},
    {"disk-reserve", &raw_.disk_reserve, &to.journal.disk_reserve},
    {"max-payload", &raw_.max_payload, &to.http.max_payload},
    {"max-result", &raw_.max_result, &to.http.max_result},
    {"max-batch-body", &raw_.max_batch_body, &to.http.max_batch_body},
    {"max-bodies", &raw_.max_bodies, &to.http.max_bodies},
    {"max-outbox", &raw_.max_outbox, &to.worker_settings.max_outbox_bytes},
  };
  for (auto& each : entries) {
    auto value = parse_size(each.name, *each.text);
    if (!value)
      return tl::unexpected{std::move(value.error())};
    *each.value = *value;
  }
  to.max_result = to.http.max_result;
  to.worker_settings.max_result_bytes = to.max_result;
  to.journal.directory = to.data_dir;
  if (auto valid = validate(to.journal); !valid)
    return invalid_field(valid.error());
  if (auto valid = validate(to.http); !valid)
    return invalid_field(valid.error());
  return {};
}

expected<void> node_config::read_logging(node_settings& to) const {
  auto level = parse_log_level(raw_.log_level);
  if (!level)
    return invalid("log-level must be debug, info, warning or error");
  to.level = *level;
  if (raw_.log_format != "text" && raw_.log_format != "json")
    return invalid("log-format must be text or json");
  to.json_log = raw_.log_format == "json";
  return {};
}

/// `exec.handlers.NAME = ["program", "arg"]` of the configuration file.
expected<void> node_config::read_exec(node_settings& to) const {
  auto all = caf::get_if(&content, "exec.handlers");
  if (all == nullptr)
    return {};
  auto* handlers = caf::get_if<caf::settings>(all);
  if (handlers == nullptr)
    return invalid(
      "exec.handlers must be a group of NAME = [\"program\", ...]");
  for (auto& [name, value] : *handlers) {
    auto* list = caf::get_if<caf::config_value::list>(&value);
    std::vector<std::string> words;
    if (list != nullptr)
      for (auto& item : *list)
        if (auto* text = caf::get_if<std::string>(&item))
          words.push_back(*text);
    if (list == nullptr || words.empty() || words.size() != list->size()
        || words.front().empty())
      return invalid("exec.handlers." + name
                     + " must be a list of strings, the program first");
    if (!is_valid_name(name))
      return invalid("exec.handlers: '" + name + "' is no handler name");
    to.exec_handlers.emplace(name, std::move(words));
  }
  return {};
}

expected<void> node_config::read_processes(node_settings& to) const {
  auto& text = raw_.worker_processes;
  auto& concurrency = to.worker_settings.concurrency;
  auto cores = std::max(std::thread::hardware_concurrency(), 1u);
  if (text == "auto") {
    auto foreign = !to.exec_handlers.empty() || !to.plugins.empty();
    if (to.worker && !to.worker_process && foreign)
      to.worker_processes
        = default_worker_processes(concurrency == 0 ? cores : concurrency);
  } else if (auto* end = text.data() + text.size();
             std::from_chars(text.data(), end, to.worker_processes).ptr != end
             || text.empty() || to.worker_processes > max_worker_processes) {
    return invalid(fmt::format("worker-processes must be auto or a whole "
                               "number of 0 to {}, and '{}' is none",
                               max_worker_processes, text));
  }
  if (to.worker_processes == 0)
    return {};
  if (!to.worker)
    return invalid("worker-processes: the node has not the role worker");
  if (concurrency == 0)
    concurrency = std::max(cores, to.worker_processes);
  if (concurrency < to.worker_processes)
    return invalid("worker-processes must not be more than concurrency");
  return {};
}

expected<void> node_config::read_plugins(node_settings& to) const {
  for (auto& name : split_list(raw_.handlers)) {
    std::error_code ec;
    if (!std::filesystem::is_regular_file(name, ec))
      return invalid("handlers: there is no file '" + name + "'");
    to.plugins.emplace_back(name);
  }
  return {};
}

} // namespace muster
