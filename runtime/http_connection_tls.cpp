#include "runtime/http_connection.hpp"

#include "runtime/http_loop.hpp"

#include <boost/asio/write.hpp>

#include <string>

// How a connection's bytes go through TLS. What is plain does not come here.

namespace muster {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using status = tls_engine::status;

/// Written at once, so that ciphertext of large answers does not pile up.
constexpr std::size_t write_chunk = std::size_t{64} << 10;
/// A body up to this goes with its header in one piece.
constexpr std::size_t small_body = std::size_t{12} << 10;

constexpr std::string_view plain_refusal
  = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
    "Content-Length: 102\r\nConnection: close\r\n\r\n"
    R"({"type":"about:blank","title":"Bad Request","status":400,)"
    R"("detail":"This port speaks HTTPS, not HTTP."})";

} // namespace

/// Returns an error unless the connection can be used.
asio::awaitable<error_code> http_connection::shake_hands() {
  enter(phase::handshake);
  deadline_ = home_.now + home_.state->options.handshake_timeout;
  error_code ec;
  if (!tls_)
    co_return asio::error::make_error_code(asio::error::no_memory);
  socket_.non_blocking(true, ec);
  while (!ec) {
    auto step = tls_->handshake();
    ec = co_await send_output();
    if (step == status::done || ec)
      co_return ec;
    if (step != status::want_input)
      break;
    ec = co_await receive_input();
  }
  if (tls_->failure() == "http request")
    co_await asio::async_write(
      socket_, asio::buffer(plain_refusal.data(), plain_refusal.size()),
      asio::redirect_error(asio::use_awaitable, ec));
  tls_.reset();
  co_return asio::error::make_error_code(asio::error::connection_aborted);
}

/// Puts what it has got into the buffer's prepared part.
asio::awaitable<error_code> http_connection::read_tls(std::size_t size,
                                                      std::size_t& got) {
  auto space = buffer_.prepare(size);
  while (true) {
    auto step = tls_->read(static_cast<char*>(space.data()), size, got);
    if (step == status::done)
      co_return error_code{};
    if (step == status::closed)
      co_return asio::error::make_error_code(asio::error::eof);
    auto ec = co_await send_output();
    if (!ec && step == status::failed)
      ec = asio::error::connection_aborted;
    if (!ec)
      ec = co_await receive_input();
    if (ec)
      co_return ec;
  }
}

asio::awaitable<error_code> http_connection::write_tls(std::string_view text) {
  while (!text.empty()) {
    auto part = text.substr(0, write_chunk);
    text.remove_prefix(part.size());
    if (tls_->write(part) != status::done)
      co_return asio::error::make_error_code(asio::error::connection_aborted);
    if (auto ec = co_await send_output())
      co_return ec;
  }
  co_return error_code{};
}

asio::awaitable<error_code>
http_connection::answer_tls(const http_response& response, bool head) {
  std::string_view body = head ? std::string_view{} : response.body;
  std::string whole;
  std::string_view first = head_;
  if (!body.empty() && body.size() <= small_body) {
    whole.reserve(head_.size() + body.size());
    whole.append(head_).append(body);
    first = whole;
    body = {};
  }
  auto ec = co_await write_tls(first);
  if (!ec && !body.empty())
    ec = co_await write_tls(body);
  co_return ec;
}

asio::awaitable<void> http_connection::finish_tls() {
  if (!socket_.is_open())
    co_return;
  tls_->close();
  enter(phase::writing);
  (void)co_await send_output();
}

asio::awaitable<error_code> http_connection::send_output() {
  auto& output = tls_->output();
  error_code ec;
  if (output.empty())
    co_return ec;
  co_await asio::async_write(socket_, asio::buffer(output),
                             asio::redirect_error(asio::use_awaitable, ec));
  output.clear();
  if (output.capacity() > small_body)
    output.shrink_to_fit();
  co_return ec;
}

asio::awaitable<error_code> http_connection::receive_input() {
  error_code ec;
  co_await socket_.async_wait(asio::ip::tcp::socket::wait_read,
                              asio::redirect_error(asio::use_awaitable, ec));
  if (ec)
    co_return ec;
  auto got = socket_.read_some(asio::buffer(home_.scratch), ec);
  if (ec == asio::error::would_block)
    co_return error_code{};
  if (!ec)
    tls_->feed({home_.scratch.data(), got});
  co_return ec;
}

} // namespace muster
