#pragma once

#include "runtime/shell_call.hpp"
#include "runtime/shell_console.hpp"
#include "runtime/shell_session.hpp"
#include "runtime/shell_values.hpp"
#include "runtime/shell_views.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// What a command came to; the worst is the greatest.
enum class shell_outcome : std::uint8_t {
  done,
  /// It was tried and failed: exit status 1.
  failed,
  /// It was called wrongly, or is not allowed: exit status 2.
  misused,
  /// Ctrl-C.
  interrupted,
  /// The shell is to end.
  leave,
};

/// Runs commands: asks the node, and writes what it says. Not thread-safe.
class shell_runner {
public:
  struct settings {
    /// Allows commands that change something.
    bool write = false;
    /// Where `top` reads keys from.
    int keys = -1;
  };

  /// Both must outlive it.
  shell_runner(shell_session& session, shell_console& console, settings with);

  /// Runs one command. Whatever is wrong has been told to the console.
  shell_outcome run(const shell_words& words);

  /// Whether a command could be run, as far as that is known without a node.
  /// `write` is as it will be then, and changed by `enable` and `disable`.
  [[nodiscard]] static expected<shell_call> check(const shell_words& words,
                                                  bool& write);

  [[nodiscard]] bool write() const noexcept {
    return write_;
  }

  /// The signal that made it leave; 0 if there was none.
  [[nodiscard]] int signal() const noexcept {
    return signal_;
  }

private:
  using action = shell_outcome (shell_runner::*)(const shell_call&);

  [[nodiscard]] static action action_of(std::string_view command);

  shell_outcome run_help(const shell_call& call);
  shell_outcome run_quit(const shell_call& call);
  shell_outcome run_enable(const shell_call& call);
  shell_outcome run_connect(const shell_call& call);
  shell_outcome run_request(const shell_call& call);
  shell_outcome run_worker(const shell_call& call);
  shell_outcome run_metrics(const shell_call& call);
  shell_outcome run_job(const shell_call& call);
  shell_outcome run_result(const shell_call& call);
  shell_outcome run_enqueue(const shell_call& call);
  shell_outcome run_top(const shell_call& call);
  shell_outcome run_trace(const shell_call& call);
  shell_outcome run_log(const shell_call& call);
  shell_outcome set_log_level(const shell_call& call);

  [[nodiscard]] shell_result<shell_json> ask_json(const shell_request& request,
                                                  millis wait = millis{0});
  /// The beginning of a job's payload; null if the node does not tell.
  [[nodiscard]] shell_result<shell_json> ask_payload(const shell_call& call);
  void show(std::string_view command, const shell_json& answer);
  shell_outcome follow_log(const std::string& target, const std::string& node,
                           std::uint64_t after);
  /// Of a node's process; empty if it does not tell. This one's without a name.
  [[nodiscard]] std::string incarnation_of(std::string_view node);
  void print_log(const shell_json& answer);
  void say(const shell_json& as_json, std::string_view as_text);
  shell_outcome report(const shell_failure& failure);
  shell_outcome refuse(std::string_view text);
  /// After Ctrl-C, or a signal that ends the shell.
  shell_outcome stopped();
  /// As `stopped`, of what only a key or a signal ends.
  shell_outcome after_watching();
  shell_outcome watch_actors(const shell_call& call);
  [[nodiscard]] view_context context() const;

  shell_session& session_;
  shell_console& console_;
  bool write_;
  int keys_;
  int signal_ = 0;
};

} // namespace muster
