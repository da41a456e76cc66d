#include "actors/worker_pool.hpp"

#include "actors/process_actor.hpp"
#include "actors/running_note.hpp"
#include "persistence/outbox_store.hpp"

#include <csignal>
#include <limits>
#include <system_error>
#include <utility>

namespace muster {

namespace {

// A job that kills its process is tried again after its own back-off; the other
// jobs of the process should not wait for long.
constexpr backoff_policy restart_backoff{millis{50}, millis{2'000}, 2.0, 0.2};

std::string reason_of(exit_status status) {
  return status.signalled
           ? "worker died: signal " + std::to_string(status.code)
           : "worker died: exit status " + std::to_string(status.code);
}

std::vector<lease_token> kept_in(const std::filesystem::path& directory) {
  std::vector<lease_token> result;
  auto store = outbox_store::open({directory});
  if (!store)
    return result;
  if (auto kept = (*store)->load())
    for (auto& item : *kept)
      result.push_back(item.token);
  return result;
}

// Commands that would work on for nobody.
void kill_groups(const noted_attempts& noted) {
  for (auto group : noted.groups)
    ::kill(-group, SIGKILL);
}

child_specification child_of(const worker_process& process,
                             const worker_pool_options& pool) {
  process_actor_options options;
  options.process = process.process;
  options.is_ready = process.is_ready;
  options.asks_leader_only = true;
  options.on_end
    = [process, locate = pool.locate_manager](pid_t, exit_status status) {
        auto told = end_of(process, status);
        if (auto manager = locate(); manager && !told.incarnation.empty())
          tell_anonymously(manager, std::move(told));
      };
  auto result = process_child(process.name, [options] { return options; });
  result.shutdown = pool.end_limit;
  return result;
}

} // namespace

void end_commands(const std::filesystem::path& running_note) {
  if (auto noted = read_running_note(running_note))
    kill_groups(*noted);
}

worker_ended end_of(const worker_process& process, exit_status status) {
  worker_ended result;
  result.name = process.name;
  result.end.reason = reason_of(status);
  result.end.kept = kept_in(process.outbox_directory);
  if (auto noted = read_running_note(process.running_note)) {
    result.incarnation = std::move(noted->incarnation);
    result.end.running = std::move(noted->running);
    result.end.complete = true;
    kill_groups(*noted);
  }
  // What the next one notes is its own.
  std::error_code ec;
  std::filesystem::remove(process.running_note, ec);
  return result;
}

child_specification worker_pool_child(worker_pool_options options) {
  supervisor_options result;
  result.id = worker_pool_name;
  result.parent = options.parent;
  result.directory = options.directory;
  result.log = options.log;
  result.supervision.max_restarts = std::numeric_limits<std::uint32_t>::max();
  result.supervision.backoff = restart_backoff;
  for (auto& process : options.processes)
    result.children.push_back(child_of(process, options));
  return supervisor_child(std::move(result));
}

} // namespace muster
