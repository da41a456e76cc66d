#include "actors/command_run.hpp"

#include "actors/spawn.hpp"
#include "actors/utf8.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <poll.h>
#include <unistd.h>

namespace muster {

namespace {

using clock_type = attempt_control::clock;

constexpr std::size_t kept_of_errors = 4'096;
constexpr std::size_t chunk = std::size_t{64} << 10;
// So much is read of a pipe before anything else gets its turn. More than a
// pipe holds.
constexpr int chunks_per_turn = 32;

// Keeps SIGPIPE from this thread for as long as it lives: to write to a command
// that does not read its input is no reason to end the node.
class sigpipe_guard {
public:
  sigpipe_guard() {
    ::sigemptyset(&only_pipe_);
    ::sigaddset(&only_pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &only_pipe_, &before_);
  }
  ~sigpipe_guard() {
    if (::sigismember(&before_, SIGPIPE) == 1)
      return;
    // Takes a pending one, which else would hit as soon as it is unblocked.
    timespec now{};
    while (::sigtimedwait(&only_pipe_, nullptr, &now) < 0 && errno == EINTR)
      ;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  sigpipe_guard(const sigpipe_guard&) = delete;
  sigpipe_guard& operator=(const sigpipe_guard&) = delete;

private:
  sigset_t only_pipe_;
  sigset_t before_;
};

// One run of a command:
//
//     running --stop asked, time over, too much output--> ending
//        |                                                  | kill_after
//        +----------------- process ended <-----------------+
//
// In `ending` the process group has been sent SIGTERM, later SIGKILL; pipes are
// still emptied, so that a command which writes before it ends can end.
class command_run {
public:
  command_run(const command_spec& spec, spawned_process process,
              attempt_control& control)
    : spec_(spec),
      process_(std::move(process)),
      control_(control),
      stop_fd_(control.stop_descriptor()) {
    control_.set_process_group(process_.pid);
  }

  expected<std::string> run() {
    if (spec_.input.empty())
      process_.input.reset();
    while (!step())
      ;
    // The group goes while its leader is a zombie: until then nobody else can
    // have its number.
    signal_group(SIGKILL);
    // What it wrote just before it ended.
    read_output();
    read_errors();
    control_.set_process_group(0);
    auto status = reap_process(process_.pid, true).value_or(exit_status{});
    if (verdict_)
      return tl::unexpected<error>{std::move(*verdict_)};
    if (status.ok())
      return std::move(output_);
    return fail_with(errc::handler_failed, describe_end(status));
  }

private:
  // Waits for something to happen and deals with it; true once the process has
  // ended.
  bool step() {
    std::array<pollfd, 5> fds{{
      {process_.exit.get(), POLLIN, 0},
      {process_.output.get(), POLLIN, 0},
      {process_.errors.get(), POLLIN, 0},
      {process_.input.get(), POLLOUT, 0},
      {verdict_ ? -1 : stop_fd_, POLLIN, 0},
    }};
    ::poll(fds.data(), fds.size(), poll_limit());
    if (fds[1].revents != 0)
      read_output();
    if (fds[2].revents != 0)
      read_errors();
    if (fds[3].revents != 0)
      write_input();
    check_limits();
    return process_.exit.valid() ? fds[0].revents != 0
                                 : has_ended(process_.pid);
  }

  // In milliseconds, as `poll` takes it.
  [[nodiscard]] int poll_limit() const {
    auto limit = millis{60'000};
    if (!process_.exit.valid() || stop_fd_ < 0)
      limit = millis{20};
    if (killed_)
      return static_cast<int>(limit.count());
    auto until = verdict_ ? kill_at_ : control_.deadline();
    auto left = std::chrono::ceil<millis>(until - clock_type::now());
    return static_cast<int>(std::clamp(left, millis{0}, limit).count());
  }

  void check_limits() {
    if (!verdict_) {
      if (auto reason = control_.reason(); reason != stop_reason::none)
        end_with(to_error(reason));
    } else if (!killed_ && clock_type::now() >= kill_at_) {
      killed_ = true;
      signal_group(SIGKILL);
    }
  }

  void end_with(error why) {
    if (verdict_)
      return;
    verdict_ = std::move(why);
    kill_at_ = clock_type::now() + spec_.kill_after;
    signal_group(SIGTERM);
  }

  void signal_group(int signal) const noexcept {
    ::kill(-process_.pid, signal);
  }

  // Calls `consume` with what can be read now, and closes at the end. Some
  // process may write without end: stops after a while.
  template <class Consume>
  static void read_available(descriptor& fd, Consume consume) {
    std::array<char, chunk> buffer;
    for (int i = 0; i < chunks_per_turn && fd.valid(); ++i) {
      auto n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n > 0)
        consume(std::string_view{buffer.data(), static_cast<std::size_t>(n)});
      else if (n < 0 && errno == EAGAIN)
        return;
      else if (n == 0 || errno != EINTR)
        fd.reset();
    }
  }

  void read_output() {
    read_available(process_.output, [this](std::string_view bytes) {
      if (verdict_)
        return;
      if (bytes.size() > spec_.max_output - output_.size()) {
        end_with({errc::result_too_large, "the command wrote more than "
                                            + std::to_string(spec_.max_output)
                                            + " bytes"});
        return;
      }
      output_.append(bytes);
    });
  }

  void read_errors() {
    read_available(process_.errors, [this](std::string_view bytes) {
      errors_.append(bytes);
      if (errors_.size() > 2 * chunk)
        errors_.erase(0, errors_.size() - kept_of_errors);
    });
  }

  void write_input() {
    while (written_ < spec_.input.size()) {
      auto rest = spec_.input.substr(written_);
      auto n = ::write(process_.input.get(), rest.data(), rest.size());
      if (n >= 0)
        written_ += static_cast<std::size_t>(n);
      else if (errno == EAGAIN)
        return;
      else if (errno != EINTR)
        break; // It does not want to know the rest.
    }
    process_.input.reset();
  }

  // Fits into `limits::text`, so that the end is not what gets cut.
  [[nodiscard]] std::string describe_end(exit_status status) const {
    auto result = to_string(status);
    auto text = clean_utf8(utf8_tail(errors_, kept_of_errors));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
      text.pop_back();
    if (text.empty())
      return result;
    result += ": ";
    return result.append(utf8_tail(text, limits::text - result.size()));
  }

  const command_spec& spec_;
  spawned_process process_;
  attempt_control& control_;
  int stop_fd_;
  std::size_t written_ = 0;
  std::string output_;
  std::string errors_;
  /// Why it is made to end, once it is.
  std::optional<error> verdict_;
  clock_type::time_point kill_at_{};
  bool killed_ = false;
};

} // namespace

expected<std::string> run_command(const command_spec& spec,
                                  attempt_control& control) {
  sigpipe_guard guard;
  spawn_options how;
  how.command = spec.command;
  how.environment = spec.environment;
  auto process = spawn_process(how);
  if (!process)
    return tl::unexpected<error>{process.error()};
  return command_run{spec, std::move(*process), control}.run();
}

} // namespace muster
