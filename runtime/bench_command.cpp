#include "runtime/bench_scenarios.hpp"
#include "runtime/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <unistd.h>

namespace muster {

namespace {

constexpr auto help = R"(muster bench [--SETTING=VALUE ...]

Measures a running node or, by default, private ones that it starts, each with
fresh data, and kills afterwards. Everything goes over HTTP, as clients do it.
See docs/benchmarks.md for what the figures mean.

  --http=HOST:PORT   measure this node; queues named bench-* are made there,
                     and emptied again
  --pid=PID          its process, if on this machine: for CPU and memory
  --dir=DIRECTORY    where private nodes keep their data; default: /var/tmp.
                     To be on the disk that is to be measured
  --only=LIST        some of: alone,enqueue,batch,drain,e2e,deep
                     default: all but deep
  --deep=N           measure also a queue with N jobs (such as 5000000)
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

Exit status: 0; 1 if something failed, or a job that was acknowledged is missing
at the end; 2 if called wrongly.
)";

struct bench_settings {
  std::string http;
  std::uint32_t pid = 0;
  std::string dir;
  std::string only;
  std::uint64_t deep = 0;
  double seconds = 4;
  std::size_t payload = 256;
  std::string connections;
  bool quick = false;
  std::string json;

  caf::config_option_set options() {
    caf::config_option_set result;
    result.add(http, "http", "HOST:PORT of the node to measure")
      .add(pid, "pid", "its process")
      .add(dir, "dir", "where private nodes keep their data")
      .add(only, "only", "scenarios")
      .add(deep, "deep", "jobs in the deep queue")
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
  expected<void> (bench_session::*run)();
};

constexpr scenario scenarios[] = {
  {"alone", &bench_session::alone},    {"enqueue", &bench_session::enqueue},
  {"batch", &bench_session::batch},    {"drain", &bench_session::drain},
  {"e2e", &bench_session::end_to_end}, {"deep", &bench_session::deep},
};

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

/// Which scenarios are asked for, in the order in which they run.
expected<std::vector<scenario>> choose(const bench_settings& settings) {
  auto names = split_list(settings.only);
  for (auto& name : names)
    if (std::none_of(std::begin(scenarios), std::end(scenarios),
                     [&name](auto& item) { return item.name == name; }))
      return invalid("only: '" + name
                     + "' is none of alone, enqueue, batch, drain, e2e, deep");
  std::vector<scenario> result;
  for (auto& item : scenarios) {
    auto named
      = std::find(names.begin(), names.end(), item.name) != names.end();
    auto deep = item.name == "deep" && settings.deep > 0;
    auto usual = names.empty() && item.name != "deep";
    if (named || deep || usual)
      result.push_back(item);
  }
  return result;
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

/// Where rows go.
class row_printer {
public:
  expected<void> open(const std::string& json) {
    if (json == "-") {
      json_ = stdout;
      table_ = stderr;
    } else if (!json.empty()) {
      file_.reset(std::fopen(json.c_str(), "we"));
      if (!file_)
        return fail_with(errc::io_error, "cannot write " + json);
      json_ = file_.get();
    }
    shows_progress_ = ::isatty(STDERR_FILENO) != 0;
    return {};
  }

  void line(const std::string& text) {
    clear_progress();
    fmt::print(table_, "{}\n", text);
    std::fflush(table_);
  }

  void row(const bench_row& row) {
    line(render_row(row));
    good_ = good_ && row.good();
    if (json_ != nullptr) {
      fmt::print(json_, "{}\n", render_json(row));
      std::fflush(json_);
    }
  }

  void progress(const std::string& text) {
    if (!shows_progress_)
      return;
    fmt::print(stderr, "\r\x1b[K... {}", text);
    std::fflush(stderr);
  }

  void clear_progress() {
    if (shows_progress_)
      fmt::print(stderr, "\r\x1b[K");
  }

  [[nodiscard]] bool good() const noexcept {
    return good_;
  }

private:
  struct closer {
    void operator()(std::FILE* file) const noexcept {
      std::fclose(file);
    }
  };

  std::unique_ptr<std::FILE, closer> file_;
  std::FILE* json_ = nullptr;
  std::FILE* table_ = stdout;
  bool shows_progress_ = false;
  bool good_ = true;
};

std::string machine() {
  std::string model = "unknown processor";
  std::ifstream file{"/proc/cpuinfo"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      model = line.substr(std::min(line.find(": ") + 2, line.size()));
      break;
    }
  std::array<double, 1> load{};
  ::getloadavg(load.data(), 1);
  return fmt::format("{} cores, {}; load average at the start {:.2f}",
                     std::thread::hardware_concurrency(), model, load[0]);
}

expected<void> run_scenarios(const bench_settings& settings,
                             const std::vector<scenario>& chosen,
                             const bench_sizes& sizes, row_printer& printer) {
  std::optional<bench_target> target;
  if (!settings.http.empty()) {
    auto address = parse_endpoint(settings.http);
    if (!address)
      return tl::unexpected<error>{address.error()};
    target.emplace(address->host, address->port,
                   static_cast<pid_t>(settings.pid));
  }
  auto where = scratch::make(settings.dir, "muster-bench");
  if (!where)
    return tl::unexpected<error>{where.error()};
  printer.line("machine: " + machine());
  printer.line("data in: " + (*where)->path().parent_path().string());
  if ((*where)->in_memory())
    printer.line("warning: that is memory, not a disk; give --dir");
#ifndef NDEBUG
  printer.line("warning: not an optimised build");
#endif
  printer.line(render_header());
  bench_session session{
    sizes, **where, target, [&](const bench_row& row) { printer.row(row); },
    [&](const std::string& text) { printer.progress(text); }};
  for (auto& item : chosen)
    if (auto done = (session.*item.run)(); !done)
      return fail_with(done.error().code,
                       std::string{item.name} + ": " + done.error().message);
  return {};
}

} // namespace

int run_bench(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  bench_settings settings;
  auto positional = parse_options(settings.options(), args);
  if (!positional)
    return usage_error("bench", positional.error().message);
  if (!positional->empty())
    return usage_error("bench",
                       "unexpected argument '" + positional->front() + "'");
  auto chosen = choose(settings);
  if (!chosen)
    return usage_error("bench", chosen.error().message);
  auto sizes = sizes_of(settings);
  if (!sizes)
    return usage_error("bench", sizes.error().message);
  row_printer printer;
  if (auto opened = printer.open(settings.json); !opened)
    return report_failure("bench", opened.error().message);
  auto done = run_scenarios(settings, *chosen, *sizes, printer);
  printer.clear_progress();
  if (!done)
    return report_failure("bench", done.error().message);
  if (!printer.good())
    return report_failure("bench", "there were errors, or jobs are missing");
  return 0;
}

} // namespace muster
