#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"
#include "runtime/job_sender.hpp"
#include "runtime/job_source.hpp"
#include "runtime/node_access.hpp"
#include "runtime/node_name.hpp"
#include "runtime/progress_bar.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <utility>

namespace muster {

namespace {

constexpr auto help = R"(muster enqueue [--OPTION=VALUE ...] QUEUE [FILE ...]

Puts jobs into a queue: the content of each FILE is one job, or standard input
is. Prints the jobs' ids, one a line, in the order of the input.

  --lines                 each line of the input is a job
  --wait                  print results instead, in the order of the input, as
                          they are there; exit status 1 if a job did not succeed
  --http=HOST:PORT        default: the node of ./muster-data, else
                          127.0.0.1:8420
  --http=https://HOST:PORT  the same over TLS
  --ca-file=FILE          whose certificates are good there (PEM); default: what
                          the system trusts
  --token-file=FILE       the token that the node asks for (chmod 600); default:
                          the environment's MUSTER_TOKEN. It needs the scope
                          enqueue, with --wait also read
  --handler=NAME          default: the queue's name
  --priority=100          0 to 255, higher first
  --delay=0               not before this time has passed
  --max-attempts=5        failures until the job is dead
  --timeout=60s           of one attempt
  --ttl=0                 cancelled if not begun within this time
  --idempotency-key=KEY   the same key again adds nothing (the second job of a
                          call has the key KEY-1, the third KEY-2, ...)

Requests that were not answered, or answered with "later", are sent again for
some 25 seconds; nothing is added twice.

Examples:

  echo hello | muster enqueue --wait echo
  seq 1 1000 | muster enqueue --lines --handler=square squares
  muster enqueue --priority=200 --timeout=5m thumbnails *.png
)";

constexpr std::uint32_t unset = UINT32_MAX;

struct enqueue_options {
  bool lines = false;
  bool wait = false;
  node_access_options node;
  std::string handler;
  std::uint32_t priority = unset;
  std::uint32_t max_attempts = unset;
  std::string delay;
  std::string timeout;
  std::string ttl;
  std::string key;
};

caf::config_option_set option_set(enqueue_options& to) {
  caf::config_option_set options;
  options.add(to.lines, "lines", "each line is a job")
    .add(to.wait, "wait", "print results")
    .add(to.handler, "handler", "the handler's name")
    .add(to.priority, "priority", "0 to 255")
    .add(to.max_attempts, "max-attempts", "number")
    .add(to.delay, "delay", "duration")
    .add(to.timeout, "timeout", "duration")
    .add(to.ttl, "ttl", "duration")
    .add(to.key, "idempotency-key", "text");
  to.node.add_to(options);
  return options;
}

/// What can be said before the first job is sent.
expected<void> check(const enqueue_options& opts,
                     const std::vector<std::string>& positional) {
  auto invalid = [](std::string text) {
    return fail_with(errc::invalid_argument, std::move(text));
  };
  if (positional.empty())
    return invalid("which queue? Give its name before the files");
  if (!is_valid_name(positional.front()))
    return invalid(fmt::format("'{}' is no queue name: 1 to 128 characters of "
                               "A-Z a-z 0-9 . _ -",
                               positional.front()));
  if (!opts.handler.empty() && !is_valid_name(opts.handler))
    return invalid("handler: '" + opts.handler + "' is no handler name");
  if (opts.priority != unset && opts.priority > 255)
    return invalid("priority must be 0 to 255");
  if (opts.max_attempts == 0)
    return invalid("max-attempts must be at least 1");
  if (opts.key.size() > limits::idempotency_key)
    return invalid("idempotency-key must be at most 255 bytes");
  for (auto& [name, text] : {std::pair{"delay", &opts.delay},
                             {"timeout", &opts.timeout},
                             {"ttl", &opts.ttl}})
    if (!text->empty())
      if (auto value = parse_duration(*text); !value)
        return invalid(fmt::format("{}: {}", name, value.error().message));
  return {};
}

job_sender::settings sender_settings(const enqueue_options& opts,
                                     const std::string& queue) {
  job_sender::settings result;
  result.queue = queue;
  result.options = {opts.handler, opts.delay, opts.timeout, opts.ttl, {}, {}};
  if (opts.priority != unset)
    result.options.priority = opts.priority;
  if (opts.max_attempts != unset)
    result.options.max_attempts = opts.max_attempts;
  result.key_prefix = opts.key.empty() ? "enqueue-" + random_hex(16) : opts.key;
  result.key_of_first = opts.key;
  return result;
}

/// What a person at a terminal sees of it; nothing elsewhere.
class progress_display {
public:
  void show(std::uint64_t done, std::uint64_t of) {
    if (!bar_.on_terminal())
      return;
    std::chrono::duration<double> elapsed = clock::now() - began_;
    auto rate = elapsed.count() > least_time
                  ? static_cast<double>(done) / elapsed.count()
                  : 0;
    bar_.show({done, of, rate});
  }

  void clear() {
    bar_.clear();
  }

private:
  using clock = std::chrono::steady_clock;

  /// Rates of less than that mean nothing.
  static constexpr double least_time = 0.5;

  progress_bar bar_{stderr};
  clock::time_point began_ = clock::now();
};

expected<void> send_all(job_source& source, job_sender& sender,
                        progress_display& progress) {
  while (true) {
    auto payload = source.next();
    if (!payload)
      return tl::unexpected{std::move(payload.error())};
    auto before = sender.ids().size();
    auto ok = *payload ? sender.add(std::move(**payload)) : sender.flush();
    if (!ok || !*payload)
      return ok;
    if (sender.ids().size() != before)
      progress.show(sender.ids().size(), 0);
  }
}

/// Returns how many jobs did not succeed.
expected<std::size_t> print_results(job_sender& sender,
                                    progress_display& progress) {
  std::size_t failed = 0;
  std::size_t done = 0;
  for (auto& id : sender.ids()) {
    progress.show(done, sender.ids().size());
    auto result = sender.result(id);
    progress.clear();
    ++done;
    if (!result && result.error().code != errc::cancelled)
      return tl::unexpected{std::move(result.error())};
    if (!result) {
      ++failed;
      fmt::print(stderr, "job {}: {}\n", id, result.error().message);
      continue;
    }
    if (!result->ends_with('\n'))
      result->push_back('\n');
    std::fwrite(result->data(), 1, result->size(), stdout);
    std::fflush(stdout);
  }
  return failed;
}

} // namespace

int run_enqueue(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  enqueue_options opts;
  auto positional = parse_options(option_set(opts), args);
  if (!positional)
    return usage_error("enqueue", positional.error().message);
  if (auto ok = check(opts, *positional); !ok)
    return usage_error("enqueue", ok.error().message);
  auto node = opts.node.resolve();
  if (!node)
    return usage_error("enqueue", node.error().message);
  job_source source{
    {positional->begin() + 1, positional->end()}, opts.lines, std::cin};
  job_sender sender{*node, sender_settings(opts, positional->front())};
  progress_display progress;
  auto sent = send_all(source, sender, progress);
  progress.clear();
  if (!opts.wait)
    for (auto& id : sender.ids())
      fmt::print("{}\n", id);
  if (!sent)
    return report_failure("enqueue", sent.error().message);
  if (!opts.wait)
    return 0;
  progress_display waiting;
  auto failed = print_results(sender, waiting);
  if (!failed)
    return report_failure("enqueue", failed.error().message);
  return *failed == 0 ? 0 : 1;
}

} // namespace muster
