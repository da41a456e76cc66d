#include "persistence/duration.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_address.hpp"
#include "runtime/node_access.hpp"
#include "runtime/node_json.hpp"
#include "runtime/shell_history.hpp"
#include "runtime/shell_input.hpp"
#include "runtime/shell_runner.hpp"
#include "runtime/shell_session.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

constexpr auto help
  = R"(muster shell [--OPTION=VALUE ...] [HOST:PORT] [-c COMMAND ...]

Looks into a live node and its cluster, and steers them. HOST:PORT is the
address of its HTTP, or https://HOST:PORT, or the address that other nodes use;
default: the node of ./muster-data, else 127.0.0.1:8420. 'help' within the shell
lists its commands.

  -c COMMAND              runs commands instead of asking for them; several are
                          separated by ';' or have a -c each
  --json                  each command writes one line of JSON
  --write                 allows commands that change something; else they are
                          refused until 'enable'
  --timeout=8s            how long an answer may take
  --stop-on-error         no further command after one that failed
  --data-dir=DIR          the node of this directory (./muster-data)
  --token-file=FILE       the token that the node asks for (chmod 600); default:
                          the environment's MUSTER_TOKEN. Looking needs the scope
                          read, changing admin
  --ca-file=FILE          whose certificates are good (PEM), for https
  --node-ca=FILE          where HOST:PORT is what other nodes use, and they speak
  --node-certificate=FILE TLS: the files by which this could be one of them
  --node-key=FILE         (with https:// and --ca-file for its HTTPS)

Commands are read from standard input where that is no terminal. The exit status
is 2 if a command was wrong or not allowed, else 1 if one failed, else 0. Of -c
nothing is run if one of the commands is wrong. Colours: not with NO_COLOR.

Examples:

  muster shell
  muster shell -c 'queues; workers'
  muster shell --json 127.0.0.1:8420 -c 'job 17' | jq .state
  muster shell --write -c 'retry 17'
)";

struct shell_options {
  bool json = false;
  bool write = false;
  bool stop_on_error = false;
  /// Empty if it was not given.
  std::string data_dir;
  std::string timeout = "8s";
  node_access_options node;
  /// For the address that other nodes use, where they speak TLS.
  tls_files node_tls;
  /// Those of `-c`.
  std::vector<std::string> commands;
  bool has_commands = false;
};

caf::config_option_set option_set(shell_options& to) {
  caf::config_option_set options;
  options.add(to.json, "json", "one line of JSON a command")
    .add(to.write, "write", "allow changes")
    .add(to.stop_on_error, "stop-on-error", "stop after a failure")
    .add(to.data_dir, "data-dir", "the node's data directory")
    .add(to.timeout, "timeout", "of an answer")
    .add(to.node_tls.ca, "node-ca", "authority of nodes' certificates")
    .add(to.node_tls.certificate, "node-certificate", "a node's certificate")
    .add(to.node_tls.key, "node-key", "the certificate's key");
  to.node.add_credentials_to(options);
  return options;
}

/// Takes every `-c COMMAND` out; what is left is for CAF's parser.
expected<std::vector<const char*>> take_commands(arguments args,
                                                 shell_options& to) {
  std::vector<const char*> rest;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view arg = args[i];
    if (arg == "--") {
      rest.insert(rest.end(), args.begin() + static_cast<std::ptrdiff_t>(i),
                  args.end());
      break;
    }
    if (arg != "-c") {
      rest.push_back(args[i]);
      continue;
    }
    if (++i == args.size())
      return fail_with(errc::invalid_argument, "-c needs a command");
    to.commands.emplace_back(args[i]);
    to.has_commands = true;
  }
  return rest;
}

expected<shell_options> read_options(arguments args) {
  shell_options result;
  auto rest = take_commands(args, result);
  if (!rest)
    return tl::unexpected{std::move(rest.error())};
  auto positional = parse_options(option_set(result), *rest);
  if (!positional)
    return tl::unexpected{std::move(positional.error())};
  if (positional->size() > 1)
    return fail_with(errc::invalid_argument,
                     fmt::format("'{}' is one argument too many",
                                 printable((*positional)[1])));
  if (auto limit = parse_duration(result.timeout);
      !limit || *limit <= millis{0})
    return fail_with(errc::invalid_argument,
                     "timeout must be a duration such as 10s");
  if (!positional->empty())
    result.node.http = positional->front();
  // Whoever names a directory does not mean another node.
  else if (!result.data_dir.empty())
    if (auto facts = read_node_json(result.data_dir); !facts)
      return fail_with(errc::invalid_argument,
                       "data-dir: no node runs there: "
                         + printable(facts.error().message));
  return result;
}

/// The greater outcome of what was and is.
void worsen(shell_outcome& all, shell_outcome one) {
  if (one != shell_outcome::leave)
    all = std::max(all, one);
}

int exit_status_of(shell_outcome worst, int signal) {
  if (signal != 0)
    return 128 + signal;
  switch (worst) {
    case shell_outcome::failed:
      return 1;
    case shell_outcome::misused:
      return 2;
    case shell_outcome::interrupted:
      return 128 + SIGINT;
    default:
      return 0;
  }
}

/// Runs the commands that were given, or that come from a file or a pipe.
class script {
public:
  script(const shell_options& options, shell_runner& runner,
         shell_console& console)
    : options_(options), runner_(runner), console_(console) {
    // nop
  }

  /// All are looked at before the first is run.
  int run_given() {
    std::vector<shell_words> all;
    auto write = options_.write;
    for (auto& text : options_.commands) {
      auto commands = split_commands(text);
      if (!commands)
        return usage_error("shell", commands.error().message);
      for (auto& words : *commands) {
        if (auto ok = shell_runner::check(words, write); !ok)
          return usage_error("shell", ok.error().message);
        all.push_back(std::move(words));
      }
    }
    for (auto& words : all)
      if (!go_on_after(runner_.run(words)))
        break;
    return status();
  }

  int run_lines(shell_input& input) {
    while (true) {
      auto line = input.next({});
      if (line.what == shell_line::kind::interrupted)
        worst_ = shell_outcome::interrupted;
      if (line.what != shell_line::kind::line)
        return status();
      auto commands = split_commands(line.text);
      if (!commands) {
        console_.complain("muster shell: " + commands.error().message + "\n");
        if (!go_on_after(shell_outcome::misused))
          return status();
        continue;
      }
      for (auto& words : *commands)
        if (!go_on_after(runner_.run(words)))
          return status();
    }
  }

private:
  bool go_on_after(shell_outcome outcome) {
    worsen(worst_, outcome);
    auto failed = outcome != shell_outcome::done;
    return outcome < shell_outcome::interrupted && !console_.gone()
           && !(failed && options_.stop_on_error);
  }

  [[nodiscard]] int status() const {
    return console_.gone() ? 1 : exit_status_of(worst_, runner_.signal());
  }

  const shell_options& options_;
  shell_runner& runner_;
  shell_console& console_;
  shell_outcome worst_ = shell_outcome::done;
};

std::string prompt_of(const shell_session& session,
                      const shell_runner& runner) {
  auto name
    = session.node_name().empty() ? session.address() : session.node_name();
  auto lost = session.reachable() ? "" : " (not reachable)";
  return fmt::format("{}{}{} ", name, lost, runner.write() ? "#" : ">");
}

void greet(shell_session& session, shell_console& console) {
  auto greeted = session.greet();
  if (greeted)
    console.print(fmt::format("{} at {}. 'help' lists commands.\n",
                              session.node_name(), session.address()));
  else
    console.print(fmt::format("{}\nEach command tries again; 'connect "
                              "HOST:PORT' is for another node.\n",
                              greeted.error().text));
}

int talk(shell_session& session, shell_runner& runner, shell_console& console,
         shell_input& input) {
  greet(session, console);
  while (true) {
    auto line = input.next(prompt_of(session, runner));
    if (line.what == shell_line::kind::interrupted)
      continue;
    if (line.what == shell_line::kind::end)
      return exit_status_of(shell_outcome::done, runner.signal());
    auto commands = split_commands(line.text);
    if (!commands) {
      console.complain(commands.error().message + "\n");
      continue;
    }
    for (auto& words : *commands) {
      auto was_lost = !session.reachable();
      auto outcome = runner.run(words);
      if (outcome == shell_outcome::leave || console.gone())
        return exit_status_of(shell_outcome::done, runner.signal());
      if (outcome == shell_outcome::interrupted)
        console.print("\n");
      // It may have been started since, under another name.
      if (was_lost && session.reachable())
        (void)session.greet();
      if (outcome != shell_outcome::done)
        break;
    }
  }
}

int run_interactively(shell_session& session, shell_runner& runner,
                      shell_console& console, shell_signals& signals) {
  if (!console.look().steerable)
    return talk(session, runner, console,
                *make_plain_input(STDIN_FILENO, &signals, &console));
  shell_history history{default_history_file()};
  auto editor = make_line_editor(signals, history, [&session](word_kind kind) {
    return session.names(kind);
  });
  return talk(session, runner, console, *editor);
}

} // namespace

int run_shell(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  auto options = read_options(args);
  if (!options)
    return usage_error("shell", options.error().message);
  shell_signals signals;
  shell_session::settings with;
  with.access = options->node;
  if (!options->data_dir.empty())
    with.data_dir = options->data_dir;
  with.answer_limit = parse_duration(options->timeout).value();
  with.locate = [tls = options->node_tls](const endpoint& node) {
    return http_address_of(node, tls);
  };
  with.interrupt = signals.ending_fd();
  auto session = shell_session::open(std::move(with));
  if (!session)
    return usage_error("shell", session.error().message);
  auto keys = ::isatty(STDIN_FILENO) != 0 ? STDIN_FILENO : -1;
  shell_console console{{stdout, stderr, options->json, &signals, keys}};
  shell_runner runner{*session, console, {options->write, keys}};
  script commands{*options, runner, console};
  if (options->has_commands)
    return commands.run_given();
  if (keys >= 0 && !options->json && console.look().width > 0)
    return run_interactively(*session, runner, console, signals);
  return commands.run_lines(*make_plain_input(STDIN_FILENO, &signals, nullptr));
}

} // namespace muster
