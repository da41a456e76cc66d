#include "runtime/signals.hpp"

#include "actors/spawn.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

namespace muster {

namespace {

descriptor checked(int fd, const char* what) {
  if (fd < 0)
    throw std::system_error{errno, std::system_category(), what};
  return descriptor{fd};
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

} // namespace

struct signal_watch::impl {
  enum class phase { starting, serving, asked };

  impl() {
    auto set = ending_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    signals = checked(::signalfd(-1, &set, SFD_CLOEXEC), "signalfd");
    end = checked(::eventfd(0, EFD_CLOEXEC), "eventfd");
    thread = std::thread{[this] { run(); }};
  }

  ~impl() {
    std::uint64_t one = 1;
    if (::write(end.get(), &one, sizeof(one)) == sizeof(one))
      thread.join();
    else
      thread.detach();
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "muster-signals");
    while (true) {
      pollfd sources[] = {{signals.get(), POLLIN, 0}, {end.get(), POLLIN, 0}};
      if (::poll(sources, 2, -1) < 0 && errno != EINTR)
        return;
      if (sources[1].revents != 0)
        return;
      signalfd_siginfo info{};
      if (sources[0].revents != 0
          && ::read(signals.get(), &info, sizeof(info)) == sizeof(info))
        take(static_cast<int>(info.ssi_signo));
    }
  }

  void take(int number) {
    std::lock_guard guard{mutex};
    // Ends without a word to anybody: whatever was acknowledged is on disk.
    if (now == phase::starting)
      ::_exit(0);
    if (now == phase::asked)
      ::_exit(128 + number);
    now = phase::asked;
    got = number;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  phase now = phase::starting;
  int got = 0;
  descriptor signals;
  descriptor end;
  std::thread thread;
};

signal_watch::signal_watch() : impl_(std::make_unique<impl>()) {
  // nop
}

signal_watch::~signal_watch() = default;

void signal_watch::serving() {
  std::lock_guard guard{impl_->mutex};
  impl_->now = impl::phase::serving;
}

int signal_watch::wait(millis limit) {
  std::unique_lock guard{impl_->mutex};
  impl_->changed.wait_for(guard, limit, [this] { return impl_->got != 0; });
  return impl_->got;
}

} // namespace muster
