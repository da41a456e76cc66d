#include "actors/tls_socket.hpp"

#include "persistence/job.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;
using status = tls_engine::status;

constexpr std::size_t read_size = std::size_t{32} << 10;

tl::unexpected<error> failed(const std::string& why) {
  return fail_with(errc::unavailable, "TLS: " + why);
}

tl::unexpected<error> failed_with(int number) {
  if (number == ETIMEDOUT)
    return fail_with(errc::timed_out, "TLS: no handshake in time");
  if (number == ECANCELED)
    return fail_with(errc::cancelled, "interrupted");
  return failed(std::system_category().message(number));
}

/// What is waited for, and how long.
struct waiting {
  int fd;
  clock::time_point until;
  int interrupt;
};

/// Returns 0, `ETIMEDOUT` or `ECANCELED`.
int wait_for(short events, const waiting& with) {
  while (true) {
    auto left = std::chrono::ceil<millis>(with.until - clock::now()).count();
    // A negative descriptor is left out.
    std::array<pollfd, 2> items{
      {{with.fd, events, 0}, {with.interrupt, POLLIN, 0}}};
    auto ready = ::poll(items.data(), items.size(),
                        static_cast<int>(std::clamp(left, 0L, 60'000L)));
    if (ready > 0)
      return items[1].revents != 0 ? ECANCELED : 0;
    if (ready == 0 && left <= 0)
      return ETIMEDOUT;
    if (ready < 0 && errno != EINTR)
      return 0;
  }
}

/// Returns 0, an error number, or as `wait_for`.
int send_output(tls_engine& engine, const waiting& with) {
  auto& output = engine.output();
  while (!output.empty()) {
    auto sent = ::send(with.fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      output.erase(0, static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (auto code = wait_for(POLLOUT, with); code != 0)
        return code;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

/// As `recv`; feeds what has come to the engine.
std::ptrdiff_t feed_from(int fd, tls_engine& engine) {
  std::array<char, read_size> buffer;
  auto got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0)
    engine.feed({buffer.data(), static_cast<std::size_t>(got)});
  else if (got == 0)
    engine.feed_end();
  return got;
}

} // namespace

expected<void> shake_hands(int fd, tls_engine& engine, clock::time_point until,
                           int interrupt) {
  waiting with{fd, until, interrupt};
  while (true) {
    auto step = engine.handshake();
    auto code = send_output(engine, with);
    if (step == status::failed)
      return fail_with(engine.is_refusal() ? errc::refused : errc::unavailable,
                       "TLS: " + engine.failure());
    if (step == status::closed)
      return failed("the connection was ended");
    if (code != 0)
      return failed_with(code);
    if (step == status::done)
      return {};
    auto got = feed_from(fd, engine);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      return failed_with(errno);
    if (got >= 0)
      continue;
    if (auto waited = wait_for(POLLIN, with); waited != 0)
      return failed_with(waited);
  }
}

std::ptrdiff_t receive(int fd, tls_engine& engine, char* to, std::size_t size) {
  while (true) {
    std::size_t got = 0;
    switch (engine.read(to, size, got)) {
      case status::done:
        return static_cast<std::ptrdiff_t>(got);
      case status::closed:
        return 0;
      case status::failed:
        errno = EPROTO;
        return -1;
      case status::want_input:
        break;
    }
    // An end without a word may be somebody else's doing.
    auto fed = feed_from(fd, engine);
    if (fed == 0)
      errno = ECONNRESET;
    if (fed <= 0)
      return -1;
  }
}

} // namespace muster
