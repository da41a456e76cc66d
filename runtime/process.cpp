#include "runtime/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

// How often to look where the kernel cannot tell us.
constexpr millis look_interval{10};

int poll_time(clock_type::time_point until, millis at_most = millis{60'000}) {
  auto left = std::chrono::ceil<millis>(until - clock_type::now());
  return static_cast<int>(std::clamp(left, millis{0}, at_most).count());
}

} // namespace

expected<process> process::start(const process_options& options) {
  if (options.command.empty())
    return fail_with(errc::invalid_argument, "the command names no program");
  spawn_options how;
  how.command = options.command;
  how.environment = environment_with(options.environment);
  how.directory = options.directory;
  how.input = spawn_options::stream::null;
  how.errors = spawn_options::stream::inherited;
  how.error_file = options.errors;
  auto spawned = spawn_process(how);
  if (!spawned)
    return tl::unexpected{std::move(spawned.error())};
  process result;
  result.pid_ = spawned->pid;
  result.exit_ = std::move(spawned->exit);
  result.output_ = std::move(spawned->output);
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
  return pid_ > 0 && !reap(false);
}

expected<exit_status> process::wait(millis limit) {
  auto until = clock_type::now() + limit;
  while (!reap(false)) {
    std::array<pollfd, 2> items{
      {{exit_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}}};
    auto left
      = exit_.valid() ? poll_time(until) : poll_time(until, look_interval);
    if (::poll(items.data(), items.size(), left) > 0 && items[1].revents != 0)
      read_some();
    if (clock_type::now() >= until && !reap(false))
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
bool process::reap(bool wait) noexcept {
  if (reaped_)
    return true;
  auto status = reap_process(pid_, wait);
  if (!status)
    return false;
  reaped_ = true;
  status_ = *status;
  return true;
}

void process::end() noexcept {
  if (pid_ <= 0 || reaped_)
    return;
  // Nobody else can have the group's number before its leader is reaped.
  ::kill(-pid_, SIGKILL);
  static_cast<void>(reap(true));
}

} // namespace muster
