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
  return failed(std::system_category().message(number));
}

/// False at the end of the time.
bool wait_for(int fd, short events, clock::time_point until) {
  while (true) {
    auto left = std::chrono::ceil<millis>(until - clock::now()).count();
    pollfd item{fd, events, 0};
    auto ready
      = ::poll(&item, 1, static_cast<int>(std::clamp(left, 0L, 60'000L)));
    if (ready > 0)
      return true;
    if (ready == 0 && left <= 0)
      return false;
    if (ready < 0 && errno != EINTR)
      return true;
  }
}

/// Returns 0, an error number, or `ETIMEDOUT`.
int send_output(int fd, tls_engine& engine, clock::time_point until) {
  auto& output = engine.output();
  while (!output.empty()) {
    auto sent = ::send(fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent >= 0)
      output.erase(0, static_cast<std::size_t>(sent));
    else if (errno == EAGAIN && !wait_for(fd, POLLOUT, until))
      return ETIMEDOUT;
    else if (errno != EAGAIN && errno != EINTR)
      return errno;
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

expected<void> shake_hands(int fd, tls_engine& engine,
                           clock::time_point until) {
  while (true) {
    auto step = engine.handshake();
    auto code = send_output(fd, engine, until);
    if (step == status::failed)
      return failed(engine.failure());
    if (step == status::closed)
      return failed("the connection was ended");
    if (code != 0)
      return failed_with(code);
    if (step == status::done)
      return {};
    auto got = feed_from(fd, engine);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      return failed_with(errno);
    if (got < 0 && !wait_for(fd, POLLIN, until))
      return failed_with(ETIMEDOUT);
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
