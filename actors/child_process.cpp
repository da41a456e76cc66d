#include "actors/child_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <poll.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t max_line = 4'096;
constexpr std::size_t max_lines = 1'000;
// How often to look where the kernel cannot tell us.
constexpr int look_interval_ms = 20;
constexpr std::chrono::seconds end_limit{1};

} // namespace

// Outlives its owner until the process has ended.
struct child_process::shared_state {
  // Appends what was read; a line is complete with its end.
  void add(const char* data, std::size_t size) {
    std::lock_guard guard{mutex};
    for (std::size_t i = 0; i < size; ++i) {
      if (data[i] != '\n') {
        if (partial.size() < max_line)
          partial.push_back(data[i]);
      } else {
        end_line();
      }
    }
  }

  void end_line() {
    if (lines.size() < max_lines)
      lines.push_back(std::move(partial));
    partial.clear();
  }

  // False at the end of the output.
  bool read_output() {
    std::array<char, 16'384> bytes;
    for (int i = 0; i < 8; ++i) {
      auto n = ::read(process.output.get(), bytes.data(), bytes.size());
      if (n > 0)
        add(bytes.data(), static_cast<std::size_t>(n));
      else if (n < 0 && errno == EAGAIN)
        return true;
      else if (n == 0 || errno != EINTR)
        return false;
    }
    return true;
  }

  void reap() {
    std::lock_guard guard{mutex};
    // The group goes while its leader is a zombie: until then nobody else can
    // have its number.
    ::kill(-process.pid, SIGKILL);
    if (!partial.empty())
      end_line();
    status = reap_process(process.pid, true).value_or(exit_status{});
    gone.notify_all();
  }

  spawned_process process;
  std::shared_ptr<doorbell> bell;
  mutable std::mutex mutex;
  std::condition_variable gone;
  std::vector<std::string> lines;
  std::string partial;
  std::optional<exit_status> status;
};

expected<std::unique_ptr<child_process>>
child_process::start(const child_process_options& options,
                     std::shared_ptr<doorbell> bell) {
  if (options.command.empty() || options.command.front().empty())
    return fail_with(errc::invalid_argument, "the command names no program");
  spawn_options how;
  how.command = options.command;
  how.environment = environment_with(options.environment);
  how.directory = options.directory;
  how.errors = spawn_options::stream::inherited;
  how.error_file = options.errors;
  auto state = std::make_shared<shared_state>();
  state->bell = std::move(bell);
  auto spawned = spawn_process(how);
  if (!spawned)
    return tl::unexpected{std::move(spawned.error())};
  state->process = std::move(*spawned);
  try {
    std::thread{[state] { watch(state); }}.detach();
  } catch (const std::system_error& ex) {
    state->reap();
    return fail_with(errc::io_error,
                     std::string{"no thread for a process: "} + ex.what());
  }
  return std::unique_ptr<child_process>{new child_process{std::move(state)}};
}

child_process::child_process(std::shared_ptr<shared_state> state)
  : state_(std::move(state)) {
  // nop
}

child_process::~child_process() {
  signal_group(SIGKILL);
  std::unique_lock guard{state_->mutex};
  state_->gone.wait_for(guard, end_limit,
                        [this] { return state_->status.has_value(); });
}

void child_process::watch(const std::shared_ptr<shared_state>& state) {
  auto& process = state->process;
  auto ended = false;
  while (!ended) {
    std::array<pollfd, 2> fds{
      {{process.exit.get(), POLLIN, 0}, {process.output.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(),
           process.exit.valid() ? -1 : look_interval_ms);
    ended = process.exit.valid() ? fds[0].revents != 0 : has_ended(process.pid);
    if (fds[1].revents == 0)
      continue;
    if (!state->read_output())
      process.output.reset();
    state->bell->ring();
  }
  // What it wrote just before it ended.
  if (process.output.valid())
    static_cast<void>(state->read_output());
  state->reap();
  state->bell->ring();
}

pid_t child_process::pid() const noexcept {
  return state_->process.pid;
}

std::vector<std::string> child_process::take_lines() {
  std::lock_guard guard{state_->mutex};
  return std::exchange(state_->lines, {});
}

std::optional<exit_status> child_process::ended() const {
  std::lock_guard guard{state_->mutex};
  return state_->status;
}

void child_process::signal_group(int signal) noexcept {
  std::lock_guard guard{state_->mutex};
  if (!state_->status)
    ::kill(-state_->process.pid, signal);
}

void child_process::signal_leader(int signal) noexcept {
  std::lock_guard guard{state_->mutex};
  if (!state_->status)
    ::kill(state_->process.pid, signal);
}

} // namespace muster
