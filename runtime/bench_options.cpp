#include "runtime/bench_options.hpp"

#include "runtime/command_line.hpp"
#include "runtime/node_access.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace muster {

namespace {

constexpr auto help_text = R"(muster bench [--SETTING=VALUE ...]

Measures a running node or, by default, private ones that it starts, each with
fresh data, and kills afterwards. Everything goes over HTTP, as clients do it.
See docs/benchmarks.md for what the figures mean.

  --http=HOST:PORT   measure this node; queues named bench-* are made there,
                     and emptied again; https://HOST:PORT goes over TLS
  --ca-file=FILE     whose certificates are good there (PEM); default: what the
                     system trusts
  --token-file=FILE  the token that this node asks for (chmod 600), with all
                     scopes; default: the environment's MUSTER_TOKEN
  --pid=PID          its process, if on this machine: for CPU and memory
  --dir=DIRECTORY    where private nodes keep their data; default: /var/tmp.
                     To be on the disk that is to be measured
  --only=LIST        some of: alone,enqueue,batch,drain,e2e,deep,remote
                     default: all but deep and remote
  --deep=N           measure also a queue with N jobs (such as 5000000)
  --remote           the same as --only=remote
  --seconds=4        length of each measurement
  --payload=256      bytes of a job
  --connections=LIST for enqueue; default: 1,16,64,256
  --quick            small sizes: shows that it works, measures nothing
  --json=FILE        a line of JSON for each row; - is standard output, and the
                     table goes to standard error then

  alone    the disk, and the journal without network, for comparison
  enqueue  one durable job a request
  batch    100 durable jobs a request
  drain    jobs that are queued already: the node's own workers; workers that
           lease and complete over HTTP
  e2e      from enqueue to recorded result
  deep     a very deep queue: drain, start, memory
  remote   a manager and workers in processes of their own: throughput, latency,
           what ten idle workers cost, how soon the jobs of a killed one go on

Exit status: 0; 1 if something failed, or a job that was acknowledged is missing
at the end; 2 if called wrongly.
)";

struct bench_settings {
  node_access_options node;
  std::uint32_t pid = 0;
  std::string dir;
  std::string only;
  std::uint64_t deep = 0;
  bool remote = false;
  double seconds = 4;
  std::size_t payload = 256;
  std::string connections;
  bool quick = false;
  std::string json;

  caf::config_option_set options() {
    caf::config_option_set result;
    node.add_to(result);
    result.add(pid, "pid", "its process")
      .add(dir, "dir", "where private nodes keep their data")
      .add(only, "only", "scenarios")
      .add(deep, "deep", "jobs in the deep queue")
      .add(remote, "remote", "workers in processes of their own")
      .add(seconds, "seconds", "length of each measurement")
      .add(payload, "payload", "bytes of a job")
      .add(connections, "connections", "connections that enqueue")
      .add(quick, "quick", "small sizes")
      .add(json, "json", "file for JSON lines");
    return result;
  }
};

struct scenario {
  std::string_view name;
  /// Runs unless others are asked for.
  bool usual = true;
  /// Needs nodes of its own.
  bool needs_private = false;
};

constexpr scenario scenarios[] = {
  {"alone"},
  {"enqueue"},
  {"batch"},
  {"drain"},
  {"e2e"},
  {"deep", false, true},
  {"remote", false, true},
};

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

/// Which scenarios are asked for, in the order in which they run.
expected<std::vector<std::string>> choose(const bench_settings& settings) {
  auto names = split_list(settings.only);
  if (settings.remote)
    names.emplace_back("remote");
  auto is_named = [&names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (auto& name : names)
    if (std::none_of(std::begin(scenarios), std::end(scenarios),
                     [&name](auto& item) { return item.name == name; }))
      return invalid("only: '" + name
                     + "' is none of alone, enqueue, batch, drain, e2e, deep, "
                       "remote");
  std::vector<std::string> result;
  for (auto& item : scenarios) {
    auto is_deep = item.name == "deep" && settings.deep > 0;
    if (!is_named(item.name) && !is_deep && !(names.empty() && item.usual))
      continue;
    if (item.needs_private && !settings.node.http.empty())
      return invalid(std::string{item.name}
                     + " is measured on private nodes only, not with http");
    result.emplace_back(item.name);
  }
  return result;
}

expected<std::optional<bench_target>>
target_of(const bench_settings& settings) {
  if (settings.node.http.empty())
    return std::nullopt;
  auto access = settings.node.resolve();
  if (!access)
    return tl::unexpected<error>{access.error()};
  return bench_target{access->at.host, access->at.port,
                      static_cast<pid_t>(settings.pid), access->http};
}

bench_sizes quick_sizes() {
  bench_sizes result;
  result.warm_up = millis{50};
  result.window = millis{250};
  result.enqueue_connections = {1, 16};
  result.batch_connections = {2};
  result.drain_jobs = 2'000;
  result.outside_workers = 4;
  result.end_to_end_connections = 16;
  result.end_to_end_batch_jobs = 2'000;
  result.deep_jobs = 20'000;
  result.shallow_jobs = 1'000;
  result.drain_rounds = 2;
  result.idle_workers = 2;
  result.idle_settle = millis{100};
  result.idle_window = millis{500};
  result.kill_rounds = 2;
  return result;
}

expected<bench_sizes> sizes_of(const bench_settings& settings) {
  auto result = settings.quick ? quick_sizes() : bench_sizes{};
  if (settings.seconds < 0.1 || settings.seconds > 3'600)
    return invalid("seconds must be 0.1 to 3600");
  if (settings.payload < 32 || settings.payload > 65'535)
    return invalid("payload must be 32 to 65535 bytes");
  result.payload = settings.payload;
  if (!settings.quick)
    result.window = millis{static_cast<long>(settings.seconds * 1'000)};
  if (settings.deep > 0)
    result.deep_jobs = settings.deep;
  auto connections = split_list(settings.connections);
  if (!connections.empty())
    result.enqueue_connections.clear();
  for (auto& text : connections) {
    auto number = std::strtoul(text.c_str(), nullptr, 10);
    if (number < 1 || number > 10'000)
      return invalid("connections: '" + text + "' is not 1 to 10000");
    result.enqueue_connections.push_back(number);
  }
  return result;
}

} // namespace

expected<bench_request> read_bench_request(arguments args) {
  bench_settings settings;
  auto positional = parse_options(settings.options(), args);
  if (!positional)
    return tl::unexpected<error>{positional.error()};
  if (!positional->empty())
    return invalid("unexpected argument '" + positional->front() + "'");
  auto chosen = choose(settings);
  if (!chosen)
    return tl::unexpected<error>{chosen.error()};
  auto sizes = sizes_of(settings);
  if (!sizes)
    return tl::unexpected<error>{sizes.error()};
  auto target = target_of(settings);
  if (!target)
    return tl::unexpected<error>{target.error()};
  return bench_request{std::move(*chosen), std::move(*sizes),
                       std::move(*target), settings.dir, settings.json};
}

std::string_view bench_help() {
  return help_text;
}

} // namespace muster
