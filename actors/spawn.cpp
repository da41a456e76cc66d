#include "actors/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <string_view>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

std::string text_of(int error_number) {
  return std::system_category().message(error_number);
}

struct pipe_ends {
  descriptor read;
  descriptor write;
};

// Descriptors 0 to 2 are the targets in the child: a pipe must not be among
// them, which happens in a process that was started without.
bool lift(descriptor& fd) {
  if (fd.get() <= STDERR_FILENO)
    fd.reset(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  return fd.valid();
}

expected<pipe_ends> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    return fail_with(errc::io_error, "no pipe: " + text_of(errno));
  pipe_ends result{descriptor{fds[0]}, descriptor{fds[1]}};
  if (!lift(result.read) || !lift(result.write))
    return fail_with(errc::io_error, "no pipe: " + text_of(errno));
  return result;
}

void make_non_blocking(const descriptor& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
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

  void redirect(int descriptor, int target) {
    ::posix_spawn_file_actions_adddup2(&actions_, descriptor, target);
  }

  void open(const char* file, int flags, int target) {
    ::posix_spawn_file_actions_addopen(&actions_, target, file, flags, 0644);
  }

  void change_directory(const char* directory) {
    ::posix_spawn_file_actions_addchdir_np(&actions_, directory);
  }

  // Behind all redirections.
  void finish() {
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    // Handlers end with exec anyway, ignored signals would not.
    sigset_t defaults;
    ::sigemptyset(&defaults);
    for (auto signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
                        SIGUSR1, SIGUSR2, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU})
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

error start_error(const std::string& program, int error_number) {
  if (error_number == ENOENT)
    return {errc::handler_failed, "program '" + program + "' not found"};
  return {errc::handler_failed,
          "cannot start '" + program + "': " + text_of(error_number)};
}

} // namespace

int descriptor::release() noexcept {
  return std::exchange(fd_, -1);
}

void descriptor::reset(int fd) noexcept {
  if (auto old = std::exchange(fd_, fd); old >= 0)
    ::close(old);
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

expected<spawned_process> spawn_process(const spawn_options& options) {
  spawn_plan plan;
  spawned_process result;
  // The child's ends, which are closed here once it has them.
  descriptor ends[3];
  auto connect = [&](int target, spawn_options::stream kind) -> expected<void> {
    if (kind == spawn_options::stream::null)
      plan.open("/dev/null", O_RDWR, target);
    if (kind != spawn_options::stream::pipe)
      return {};
    auto pipe = make_pipe();
    if (!pipe)
      return tl::unexpected<error>{pipe.error()};
    auto writes = target != STDIN_FILENO;
    auto& ours = writes ? pipe->read : pipe->write;
    auto& theirs = writes ? pipe->write : pipe->read;
    make_non_blocking(ours);
    plan.redirect(theirs.get(), target);
    descriptor* places[] = {&result.input, &result.output, &result.errors};
    *places[target] = std::move(ours);
    ends[target] = std::move(theirs);
    return {};
  };
  auto to_file = !options.error_file.empty();
  if (auto ok = connect(STDIN_FILENO, options.input); !ok)
    return tl::unexpected<error>{ok.error()};
  if (auto ok = connect(STDOUT_FILENO, spawn_options::stream::pipe); !ok)
    return tl::unexpected<error>{ok.error()};
  if (to_file)
    plan.open(options.error_file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
              STDERR_FILENO);
  else if (auto ok = connect(STDERR_FILENO, options.errors); !ok)
    return tl::unexpected<error>{ok.error()};
  if (!options.directory.empty())
    plan.change_directory(options.directory.c_str());
  plan.finish();
  auto arguments = to_pointers(options.command);
  auto variables = to_pointers(options.environment);
  if (auto code = plan.run(result.pid, arguments.data(), variables.data()))
    return tl::unexpected<error>{start_error(options.command.front(), code)};
  result.exit.reset(static_cast<int>(::syscall(SYS_pidfd_open, result.pid, 0)));
  return result;
}

std::string to_string(exit_status status) {
  return (status.signalled ? "killed by signal " : "exit status ")
         + std::to_string(status.code);
}

std::optional<exit_status> reap_process(pid_t pid, bool wait) noexcept {
  int status = 0;
  pid_t found = 0;
  do {
    found = ::waitpid(pid, &status, wait ? 0 : WNOHANG);
  } while (found < 0 && errno == EINTR);
  if (found == 0)
    return std::nullopt;
  if (WIFSIGNALED(status))
    return exit_status{true, WTERMSIG(status)};
  return exit_status{false, WEXITSTATUS(status)};
}

bool has_ended(pid_t pid) noexcept {
  siginfo_t info{};
  auto flags = WEXITED | WNOHANG | WNOWAIT;
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, flags) != 0
         || info.si_pid == pid;
}

} // namespace muster
