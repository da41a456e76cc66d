#include "runtime/command_line.hpp"
#include "runtime/demo_run.hpp"
#include "runtime/private_node.hpp"
#include "runtime/progress_bar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;
using seconds_type = std::chrono::duration<double>;

constexpr auto help = R"(muster demo [--SETTING=VALUE ...]

Starts a node in a temporary directory, gives it SHA-512 workloads and external
commands over HTTP, kills it halfway without warning, starts it again on the
same data, and checks every result. Leaves nothing behind.

  --jobs=4000        SHA-512 workloads
  --commands=200     jobs that run `sort` and `wc`
  --seconds=20       about how long the work is to take on this machine
  --dir=DIRECTORY    where the node keeps its data; default: /var/tmp
  --quick            a small one

Exit status: 0; 1 if a job was lost, recorded twice or came out wrong, or if
something failed; 2 if called wrongly.
)";

// No progress for so long means that something hangs.
constexpr auto patience = std::chrono::seconds{60};
constexpr auto look_interval = millis{50};

struct demo_settings {
  std::uint64_t jobs = 4'000;
  std::uint64_t commands = 200;
  double seconds = 20;
  std::string dir;
  bool quick = false;

  caf::config_option_set options() {
    caf::config_option_set result;
    result.add(jobs, "jobs", "SHA-512 workloads")
      .add(commands, "commands", "jobs that run commands")
      .add(seconds, "seconds", "about how long the work takes")
      .add(dir, "dir", "where the node keeps its data")
      .add(quick, "quick", "a small one");
    return result;
  }

  [[nodiscard]] expected<void> validate() const {
    auto invalid = [](const char* text) {
      return fail_with(errc::invalid_argument, text);
    };
    if (jobs < 10 || jobs > 9'000)
      return invalid("jobs must be 10 to 9000");
    if (commands > jobs)
      return invalid("commands must be at most as many as jobs");
    if (seconds < 0.1 || seconds > 3'600)
      return invalid("seconds must be 0.1 to 3600");
    return {};
  }
};

double seconds_since(clock_type::time_point from) {
  return seconds_type{clock_type::now() - from}.count();
}

/// The story that is told while it happens.
class demo {
public:
  demo(const demo_settings& settings, scratch& where)
    : settings_(settings), where_(where), bar_(stdout) {
    // nop
  }

  expected<demo_figures> play() {
    if (auto done = begin(); !done)
      return tl::unexpected<error>{done.error()};
    if (auto done = work_until(0.5); !done)
      return tl::unexpected<error>{done.error()};
    if (auto done = crash(); !done)
      return tl::unexpected<error>{done.error()};
    if (auto done = work_until(1); !done)
      return tl::unexpected<error>{done.error()};
    say("every job that was accepted has a result");
    if (auto done = verify(); !done)
      return tl::unexpected<error>{done.error()};
    auto figures = run_->judge();
    run_.reset();
    if (auto stopped = node_->stop(); figures && !stopped)
      return tl::unexpected<error>{stopped.error()};
    say("the node was asked to end, and did");
    return figures;
  }

private:
  void say(const std::string& text) {
    bar_.print(fmt::format("{:5.1f} s  {}", seconds_since(began_), text));
  }

  expected<void> start_node() {
    private_node_options options;
    options.settings
      = {"--config-file=" + (where_.path() / "demo.conf").string()};
    auto node = private_node::start(where_, std::move(options));
    if (!node)
      return tl::unexpected<error>{node.error()};
    node_.emplace(std::move(*node));
    return {};
  }

  // As much work as keeps the machine busy for the time that is asked for: half
  // of it goes to the node, half to checking it.
  [[nodiscard]] std::uint64_t mean_iterations() const {
    auto cores = std::max(1U, std::thread::hardware_concurrency());
    auto all = measure_digest_rate() * settings_.seconds * cores / 2;
    return std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(all / static_cast<double>(settings_.jobs)));
  }

  expected<void> begin() {
    std::ofstream{where_.path() / "demo.conf"}
      << "exec { handlers { sort = [\"sort\"], count = [\"wc\", \"-c\"] } }\n";
    // `sort` sorts by the locale.
    ::setenv("LC_ALL", "C", 1);
    if (auto started = start_node(); !started)
      return started;
    say(fmt::format("a node is up: process {}, HTTP port {}, its data in {}",
                    node_->pid(), node_->port(), where_.path().string()));
    demo_run::options what;
    what.digests = settings_.jobs;
    what.commands = settings_.commands;
    what.mean_iterations = mean_iterations();
    what.max_unfinished = (what.digests + what.commands) / 10;
    run_.emplace(what, node_->port());
    say(fmt::format("{} workloads go in over HTTP (SHA-512, {} times over on "
                    "average), and {} runs of `sort` and `wc`",
                    render_count(what.digests),
                    render_count(what.mean_iterations),
                    render_count(what.commands)));
    return {};
  }

  // Follows what finishes until so much of all work is done.
  expected<void> work_until(double fraction) {
    auto last_progress = clock_type::now();
    auto last_count = run_->finished();
    rate_from_ = clock_type::now();
    rate_base_ = last_count;
    while (true) {
      run_->follow();
      if (auto reason = run_->refused())
        return fail_with(reason->code,
                         "the node refuses a job: " + reason->message);
      auto done = run_->finished();
      show(done);
      auto goal = static_cast<double>(run_->planned()) * fraction;
      if (fraction < 1 ? static_cast<double>(done) >= goal : run_->complete())
        return {};
      if (done != std::exchange(last_count, done))
        last_progress = clock_type::now();
      if (clock_type::now() - last_progress > patience)
        return fail_with(errc::timed_out,
                         fmt::format("nothing has finished for {} s; {} of {} "
                                     "jobs are done",
                                     patience.count(), done, run_->planned()));
      std::this_thread::sleep_for(look_interval);
    }
  }

  void show(std::uint64_t done) {
    auto elapsed = seconds_since(rate_from_);
    auto rate
      = elapsed > 0.5 ? static_cast<double>(done - rate_base_) / elapsed : 0;
    bar_.show({done, std::max(run_->planned(), done), rate});
  }

  expected<void> crash() {
    auto killed_at = clock_type::now();
    node_->kill();
    say(fmt::format("the node is killed (SIGKILL) with {} jobs done; requests "
                    "that were under way get no answer",
                    render_count(run_->finished())));
    if (auto started = start_node(); !started)
      return started;
    run_->restarted(node_->port(), killed_at);
    say(fmt::format("started again on the same data: process {}, ready {:.2f} "
                    "s after the kill",
                    node_->pid(), seconds_since(killed_at)));
    return {};
  }

  expected<void> verify() {
    auto limit = clock_type::now() + std::chrono::seconds{600};
    if (!run_->verified())
      say("the last results are computed once more, to compare");
    while (!run_->verified()) {
      if (clock_type::now() > limit)
        return fail_with(errc::timed_out, "checking takes too long");
      std::this_thread::sleep_for(look_interval);
    }
    return {};
  }

  const demo_settings& settings_;
  scratch& where_;
  progress_bar bar_;
  clock_type::time_point began_ = clock_type::now();
  std::optional<private_node> node_;
  std::optional<demo_run> run_;
  clock_type::time_point rate_from_;
  std::uint64_t rate_base_ = 0;
};

void print_line(const char* name, const std::string& value, const char* what) {
  fmt::print("  {:<18}{:>8}   {}\n", name, value, what);
}

void print_table(const demo_figures& figures) {
  auto recovery = figures.recovery
                    ? fmt::format("{:.2f} s", figures.recovery->count())
                    : std::string{"none"};
  fmt::print("\n");
  print_line("requests sent", render_count(figures.sent),
             "those that were repeated included");
  print_line("unanswered", render_count(figures.unanswered),
             "cut off by the kill; sent again, since nobody could know");
  print_line("acknowledged", render_count(figures.acknowledged), "jobs");
  print_line("finished", render_count(figures.finished),
             "jobs; unanswered requests may have made some, too");
  print_line("run again", render_count(figures.run_again),
             "were running when the node was killed");
  print_line("wrong digests", render_count(figures.wrong_digests), "must be 0");
  print_line("wrong outputs", render_count(figures.wrong_outputs),
             "of commands; must be 0");
  print_line("lost", render_count(figures.lost),
             "acknowledged, without a result; must be 0");
  print_line("recorded twice", render_count(figures.recorded_twice),
             "must be 0");
  if (figures.unexplained > 0)
    print_line("unexplained", render_count(figures.unexplained),
               "jobs that nobody sent; must be 0");
  print_line("recovery", recovery, "from the kill to the next accepted job");
  fmt::print("\n");
}

} // namespace

int run_demo(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  demo_settings settings;
  auto positional = parse_options(settings.options(), args);
  if (!positional)
    return usage_error("demo", positional.error().message);
  if (!positional->empty())
    return usage_error("demo",
                       "unexpected argument '" + positional->front() + "'");
  if (auto valid = settings.validate(); !valid)
    return usage_error("demo", valid.error().message);
  if (settings.quick) {
    settings.jobs = std::min<std::uint64_t>(settings.jobs, 300);
    settings.commands = std::min<std::uint64_t>(settings.commands, 20);
    settings.seconds = std::min(settings.seconds, 1.0);
  }
  auto where = scratch::make(settings.dir, "muster-demo");
  if (!where)
    return report_failure("demo", where.error().message);
  fmt::print("muster demo: one node, real work, a crash in the middle\n\n");
  std::fflush(stdout);
  auto figures = demo{settings, **where}.play();
  if (!figures)
    return report_failure("demo", figures.error().message);
  print_table(*figures);
  if (!figures->good())
    return report_failure("demo", "some of these numbers are wrong");
  fmt::print("Nothing was lost, nothing was recorded twice.\n");
  return 0;
}

} // namespace muster
