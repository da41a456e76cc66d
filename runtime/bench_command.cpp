#include "runtime/bench_options.hpp"
#include "runtime/command_line.hpp"
#include "runtime/private_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace muster {

namespace {

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

struct scenario {
  std::string_view name;
  expected<void> (bench_session::*run)();
};

constexpr scenario scenarios[] = {
  {"alone", &bench_session::alone},    {"enqueue", &bench_session::enqueue},
  {"batch", &bench_session::batch},    {"drain", &bench_session::drain},
  {"e2e", &bench_session::end_to_end}, {"deep", &bench_session::deep},
  {"remote", &bench_session::remote},
};

expected<void> run_scenarios(const bench_request& what, row_printer& printer) {
  auto where = scratch::make(what.dir, "muster-bench");
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
    what.sizes, **where, what.target,
    [&](const bench_row& row) { printer.row(row); },
    [&](const std::string& text) { printer.progress(text); }};
  for (auto& item : scenarios) {
    auto& names = what.scenarios;
    if (std::find(names.begin(), names.end(), item.name) == names.end())
      continue;
    if (auto done = (session.*item.run)(); !done)
      return fail_with(done.error().code,
                       std::string{item.name} + ": " + done.error().message);
  }
  return {};
}

} // namespace

int run_bench(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", bench_help());
    return 0;
  }
  auto what = read_bench_request(args);
  if (!what)
    return usage_error("bench", what.error().message);
  row_printer printer;
  if (auto opened = printer.open(what->json); !opened)
    return report_failure("bench", opened.error().message);
  auto done = run_scenarios(*what, printer);
  printer.clear_progress();
  if (!done)
    return report_failure("bench", done.error().message);
  if (!printer.good())
    return report_failure("bench", "there were errors, or jobs are missing");
  return 0;
}

} // namespace muster
