#include "runtime/http_server.hpp"

#include "runtime/http_loop.hpp"

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace muster {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using clock = std::chrono::steady_clock;

constexpr int port_tries = 1'000;
constexpr int accept_backlog = 4'096;

/// What a client reads when there are too many.
std::string refusal() {
  auto answer = problem(503, "too many connections");
  return fmt::format("HTTP/1.1 503 {}\r\nContent-Type: {}\r\n"
                     "Content-Length: {}\r\nRetry-After: 1\r\n"
                     "Connection: close\r\n\r\n{}",
                     reason_of(503), answer.content_type, answer.body.size(),
                     answer.body);
}

} // namespace

struct http_server::impl {
  explicit impl(std::shared_ptr<gateway_state> st) : state(std::move(st)) {
    for (unsigned i = 0; i < std::max(1u, state->options.threads); ++i)
      loops.push_back(std::make_unique<http_loop>(state, i == 0));
    acceptor.emplace(front().io);
  }

  http_loop& front() {
    return *loops.front();
  }

  // -- binding ----------------------------------------------------------------

  expected<void> bind() {
    auto& options = state->options;
    error_code ec;
    auto address = asio::ip::make_address(options.address, ec);
    if (ec)
      return fail_with(errc::invalid_argument,
                       "http-address must be an IP address, and '"
                         + options.address + "' is none");
    auto port = options.port;
    for (int tries = 0; tries < port_tries; ++tries, ++port) {
      ec = try_port({address, port});
      if (!ec) {
        bound = acceptor->local_endpoint().port();
        return {};
      }
      if (ec != boost::system::errc::address_in_use || options.strict_port
          || port == 65'535)
        break;
    }
    return fail_with(errc::io_error,
                     fmt::format("cannot listen on {} port {}: {}",
                                 options.address, port, ec.message()));
  }

  error_code try_port(const tcp::endpoint& endpoint) {
    error_code ec;
    acceptor->open(endpoint.protocol(), ec);
    // Without this a port stays occupied for a minute after a crash; a port
    // that somebody listens on is refused all the same.
    if (!ec)
      acceptor->set_option(tcp::acceptor::reuse_address{true}, ec);
    if (!ec)
      acceptor->bind(endpoint, ec);
    if (!ec)
      acceptor->listen(accept_backlog, ec);
    if (!ec)
      ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
    if (ec) {
      error_code ignored;
      acceptor->close(ignored);
    }
    return ec;
  }

  // -- accepting --------------------------------------------------------------

  asio::awaitable<void> accept_loop() {
    auto executor = front().io.get_executor();
    while (acceptor->is_open()) {
      error_code ec;
      auto socket = co_await acceptor->async_accept(
        asio::redirect_error(asio::use_awaitable, ec));
      if (ec == asio::error::operation_aborted || !acceptor->is_open())
        break;
      if (ec) {
        // Out of descriptors, most likely: let some close.
        asio::steady_timer pause{executor, http_sweep_interval};
        co_await pause.async_wait(
          asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      place(std::move(socket));
    }
  }

  void place(tcp::socket socket) {
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    error_code ec;
    socket.set_option(tcp::no_delay{true}, ec);
    if (state->metrics.connections >= state->options.max_connections) {
      // Over TLS this would take a handshake.
      if (!state->tls)
        turn_away(std::move(socket));
      return;
    }
    front().wake();
    auto& target = *loops[next_loop++ % loops.size()];
    if (&target == &front()) {
      target.adopt(std::move(socket));
      return;
    }
    auto protocol = socket.local_endpoint(ec).protocol();
    auto handle = socket.release(ec);
    if (!ec)
      asio::post(target.io, [&target, protocol, handle] {
        target.adopt(tcp::socket{target.io, protocol, handle});
      });
  }

  static void turn_away(tcp::socket socket) {
    static const auto text = refusal();
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  // -- ending -----------------------------------------------------------------

  /// Has `fn` called for each loop, on its thread.
  template <class Fn>
  void on_every_loop(Fn fn) {
    for (auto& each : loops)
      asio::post(each->io, [fn, target = each.get()] { fn(*target); });
  }

  void close_acceptor() {
    asio::post(front().io, [this] {
      error_code ignored;
      acceptor->close(ignored);
    });
  }

  std::shared_ptr<gateway_state> state;
  std::vector<std::unique_ptr<http_loop>> loops;
  std::optional<tcp::acceptor> acceptor;
  std::size_t next_loop = 0;
  std::uint16_t bound = 0;
  bool stopped = false;
};

http_server::http_server(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

http_server::~http_server() {
  stop(std::chrono::milliseconds{0});
}

expected<std::unique_ptr<http_server>>
http_server::start(std::shared_ptr<gateway_state> state) {
  auto ptr = std::make_unique<impl>(std::move(state));
  if (auto bound = ptr->bind(); !bound)
    return tl::unexpected{std::move(bound.error())};
  asio::co_spawn(
    ptr->front().io,
    [self = ptr.get()]() -> asio::awaitable<void> {
      return self->accept_loop();
    },
    asio::detached);
  for (auto& each : ptr->loops)
    each->start();
  return std::unique_ptr<http_server>{new http_server{std::move(ptr)}};
}

std::uint16_t http_server::port() const noexcept {
  return impl_->bound;
}

std::optional<error> http_server::fault() const {
  for (auto& each : impl_->loops)
    if (auto reason = each->fault())
      return reason;
  return std::nullopt;
}

std::uint64_t http_server::least_beats() const {
  auto result = std::numeric_limits<std::uint64_t>::max();
  for (auto& each : impl_->loops)
    result = std::min(result, each->beats());
  return result;
}

void http_server::drain() {
  asio::post(impl_->front().io,
             [state = impl_->state] { state->waits.end_all(); });
}

void http_server::stop(std::chrono::milliseconds limit) {
  if (std::exchange(impl_->stopped, true))
    return;
  drain();
  impl_->close_acceptor();
  impl_->on_every_loop([](http_loop& each) { each.close_idle_connections(); });
  auto until = clock::now() + limit;
  while (impl_->state->metrics.connections > 0 && clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  for (auto& each : impl_->loops)
    each->join();
  // The loop may have ended before it came to this.
  error_code ignored;
  impl_->acceptor->close(ignored);
}

} // namespace muster
