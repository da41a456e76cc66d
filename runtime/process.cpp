#include "runtime/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

// How often to look where the kernel cannot tell us.
constexpr millis look_interval{10};

std::string text_of(int error_number) {
  return std::system_category().message(error_number);
}

// What the child does between fork and exec, as posix_spawn wants it told.
class spawn_plan {
public:
  spawn_plan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~spawn_plan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;

  void prepare(const process_options& options, int output) {
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null",
                                       O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    if (!options.errors.empty())
      ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO,
                                         options.errors.c_str(),
                                         O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (!options.directory.empty())
      ::posix_spawn_file_actions_addchdir_np(&actions_,
                                             options.directory.c_str());
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    // Handlers end with exec anyway, ignored signals would not.
    sigset_t defaults;
    ::sigemptyset(&defaults);
    for (auto signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD})
      ::sigaddset(&defaults, signal);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP
                                               | POSIX_SPAWN_SETSIGMASK
                                               | POSIX_SPAWN_SETSIGDEF);
  }

  // Yields an errno.
  int run(pid_t& pid, char** arguments, char** environment) {
    return ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_,
                          arguments, environment);
  }

private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// The pointers stay valid as long as `strings`; exec does not write to them.
std::vector<char*> to_pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& str : strings)
    result.push_back(const_cast<char*>(str.c_str()));
  result.push_back(nullptr);
  return result;
}

std::vector<std::string>
environment_with(const std::vector<std::string>& added) {
  auto result = added;
  for (auto entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text{*entry};
    auto name = text.substr(0, text.find('=') + 1);
    if (std::none_of(added.begin(), added.end(),
                     [name](auto& item) { return item.starts_with(name); }))
      result.emplace_back(text);
  }
  return result;
}

int poll_time(clock_type::time_point until, millis at_most = millis{60'000}) {
  auto left = std::chrono::ceil<millis>(until - clock_type::now());
  return static_cast<int>(std::clamp(left, millis{0}, at_most).count());
}

} // namespace

std::string to_string(exit_status status) {
  return (status.signalled ? "killed by signal " : "exit status ")
         + std::to_string(status.code);
}

expected<process> process::start(const process_options& options) {
  if (options.command.empty())
    return fail_with(errc::invalid_argument, "the command names no program");
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    return fail_with(errc::io_error, "no pipe: " + text_of(errno));
  descriptor read_end{fds[0]};
  descriptor write_end{fds[1]};
  spawn_plan plan;
  plan.prepare(options, write_end.get());
  auto variables = environment_with(options.environment);
  pid_t pid = -1;
  if (auto code = plan.run(pid, to_pointers(options.command).data(),
                           to_pointers(variables).data()))
    return fail_with(errc::handler_failed, "cannot start '"
                                             + options.command.front()
                                             + "': " + text_of(code));
  process result;
  result.pid_ = pid;
  result.exit_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  result.output_ = std::move(read_end);
  return result;
}

process::~process() {
  end();
}

process::process(process&& other) noexcept
  : pid_(std::exchange(other.pid_, -1)),
    exit_(std::move(other.exit_)),
    output_(std::move(other.output_)),
    buffer_(std::move(other.buffer_)),
    reaped_(std::exchange(other.reaped_, true)),
    status_(other.status_) {
  // nop
}

process& process::operator=(process&& other) noexcept {
  if (this == &other)
    return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  exit_ = std::move(other.exit_);
  output_ = std::move(other.output_);
  buffer_ = std::move(other.buffer_);
  reaped_ = std::exchange(other.reaped_, true);
  status_ = other.status_;
  return *this;
}

expected<std::string> process::read_line(millis limit) {
  auto until = clock_type::now() + limit;
  while (true) {
    if (auto end = buffer_.find('\n'); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (!output_.valid()) {
      if (buffer_.empty())
        return fail_with(errc::unavailable, "the output has ended");
      return std::exchange(buffer_, {});
    }
    pollfd item{output_.get(), POLLIN, 0};
    auto left = poll_time(until);
    if (::poll(&item, 1, left) > 0)
      read_some();
    else if (left == 0)
      return fail_with(errc::timed_out, "no line within the time limit");
  }
}

void process::kill(int signal) noexcept {
  if (pid_ > 0 && !reaped_)
    ::kill(pid_, signal);
}

bool process::running() noexcept {
  return pid_ > 0 && !reap(WNOHANG);
}

expected<exit_status> process::wait(millis limit) {
  auto until = clock_type::now() + limit;
  while (!reap(WNOHANG)) {
    std::array<pollfd, 2> items{
      {{exit_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}}};
    auto left
      = exit_.valid() ? poll_time(until) : poll_time(until, look_interval);
    if (::poll(items.data(), items.size(), left) > 0 && items[1].revents != 0)
      read_some();
    if (clock_type::now() >= until && !reap(WNOHANG))
      return fail_with(errc::timed_out,
                       "the process has not ended within the time limit");
  }
  return status_;
}

// Reads what is there, and closes at the end. Some process may write without
// end: stops after more than a pipe holds.
void process::read_some() {
  std::array<char, 16'384> bytes;
  for (int i = 0; i < 8; ++i) {
    auto n = ::read(output_.get(), bytes.data(), bytes.size());
    if (n > 0)
      buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    else if (n < 0 && errno == EAGAIN)
      return;
    else if (n == 0 || errno != EINTR)
      return output_.reset();
  }
}

// Whether it has ended, now or before.
bool process::reap(int flags) noexcept {
  if (reaped_)
    return true;
  int status = 0;
  pid_t found = 0;
  do {
    found = ::waitpid(pid_, &status, flags);
  } while (found < 0 && errno == EINTR);
  if (found == 0)
    return false;
  reaped_ = true;
  status_.signalled = WIFSIGNALED(status);
  status_.code = status_.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

void process::end() noexcept {
  if (pid_ <= 0 || reaped_)
    return;
  // Nobody else can have the group's number before its leader is reaped.
  ::kill(-pid_, SIGKILL);
  static_cast<void>(reap(0));
}

} // namespace muster
