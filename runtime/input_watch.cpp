#include "runtime/input_watch.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr unsigned end_limit_seconds = 10;

void read_to_the_end() noexcept {
  std::array<char, 4'096> bytes;
  while (true) {
    auto n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n == 0 || (n < 0 && errno != EINTR))
      return;
  }
}

} // namespace

struct input_watch::shared_state {
  std::atomic<bool> serving{false};
  std::atomic<bool> ended{false};
  std::function<void()> at_end;

  [[noreturn]] void end_at_once() const {
    if (at_end)
      at_end();
    ::_exit(1);
  }
};

input_watch::input_watch(std::function<void()> at_end)
  : state_(std::make_shared<shared_state>()) {
  state_->at_end = std::move(at_end);
  std::thread{[state = state_] {
    read_to_the_end();
    ::alarm(end_limit_seconds);
    state->ended = true;
    if (!state->serving)
      state->end_at_once();
  }}.detach();
}

void input_watch::serving() noexcept {
  state_->serving = true;
  // It may have ended just before.
  if (state_->ended)
    state_->end_at_once();
}

bool input_watch::ended() const noexcept {
  return state_->ended;
}

} // namespace muster
