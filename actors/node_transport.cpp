#include "actors/node_transport.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/openssl/publish.hpp>

#include <fmt/format.h>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// A socket that is closed at the end.
class socket_handle {
public:
  explicit socket_handle(int fd) : fd_(fd) {
    // nop
  }
  ~socket_handle() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  socket_handle(const socket_handle&) = delete;
  socket_handle& operator=(const socket_handle&) = delete;

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }

private:
  int fd_;
};

std::string text_of(int error_number) {
  char buffer[128];
  return ::strerror_r(error_number, buffer, sizeof(buffer));
}

/// Returns 0, an error number, or `ETIMEDOUT`.
int try_connect(const addrinfo& to, clock::time_point end) {
  socket_handle fd{::socket(
    to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
  if (fd.get() < 0)
    return errno;
  if (::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  pollfd event{fd.get(), POLLOUT, 0};
  for (;;) {
    auto left = std::chrono::ceil<millis>(end - clock::now());
    if (left <= millis{0})
      return ETIMEDOUT;
    auto ready = ::poll(&event, 1, static_cast<int>(left.count()));
    if (ready > 0)
      break;
    if (ready < 0 && errno != EINTR)
      return errno;
  }
  int result = 0;
  socklen_t size = sizeof(result);
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &result, &size) != 0)
    return errno;
  return result;
}

} // namespace

bool has_node_tls(const caf::actor_system& system) {
  return system.has_openssl_manager();
}

expected<std::uint16_t> publish_actor(caf::actor_system& system,
                                      const caf::actor& who,
                                      const std::string& address,
                                      std::uint16_t port) {
  // Reuse takes a port whose last connections are still dying, and never one
  // that somebody listens on.
  auto bound = has_node_tls(system)
                 ? caf::openssl::publish(who, port, address.c_str(), true)
                 : system.middleman().publish(who, port, address.c_str(), true);
  if (!bound)
    return fail_with(errc::io_error, to_string(bound.error()));
  return *bound;
}

caf::io::middleman_actor connector_of(caf::actor_system& system) {
  return has_node_tls(system) ? system.openssl_manager().actor_handle()
                              : system.middleman().actor_handle();
}

expected<void> probe(const endpoint& at, millis limit) {
  auto end = clock::now() + limit;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* first = nullptr;
  auto port = std::to_string(at.port);
  if (auto code = ::getaddrinfo(at.host.c_str(), port.c_str(), &hints, &first);
      code != 0)
    return fail_with(errc::io_error,
                     fmt::format("{}: {}", at.host, ::gai_strerror(code)));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{first,
                                                            &::freeaddrinfo};
  int why = ETIMEDOUT;
  for (auto* to = first; to != nullptr; to = to->ai_next) {
    why = try_connect(*to, end);
    if (why == 0)
      return {};
  }
  if (why == ETIMEDOUT)
    return fail_with(errc::timed_out,
                     fmt::format("{} does not answer", to_string(at)));
  return fail_with(errc::io_error,
                   fmt::format("{}: {}", to_string(at), text_of(why)));
}

} // namespace muster
