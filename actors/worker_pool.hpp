#pragma once

#include "actors/child_process.hpp"
#include "actors/child_specification.hpp"
#include "actors/messages.hpp"
#include "actors/supervisor_actor.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// A process that is a worker, for as long as we are there.
struct worker_process {
  /// Of its worker.
  std::string name;
  child_process_options process;
  /// Where its worker keeps its outbox.
  std::filesystem::path outbox_directory;
  /// Where it notes what runs; see `running_note`.
  std::filesystem::path running_note;
  /// Whether a line of its standard output says that it serves.
  std::function<bool(std::string_view line)> is_ready;
};

struct worker_pool_options {
  std::vector<worker_process> processes;
  /// How long one may take to end when it is asked to.
  millis end_limit{60'000};
  /// Who is told how one ended; null if nobody can be told at the moment.
  std::function<caf::actor()> locate_manager;
  /// The pool's place in the tree.
  std::string parent;
  std::shared_ptr<child_directory> directory;
  event_sink log;
};

/// The name of the pool among its parent's children.
inline constexpr std::string_view worker_pool_name = "workers";

/// Processes that run jobs, under a supervisor of their own. One that dies is
/// replaced, however often: it is jobs that kill it, and each of them ends when
/// its attempts are used up. Its manager learns what killed it, what it ran and
/// what it has still to report.
[[nodiscard]] child_specification
worker_pool_child(worker_pool_options options);

/// In a process' directory.
inline constexpr std::string_view running_note_name = "running";

/// Kills the process groups that work for attempts by that note.
void end_commands(const std::filesystem::path& running_note);

/// How a worker's process ended, for its manager: `worker died: signal 11`.
/// Reads what is left of it, and kills the process groups that worked for it.
/// To be called once it has ended and before it is
/// started again.
[[nodiscard]] worker_ended end_of(const worker_process& process,
                                  exit_status status);

} // namespace muster
