#include "runtime/node_config.hpp"

#include "persistence/backup.hpp"
#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"

#include <caf/config_value.hpp>
#include <caf/io/middleman.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace muster {

node_config::node_config() {
  load<caf::io::middleman>();
  set_scheduler_defaults(*this);
  // Only a file that is asked for is read.
  config_file_path.clear();
  opt_group{custom_options_, "global"}
    .add(raw_.roles, "roles", "manager, worker")
    .add(raw_.name, "name", "the node's name")
    .add(raw_.data_dir, "data-dir", "store, log, node.json")
    .add(raw_.http_address, "http-address", "IP address for HTTP")
    .add(raw_.http_port, "http-port", "port for HTTP")
    .add(raw_.node_address, "node-address", "IP address for other nodes")
    .add(raw_.node_port, "node-port", "port for other nodes")
    .add(raw_.strict_ports, "strict-ports", "an occupied port is an error")
    .add(raw_.insecure, "insecure", "listen beyond loopback unprotected")
    .add(raw_.join, "join", "nodes to join")
    .add(raw_.concurrency, "concurrency", "jobs that run at once")
    .add(raw_.queues, "queues", "queues that the worker serves")
    .add(raw_.handlers, "handlers", "shared objects with handlers")
    .add(raw_.lease_ttl, "lease-ttl", "time until an unextended lease expires")
    .add(raw_.heartbeat, "heartbeat", "how often leases are extended")
    .add(raw_.drain_timeout, "drain-timeout", "time for running jobs at the end")
    .add(raw_.log_level, "log-level", "debug, info, warning, error")
    .add(raw_.log_format, "log-format", "text, json")
    .add(raw_.map_size, "map-size", "the largest size of the store")
    .add(raw_.segment_size, "segment-size", "size of the log's files")
    .add(raw_.snapshot_bytes, "snapshot-bytes", "log size at which it is cut")
    .add(raw_.store_reserve, "store-reserve", "room kept free in the store")
    .add(raw_.disk_reserve, "disk-reserve", "room kept free on the disk")
    .add(raw_.commit_interval, "commit-interval", "age of an open transaction")
    .add(raw_.max_payload, "max-payload", "largest payload")
    .add(raw_.max_result, "max-result", "largest result")
    .add(raw_.max_batch_body, "max-batch-body", "largest batch")
    .add(raw_.http_threads, "http-threads", "threads that serve HTTP")
    .add(raw_.max_connections, "max-connections", "HTTP connections at once");
}

std::string node_config::help() {
  return R"(muster node [--SETTING=VALUE ...]

Starts a node. The same names work in the file given by --config-file=FILE.

  --roles=manager,worker      what the node does
  --name=NAME                 default: host name and a short id, kept
  --data-dir=./muster-data    store, log, node.json; used by one process
  --http-address=127.0.0.1    HTTP; an occupied port gives way to the next
  --http-port=8420            free one; 0 lets the system choose
  --node-address=127.0.0.1    traffic between nodes; same rule
  --node-port=8421
  --strict-ports              an occupied port is an error instead
  --insecure                  listen beyond loopback without protection
  --concurrency=N             jobs that run at once; default: cores
  --queues=A,B                queues that the worker serves; default: all
  --lease-ttl=30s             time until an unextended lease expires
  --heartbeat=10s             how often leases are extended; default: ttl / 3
  --drain-timeout=30s         time that running jobs get at SIGTERM
  --log-level=info            debug, info, warning, error
  --log-format=text           text, json
  --map-size=1TiB             the largest size of the store (sparse)
  --segment-size=32MiB        size of the log's preallocated files
  --snapshot-bytes=48MiB      log size at which it is cut
  --store-reserve=SIZE        room kept for results and purges
  --disk-reserve=SIZE         disk space kept free
  --commit-interval=100ms     how old lists and statistics may be
  --max-payload=16MiB         largest payload of a job
  --max-result=16MiB          largest result of a job
  --max-batch-body=32MiB      largest batch of jobs
  --http-threads=1            threads that serve HTTP
  --max-connections=10000     HTTP connections at once

External commands as handlers stand in the configuration file only:

  exec.handlers.wordcount = ["wc", "-w"]

Example:

  muster node --data-dir=/var/lib/muster --concurrency=8
)";
}

expected<void> node_config::read(arguments args) {
  std::vector<std::string> flags{args.begin(), args.end()};
  if (auto err = parse(std::move(flags)))
    return fail_with(errc::invalid_argument, describe_option_error(err));
  if (!remainder.empty())
    return fail_with(errc::invalid_argument,
                     "unexpected argument '" + remainder.front() + "'");
  return {};
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1"
         || address == "localhost";
}

expected<node_settings> node_config::settings() const {
  node_settings result;
  auto invalid = [](std::string text) {
    return fail_with(errc::invalid_argument, std::move(text));
  };
  result.manager = result.worker = false;
  for (auto& role : split_list(raw_.roles)) {
    if (role == "manager")
      result.manager = true;
    else if (role == "worker")
      result.worker = true;
    else if (role == "balancer")
      return invalid("roles: this version has no balancer yet");
    else
      return invalid("roles: '" + role + "' is none of manager, worker");
  }
  if (!result.manager && !result.worker)
    return invalid("roles must name manager, worker, or both");
  if (!raw_.join.empty() || !result.manager)
    return invalid("this version runs one node only: roles must include "
                   "manager, and join must be empty");
  if (!raw_.handlers.empty())
    return invalid("handlers: this version loads no shared objects; use "
                   "exec.handlers in the configuration file");
  result.name = raw_.name;
  if (result.name.size() > 64
      || (!result.name.empty() && !is_valid_name(result.name)))
    return invalid("name must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
  if (raw_.data_dir.empty())
    return invalid("data-dir must not be empty");
  result.data_dir = raw_.data_dir;
  result.insecure = raw_.insecure;
  result.strict_ports = raw_.strict_ports;
  result.http.address = raw_.http_address;
  result.http.port = raw_.http_port;
  result.http.strict_port = raw_.strict_ports;
  result.http.threads = raw_.http_threads;
  result.http.max_connections = raw_.max_connections;
  result.node_address = raw_.node_address;
  result.node_port = raw_.node_port;
  for (auto* address : {&raw_.http_address, &raw_.node_address})
    if (!is_loopback(*address) && !raw_.insecure)
      return invalid("listening on " + *address
                     + " is open to anybody who can reach it; give --insecure "
                       "if that is meant");
  if (raw_.concurrency > 10'000)
    return invalid("concurrency must be at most 10000");
  result.worker_settings.concurrency = raw_.concurrency;
  result.worker_settings.queues = split_list(raw_.queues);
  for (auto& queue : result.worker_settings.queues)
    if (!is_valid_name(queue))
      return invalid("queues: '" + queue + "' is no queue name");
  std::pair<const char*, std::pair<const std::string*, millis*>> durations[] = {
    {"lease-ttl", {&raw_.lease_ttl, &result.worker_settings.lease_ttl}},
    {"heartbeat", {&raw_.heartbeat, &result.worker_settings.heartbeat}},
    {"drain-timeout", {&raw_.drain_timeout, &result.drain_timeout}},
    {"commit-interval",
     {&raw_.commit_interval, &result.journal.commit_interval}},
  };
  for (auto& [name, entry] : durations) {
    auto value = parse_duration(*entry.first);
    if (!value)
      return invalid(fmt::format("{}: {}", name, value.error().message));
    *entry.second = *value;
  }
  if (result.worker_settings.lease_ttl < millis{1'000})
    return invalid("lease-ttl must be at least 1s");
  if (result.worker_settings.heartbeat >= result.worker_settings.lease_ttl)
    return invalid("heartbeat must be less than lease-ttl");
  if (result.journal.commit_interval < millis{1}
      || result.journal.commit_interval > max_commit_interval)
    return invalid("commit-interval must be 1ms to 1s");
  std::pair<const char*, std::pair<const std::string*, std::size_t*>> sizes[]
    = {{"map-size", {&raw_.map_size, &result.journal.map_size}},
       {"segment-size", {&raw_.segment_size, &result.journal.segment_size}},
       {"snapshot-bytes",
        {&raw_.snapshot_bytes, &result.journal.snapshot_bytes}},
       {"store-reserve", {&raw_.store_reserve, &result.journal.store_reserve}},
       {"disk-reserve", {&raw_.disk_reserve, &result.journal.disk_reserve}},
       {"max-payload", {&raw_.max_payload, &result.http.max_payload}},
       {"max-result", {&raw_.max_result, &result.http.max_result}},
       {"max-batch-body",
        {&raw_.max_batch_body, &result.http.max_batch_body}}};
  for (auto& [name, entry] : sizes) {
    auto value = parse_size(name, *entry.first);
    if (!value)
      return tl::unexpected{value.error()};
    *entry.second = *value;
  }
  result.max_result = result.http.max_result;
  result.worker_settings.max_result_bytes = result.max_result;
  result.journal.directory = result.data_dir;
  if (auto valid = validate(result.journal); !valid)
    return tl::unexpected{valid.error()};
  if (auto valid = validate(result.http); !valid)
    return tl::unexpected{valid.error()};
  auto level = parse_log_level(raw_.log_level);
  if (!level)
    return invalid("log-level must be debug, info, warning or error");
  result.level = *level;
  if (raw_.log_format != "text" && raw_.log_format != "json")
    return invalid("log-format must be text or json");
  result.json_log = raw_.log_format == "json";
  if (auto exec = read_exec(result); !exec)
    return tl::unexpected{exec.error()};
  return result;
}

/// `exec.handlers.NAME = ["program", "arg"]` of the configuration file.
expected<void> node_config::read_exec(node_settings& to) const {
  auto invalid = [](std::string text) {
    return fail_with(errc::invalid_argument, std::move(text));
  };
  auto all = caf::get_if(&content, "exec.handlers");
  if (all == nullptr)
    return {};
  auto* handlers = caf::get_if<caf::settings>(all);
  if (handlers == nullptr)
    return invalid("exec.handlers must be a group of NAME = [\"program\", ...]");
  for (auto& [name, value] : *handlers) {
    auto* list = caf::get_if<caf::config_value::list>(&value);
    std::vector<std::string> program;
    if (list != nullptr)
      for (auto& item : *list)
        if (auto* text = caf::get_if<std::string>(&item))
          program.push_back(*text);
    if (list == nullptr || program.empty() || program.size() != list->size())
      return invalid("exec.handlers." + std::string{name}
                     + " must be a list of strings, the program first");
    if (!is_valid_name(name))
      return invalid("exec.handlers: '" + std::string{name}
                     + "' is no handler name");
    to.exec_handlers.emplace(name, std::move(program));
  }
  return {};
}

} // namespace muster
