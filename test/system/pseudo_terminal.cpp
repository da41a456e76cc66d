#include "pseudo_terminal.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr int short_wait_ms = 20;

} // namespace

pseudo_terminal::pseudo_terminal(const settings& with) {
  std::vector<std::string> words{MUSTER_PROGRAM};
  words.insert(words.end(), with.words.begin(), with.words.end());
  auto added = with.environment;
  added.push_back("HOME=" + with.directory.string());
  added.push_back("XDG_STATE_HOME=");
  added.push_back("TERM=" + with.type);
  added.emplace_back("LC_ALL=C.UTF-8");
  auto environment = environment_with(added);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (auto& each : words)
    argv.push_back(each.data());
  for (auto& each : environment)
    envp.push_back(each.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(with.columns);
  size.ws_row = static_cast<unsigned short>(with.rows);
  int fd = -1;
  pid_ = ::forkpty(&fd, nullptr, nullptr, &size);
  if (pid_ == 0) {
    if (::chdir(with.directory.c_str()) == 0)
      ::execve(argv.front(), argv.data(), envp.data());
    ::_exit(127);
  }
  REQUIRE(pid_ > 0);
  terminal_.reset(fd);
}

pseudo_terminal::~pseudo_terminal() {
  if (!reaped_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void pseudo_terminal::type(std::string_view keys) {
  while (!keys.empty()) {
    auto n = ::write(terminal_.get(), keys.data(), keys.size());
    REQUIRE(n > 0);
    keys.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool pseudo_terminal::read_some() {
  pollfd item{terminal_.get(), POLLIN, 0};
  if (::poll(&item, 1, short_wait_ms) <= 0)
    return false;
  std::array<char, 4'096> bytes;
  auto n = ::read(terminal_.get(), bytes.data(), bytes.size());
  if (n > 0)
    seen_.append(bytes.data(), static_cast<std::size_t>(n));
  return n > 0;
}

std::string pseudo_terminal::expect(std::string_view text) {
  auto there = eventually([&] {
    (void)read_some();
    return seen_.find(text) != std::string::npos;
  });
  INFO("expected: " << text << "\nseen: " << seen_);
  REQUIRE(there);
  auto end = seen_.find(text) + text.size();
  auto result = seen_.substr(0, end);
  seen_.erase(0, end);
  return result;
}

bool pseudo_terminal::has(std::string_view text) {
  while (read_some())
    continue;
  return seen_.find(text) != std::string::npos;
}

void pseudo_terminal::resize(int columns, int rows) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  REQUIRE(::ioctl(terminal_.get(), TIOCSWINSZ, &size) == 0);
}

void pseudo_terminal::signal(int number) {
  ::kill(pid_, number);
}

bool pseudo_terminal::is_cooked() const {
  termios mode{};
  REQUIRE(::tcgetattr(terminal_.get(), &mode) == 0);
  return (mode.c_lflag & ICANON) != 0 && (mode.c_lflag & ECHO) != 0;
}

exit_status pseudo_terminal::wait() {
  exit_status result;
  auto ended = eventually([&] {
    // What nobody reads would keep it from ending.
    (void)read_some();
    auto status = reap_process(pid_, false);
    result = status.value_or(result);
    return status.has_value();
  });
  INFO(seen_);
  REQUIRE(ended);
  reaped_ = true;
  return result;
}

} // namespace muster
