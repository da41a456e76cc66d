#include "actors/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
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

  void prepare(int input, int output, int errors) {
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
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

expected<spawned_process>
spawn_process(const std::vector<std::string>& command,
              const std::vector<std::string>& environment) {
  auto input = make_pipe();
  auto output = make_pipe();
  auto errors = make_pipe();
  for (auto* pipe : {&input, &output, &errors})
    if (!*pipe)
      return tl::unexpected<error>{pipe->error()};
  spawn_plan plan;
  plan.prepare(input->read.get(), output->write.get(), errors->write.get());
  spawned_process result;
  auto arguments = to_pointers(command);
  auto variables = to_pointers(environment);
  if (auto code = plan.run(result.pid, arguments.data(), variables.data()))
    return tl::unexpected<error>{start_error(command.front(), code)};
  result.exit.reset(static_cast<int>(::syscall(SYS_pidfd_open, result.pid, 0)));
  result.input = std::move(input->write);
  result.output = std::move(output->read);
  result.errors = std::move(errors->read);
  for (auto* fd : {&result.input, &result.output, &result.errors})
    make_non_blocking(*fd);
  return result;
}

} // namespace muster
