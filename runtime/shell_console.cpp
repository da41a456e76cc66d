#include "runtime/shell_console.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

descriptor watch(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (auto each : signals)
    sigaddset(&set, each);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  descriptor result{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!result.valid())
    throw std::system_error{errno, std::system_category(), "signalfd"};
  return result;
}

int next_signal(const descriptor& from) noexcept {
  signalfd_siginfo info{};
  return ::read(from.get(), &info, sizeof(info)) == sizeof(info)
           ? static_cast<int>(info.ssi_signo)
           : 0;
}

} // namespace

shell_signals::shell_signals()
  : ending_(watch({SIGINT, SIGTERM, SIGHUP})), resize_(watch({SIGWINCH})) {
  // nop
}

int shell_signals::take_ending() noexcept {
  int result = 0;
  while (auto next = next_signal(ending_))
    result = result == 0 || result == SIGINT ? next : result;
  return result;
}

bool shell_signals::take_resize() noexcept {
  return next_signal(resize_) != 0;
}

shell_console::shell_console(settings with) : settings_(with) {
  // nop
}

screen shell_console::look() const {
  return look_at_screen(::fileno(settings_.out));
}

bool shell_console::live() const {
  return !settings_.json && settings_.keys >= 0 && settings_.signals != nullptr
         && look().steerable;
}

void shell_console::print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), settings_.out);
  std::fflush(settings_.out);
}

void shell_console::complain(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), settings_.errors);
  std::fflush(settings_.errors);
}

bool shell_console::gone() const noexcept {
  return std::ferror(settings_.out) != 0;
}

shell_console::event shell_console::wait(millis limit) {
  auto* signals = settings_.signals;
  std::array<pollfd, 3> items{
    {{settings_.keys, POLLIN, 0},
     {signals != nullptr ? signals->ending_fd() : -1, POLLIN, 0},
     {signals != nullptr ? signals->resize_fd() : -1, POLLIN, 0}}};
  event result;
  if (::poll(items.data(), items.size(), static_cast<int>(limit.count())) <= 0)
    return result;
  // A terminal that is gone is as good as a signal.
  if (items[0].revents != 0)
    result.interrupted = ::read(settings_.keys, &result.key, 1) != 1;
  result.interrupted = result.interrupted || items[1].revents != 0;
  if (items[2].revents != 0)
    result.resized = signals->take_resize();
  return result;
}

bool shell_console::pause(millis limit) {
  auto* signals = settings_.signals;
  pollfd item{signals != nullptr ? signals->ending_fd() : -1, POLLIN, 0};
  return ::poll(&item, 1, static_cast<int>(limit.count())) <= 0;
}

descriptor shell_console::watch() const {
  descriptor result{::epoll_create1(EPOLL_CLOEXEC)};
  auto add = [&result](int fd) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    if (fd >= 0)
      ::epoll_ctl(result.get(), EPOLL_CTL_ADD, fd, &wanted);
  };
  add(settings_.keys);
  if (auto* signals = settings_.signals) {
    add(signals->ending_fd());
    add(signals->resize_fd());
  }
  return result;
}

int shell_console::take_signal() noexcept {
  return settings_.signals != nullptr ? settings_.signals->take_ending() : 0;
}

struct full_screen::terminal_mode {
  termios value{};
};

full_screen::full_screen(shell_console& console, int keys)
  : console_(console), keys_(keys), before_(std::make_unique<terminal_mode>()) {
  if (::tcgetattr(keys_, &before_->value) != 0) {
    before_.reset();
  } else {
    auto mode = before_->value;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    // Stopped, it would leave the terminal like this.
    mode.c_cc[VSUSP] = _POSIX_VDISABLE;
    ::tcsetattr(keys_, TCSADRAIN, &mode);
  }
  // The other screen, without a cursor, and lines that end at its edge.
  console_.print("\x1b[?1049h\x1b[?25l\x1b[?7l");
}

full_screen::~full_screen() {
  console_.print("\x1b[?7h\x1b[?25h\x1b[?1049l");
  if (before_)
    ::tcsetattr(keys_, TCSADRAIN, &before_->value);
}

void full_screen::show(std::string_view text) {
  std::string out = "\x1b[H";
  auto room = console_.look().height;
  while (!text.empty() && room > 0) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    --room;
    out.append(line).append("\x1b[K").append(room > 0 ? "\r\n" : "");
  }
  console_.print(out + "\x1b[J");
}

} // namespace muster
