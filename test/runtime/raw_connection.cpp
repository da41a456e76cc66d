#include "test/runtime/raw_connection.hpp"

#include "actors/tls_socket.hpp"
#include "runtime/reply_parser.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <utility>

namespace muster {

namespace {

constexpr int limit_ms = 20'000;

} // namespace

raw_connection::raw_connection(std::uint16_t port, const tls_context& tls)
  : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address))
      != 0)
    throw std::runtime_error{"cannot connect"};
  int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!tls)
    return;
  tls_ = tls_engine::connecting(tls, "127.0.0.1");
  auto met = shake_hands(socket_.get(), *tls_,
                         std::chrono::steady_clock::now()
                           + std::chrono::milliseconds{limit_ms});
  if (!met)
    throw std::runtime_error{met.error().message};
}

bool raw_connection::send(std::string_view bytes) {
  if (!tls_)
    return send_raw(bytes);
  return tls_->write(bytes) == tls_engine::status::done
         && send_raw(std::exchange(tls_->output(), {}));
}

bool raw_connection::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool raw_connection::trickle(std::string_view bytes) {
  for (auto& byte : bytes)
    if (!send({&byte, 1}))
      return false;
  return true;
}

bool raw_connection::read_some() {
  pollfd item{socket_.get(), POLLIN, 0};
  std::array<char, 65'536> bytes;
  std::ptrdiff_t n = -1;
  do {
    if (tls_)
      n = receive(socket_.get(), *tls_, bytes.data(), bytes.size());
    if (n >= 0 || (tls_ && errno != EAGAIN))
      break;
    if (::poll(&item, 1, limit_ms) != 1)
      throw std::runtime_error{"nothing comes; so far: " + input_};
    if (!tls_)
      n = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
  } while (tls_);
  if (n > 0)
    input_.append(bytes.data(), static_cast<std::size_t>(n));
  return n > 0;
}

std::optional<http_reply> raw_connection::reply(bool head) {
  while (true) {
    auto parsed = parse_reply_head(input_);
    if (!parsed)
      throw std::runtime_error{"this is no reply: " + input_};
    if (*parsed) {
      auto& facts = **parsed;
      auto size = facts.size + (head ? 0 : facts.length);
      if (input_.size() >= size) {
        http_reply result;
        result.status = facts.status;
        result.headers = parse_headers(input_.substr(0, facts.size));
        result.body = input_.substr(facts.size, size - facts.size);
        input_.erase(0, size);
        return result;
      }
    }
    if (!read_some())
      return std::nullopt;
  }
}

bool raw_connection::ended() {
  return input_.empty() && !read_some();
}

void raw_connection::end_sending() noexcept {
  ::shutdown(socket_.get(), SHUT_WR);
}

void raw_connection::abort() noexcept {
  linger now{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close();
}

} // namespace muster
