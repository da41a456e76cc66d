#include "actors/node_transport.hpp"

#include "actors/tls_middleman.hpp"
#include "actors/tls_socket.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/function_view.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <fmt/format.h>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// The name by which this process finds who makes connections over TLS.
constexpr auto tls_connector = "muster.tls-connector";

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

/// Waits until a socket is ready; false at the end of the time.
bool wait_for(int fd, short events, clock::time_point end) {
  pollfd event{fd, events, 0};
  for (;;) {
    auto left = std::chrono::ceil<millis>(end - clock::now());
    if (left <= millis{0})
      return false;
    auto ready = ::poll(&event, 1, static_cast<int>(left.count()));
    if (ready > 0 || (ready < 0 && errno != EINTR))
      return true;
  }
}

/// Returns 0, an error number, or `ETIMEDOUT`.
int try_connect(int fd, const addrinfo& to, clock::time_point end) {
  if (::connect(fd, to.ai_addr, to.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  if (!wait_for(fd, POLLOUT, end))
    return ETIMEDOUT;
  int result = 0;
  socklen_t size = sizeof(result);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0)
    return errno;
  return result;
}

/// Whether the other side says anything: 0, an error number, or `ETIMEDOUT`.
/// Over TLS this is also when we learn that it does not take our certificate.
int await_greeting(int fd, tls_engine* tls, clock::time_point end) {
  char byte = 0;
  for (;;) {
    auto got
      = tls != nullptr ? receive(fd, *tls, &byte, 1) : ::recv(fd, &byte, 1, 0);
    if (got > 0)
      return 0;
    if (got == 0)
      return ECONNRESET;
    if (errno != EAGAIN && errno != EINTR)
      return errno;
    if (!wait_for(fd, POLLIN, end))
      return ETIMEDOUT;
  }
}

struct attempt_result {
  /// 0 is success.
  int code = 0;
  /// What TLS has against it.
  std::string reason;
};

attempt_result try_address(const addrinfo& to, const tls_context& tls,
                           clock::time_point end) {
  socket_handle fd{::socket(
    to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
  if (fd.get() < 0)
    return {errno, {}};
  if (auto code = try_connect(fd.get(), to, end); code != 0)
    return {code, {}};
  if (!tls)
    return {await_greeting(fd.get(), nullptr, end), {}};
  auto engine = tls_engine::connecting(tls, {});
  if (!engine)
    return {ENOMEM, {}};
  auto met = shake_hands(fd.get(), *engine, end);
  if (!met)
    return {met.error().code == errc::timed_out ? ETIMEDOUT : EPROTO,
            met.error().message};
  auto code = await_greeting(fd.get(), engine.get(), end);
  return {code, code == EPROTO ? "TLS: " + engine->failure() : std::string{}};
}

/// What CAF's module has been told; none without TLS.
expected<tls_context> context_of(const caf::actor_system& system) {
  if (!has_node_tls(system))
    return tls_context{};
  auto& config = system.config();
  return tls_context::peer(
    {config.openssl_cafile, config.openssl_certificate, config.openssl_key});
}

} // namespace

bool has_node_tls(const caf::actor_system& system) {
  return system.has_openssl_manager();
}

expected<std::uint16_t> publish_actor(caf::actor_system& system,
                                      const caf::actor& who,
                                      const std::string& address,
                                      std::uint16_t port) {
  auto connector = caf::make_function_view(connector_of(system));
  // Reuse takes a port whose last connections are still dying, and never one
  // that somebody listens on.
  auto bound = connector(caf::publish_atom_v, port,
                         caf::actor_cast<caf::strong_actor_ptr>(who),
                         std::set<std::string>{}, std::string{address}, true);
  if (!bound)
    return fail_with(errc::io_error, to_string(bound.error()));
  return *bound;
}

void close_transport(caf::actor_system& system) {
  auto connector = system.registry().get<caf::actor>(tls_connector);
  if (!connector)
    return;
  system.registry().erase(tls_connector);
  caf::scoped_actor self{system, true};
  self->send_exit(connector, caf::exit_reason::kill);
  self->wait_for(connector);
}

caf::io::middleman_actor connector_of(caf::actor_system& system) {
  if (!has_node_tls(system))
    return system.middleman().actor_handle();
  auto& registry = system.registry();
  if (!registry.get(tls_connector))
    registry.put(tls_connector, caf::actor_cast<caf::strong_actor_ptr>(
                                  spawn_tls_middleman(system)));
  return caf::actor_cast<caf::io::middleman_actor>(registry.get(tls_connector));
}

expected<void> probe(const caf::actor_system& system, const endpoint& at,
                     millis limit) {
  auto end = clock::now() + limit;
  auto tls = context_of(system);
  if (!tls)
    return fail_with(errc::io_error, tls.error().message);
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
  attempt_result last{ETIMEDOUT, {}};
  for (auto* to = first; to != nullptr; to = to->ai_next) {
    last = try_address(*to, *tls, end);
    if (last.code == 0)
      return {};
  }
  if (last.code == ETIMEDOUT)
    return fail_with(errc::timed_out,
                     fmt::format("{} does not answer{}", to_string(at),
                                 *tls ? ", at least not over TLS" : ""));
  if (!last.reason.empty())
    return fail_with(errc::io_error,
                     fmt::format("{}: {}", to_string(at), last.reason));
  return fail_with(errc::io_error,
                   fmt::format("{}: {}", to_string(at), text_of(last.code)));
}

} // namespace muster
