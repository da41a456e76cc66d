#include "runtime/http_client.hpp"

#include "actors/tls_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <utility>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;
using address_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

constexpr std::size_t read_size = std::size_t{64} << 10;
/// At once, so that a large body is not in memory twice.
constexpr std::size_t encrypted_size = std::size_t{256} << 10;

tl::unexpected<error> socket_error(errc code, std::string_view what,
                                   int error_number) {
  return fail_with(code, std::string{what} + ": "
                           + std::system_category().message(error_number));
}

tl::unexpected<error> too_slow(std::string_view what) {
  return fail_with(errc::timed_out, "the server did not " + std::string{what}
                                      + " within the time limit");
}

/// In place of events.
constexpr short interrupted = -1;

tl::unexpected<error> stopped() {
  return fail_with(errc::cancelled, "interrupted");
}

// Waits until something is ready or the time is over; what is ready, if so, or
// `interrupted`.
short wait_for(int fd, short events, clock_type::time_point until,
               int interrupt) {
  while (true) {
    auto left = std::chrono::ceil<millis>(until - clock_type::now()).count();
    // A negative descriptor is left out.
    std::array<pollfd, 2> items{{{fd, events, 0}, {interrupt, POLLIN, 0}}};
    auto n = ::poll(items.data(), items.size(),
                    static_cast<int>(std::clamp(left, 0L, 60'000L)));
    if (n > 0)
      return items[1].revents != 0 ? interrupted : items[0].revents;
    if (n == 0 && left <= 0)
      return 0;
    if (n < 0 && errno != EINTR)
      return POLLERR;
  }
}

expected<descriptor> connect_to(const addrinfo& address,
                                clock_type::time_point until, int interrupt) {
  descriptor fd{::socket(address.ai_family,
                         SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         address.ai_protocol)};
  if (!fd.valid())
    return socket_error(errc::unavailable, "no socket", errno);
  int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0)
    return fd;
  if (errno != EINPROGRESS)
    return socket_error(errc::unavailable, "cannot connect", errno);
  auto ready = wait_for(fd.get(), POLLOUT, until, interrupt);
  if (ready == interrupted)
    return stopped();
  if (ready == 0)
    return fail_with(errc::unavailable, "cannot connect within the time limit");
  int code = 0;
  socklen_t size = sizeof(code);
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0)
    return socket_error(errc::unavailable, "cannot connect", code);
  return fd;
}

std::string make_head(std::string_view method, std::string_view target,
                      std::string_view host, std::uint16_t port,
                      const std::string& token, const http_headers& headers,
                      std::size_t body_size) {
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ");
  if (host.find(':') != std::string_view::npos)
    head.append("[").append(host).append("]");
  else
    head.append(host);
  head.append(":").append(std::to_string(port)).append("\r\n");
  if (!token.empty())
    head.append("Authorization: Bearer ").append(token).append("\r\n");
  for (auto& [name, value] : headers)
    head.append(name).append(": ").append(value).append("\r\n");
  if (body_size > 0 || (method != "GET" && method != "HEAD"))
    head.append("Content-Length: ")
      .append(std::to_string(body_size))
      .append("\r\n");
  return head.append("\r\n");
}

} // namespace

// What can be said about a request that failed.
struct http_client::attempt {
  bool sent_any = false;
  bool sent_all = false;
  bool received_any = false;
  /// The other side ended the connection, rather than that time was over.
  bool cut_off = false;
};

std::optional<std::string_view>
http_reply::header(std::string_view name) const noexcept {
  for (auto& [key, value] : headers)
    if (same_token(key, name))
      return value;
  return std::nullopt;
}

http_client::http_client(std::string host, std::uint16_t port,
                         http_client_options options)
  : host_(std::move(host)), port_(port), options_(std::move(options)) {
  // nop
}

void http_client::close() noexcept {
  socket_.reset();
  tls_.reset();
}

expected<http_reply> http_client::send(std::string_view method,
                                       std::string_view target,
                                       const http_headers& headers,
                                       std::string_view body) {
  auto head = make_head(method, target, host_, port_, options_.token, headers,
                        body.size());
  auto repeatable = method == "GET" || method == "HEAD" || method == "DELETE";
  if (socket_.valid() && is_stale())
    close();
  auto reused = socket_.valid();
  while (true) {
    if (!socket_.valid())
      if (auto connected = connect(); !connected)
        return tl::unexpected<error>{connected.error()};
    attempt trace;
    auto reply = exchange(head, body, method == "HEAD", trace);
    if (reply)
      return reply;
    close();
    auto stale = reused && trace.cut_off && !trace.received_any;
    if (!stale || (trace.sent_any && !repeatable))
      return reply;
    reused = false;
  }
}

expected<void> http_client::connect() {
  auto until = clock_type::now() + options_.connect_limit;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (auto code = ::getaddrinfo(host_.c_str(), std::to_string(port_).c_str(),
                                &hints, &found))
    return fail_with(errc::unavailable,
                     "unknown host '" + host_ + "': " + ::gai_strerror(code));
  address_list addresses{found, &::freeaddrinfo};
  expected<descriptor> fd = fail_with(errc::unavailable);
  for (auto* item = found; item != nullptr && !fd; item = item->ai_next)
    fd = connect_to(*item, until, options_.interrupt);
  if (!fd)
    return tl::unexpected<error>{fd.error()};
  socket_ = std::move(*fd);
  if (!options_.tls)
    return {};
  early_.clear();
  tls_ = tls_engine::connecting(options_.tls, host_);
  if (!tls_)
    return fail_with(errc::unavailable,
                     "no certificate can be for the host '" + host_ + "'");
  auto met = shake_hands(socket_.get(), *tls_, until, options_.interrupt);
  if (!met) {
    close();
    if (met.error().code == errc::cancelled)
      return stopped();
    auto code
      = met.error().code == errc::refused ? errc::refused : errc::unavailable;
    return fail_with(code, met.error().message);
  }
  return {};
}

bool http_client::is_stale() const noexcept {
  pollfd item{socket_.get(), POLLIN, 0};
  return ::poll(&item, 1, 0) != 0;
}

expected<http_reply> http_client::exchange(std::string_view head,
                                           std::string_view body, bool is_head,
                                           attempt& trace) {
  if (auto written = write(head, body, trace); !written)
    return tl::unexpected<error>{written.error()};
  return read(is_head, trace);
}

// A server that refuses a request may answer before it has read all of it, and
// end the connection: what it has to say is then still to be read.
expected<void> http_client::write(std::string_view head, std::string_view body,
                                  attempt& trace) {
  auto until = clock_type::now() + options_.write_limit;
  if (!tls_) {
    auto sent = send_all(head, body, until, trace);
    trace.sent_all = sent && *sent;
    return sent.map([](bool) {});
  }
  for (auto text : {head, body})
    while (!text.empty()) {
      auto part = text.substr(0, encrypted_size);
      text.remove_prefix(part.size());
      if (tls_->write(part) != tls_engine::status::done)
        return fail_with(errc::io_error, "cannot send: " + tls_->failure());
      auto secret = std::exchange(tls_->output(), {});
      auto sent = send_all(secret, {}, until, trace);
      if (!sent || !*sent)
        return sent.map([](bool) {});
    }
  trace.sent_all = true;
  return {};
}

expected<bool> http_client::send_all(std::string_view head,
                                     std::string_view body,
                                     clock_type::time_point until,
                                     attempt& trace) {
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> parts{{{const_cast<char*>(head.data()), head.size()},
                                {const_cast<char*>(body.data()), body.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    auto n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (n >= 0) {
      trace.sent_any = true;
      auto of_head = std::min(head.size(), static_cast<std::size_t>(n));
      head.remove_prefix(of_head);
      body.remove_prefix(static_cast<std::size_t>(n) - of_head);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      trace.cut_off = true;
      if (!trace.sent_any)
        return socket_error(errc::io_error, "cannot send", errno);
      return false;
    } else if (errno == EAGAIN) {
      auto ready
        = wait_for(socket_.get(), POLLOUT | POLLIN, until, options_.interrupt);
      if (ready == interrupted)
        return stopped();
      if (ready == 0)
        return too_slow("take the request");
      if ((ready & POLLIN) != 0 && has_answer())
        return false;
    } else if (errno != EINTR) {
      return socket_error(errc::io_error, "cannot send", errno);
    }
  }
  return true;
}

// Over TLS what has come may be TLS's own.
bool http_client::has_answer() {
  if (!tls_)
    return true;
  char buffer[1024];
  auto got = muster::receive(socket_.get(), *tls_, buffer, sizeof(buffer));
  if (got > 0)
    early_.append(buffer, static_cast<std::size_t>(got));
  return got >= 0 || errno != EAGAIN;
}

std::ptrdiff_t http_client::receive(char* to, std::size_t size) {
  if (!tls_)
    return ::recv(socket_.get(), to, size, 0);
  if (early_.empty())
    return muster::receive(socket_.get(), *tls_, to, size);
  auto got = early_.copy(to, size);
  early_.erase(0, got);
  return static_cast<std::ptrdiff_t>(got);
}

namespace {

// Turns the bytes of one reply into an `http_reply`.
class reply_reader {
public:
  reply_reader(bool is_head, std::size_t limit)
    : is_head_(is_head), limit_(limit) {
    // nop
  }

  // True once the reply is complete.
  expected<bool> feed(std::string_view bytes) {
    if (!head_) {
      buffer_.append(bytes);
      auto taken = take_head();
      if (!taken || !head_)
        return taken.map([] { return false; });
      auto rest = std::exchange(buffer_, {});
      return take_body(rest);
    }
    return take_body(bytes);
  }

  // At the end of the connection: whether the reply is complete with it.
  [[nodiscard]] bool finish() const noexcept {
    return head_ && head_->body == reply_head::framing::until_close;
  }

  [[nodiscard]] bool keep_alive() const noexcept {
    return head_->keep_alive && !surplus_;
  }

  http_reply& reply() noexcept {
    return reply_;
  }

private:
  expected<void> take_head() {
    while (true) {
      auto head = parse_reply_head(buffer_);
      if (!head)
        return tl::unexpected<error>{head.error()};
      if (!*head)
        return {};
      if ((*head)->status >= 200) {
        head_ = **head;
        break;
      }
      // An interim reply: the real one follows.
      buffer_.erase(0, (*head)->size);
    }
    if (is_head_) {
      head_->body = reply_head::framing::sized;
      head_->length = 0;
    }
    if (head_->length > limit_)
      return fail_with(errc::result_too_large, "the reply is too large");
    reply_.status = head_->status;
    reply_.headers = parse_headers({buffer_.data(), head_->size});
    buffer_.erase(0, head_->size);
    return {};
  }

  expected<bool> take_body(std::string_view bytes) {
    auto& body = reply_.body;
    switch (head_->body) {
      case reply_head::framing::sized: {
        auto part = bytes.substr(0, head_->length - body.size());
        body.append(part);
        surplus_ = part.size() < bytes.size();
        return body.size() == head_->length;
      }
      case reply_head::framing::chunked: {
        auto used = chunks_.feed(bytes, body, limit_);
        if (!used)
          return tl::unexpected<error>{used.error()};
        surplus_ = *used < bytes.size();
        return chunks_.done();
      }
      case reply_head::framing::until_close:
        break;
    }
    body.append(bytes);
    if (body.size() > limit_)
      return fail_with(errc::result_too_large, "the reply is too large");
    return false;
  }

  bool is_head_;
  std::size_t limit_;
  std::string buffer_;
  std::optional<reply_head> head_;
  chunk_decoder chunks_;
  http_reply reply_;
  /// More came than belongs to the reply.
  bool surplus_ = false;
};

} // namespace

expected<http_reply> http_client::read(bool is_head, attempt& trace) {
  auto until = clock_type::now() + options_.read_limit;
  reply_reader reader{is_head, options_.max_reply};
  std::string buffer(read_size, '\0');
  while (true) {
    auto n = receive(buffer.data(), buffer.size());
    if (n > 0) {
      trace.received_any = true;
      auto done = reader.feed({buffer.data(), static_cast<std::size_t>(n)});
      if (!done)
        return tl::unexpected<error>{done.error()};
      if (*done) {
        // After a request that was not taken whole the connection is no good.
        if (!reader.keep_alive() || !trace.sent_all)
          close();
        return std::move(reader.reply());
      }
    } else if (n == 0 || errno == ECONNRESET) {
      trace.cut_off = true;
      if (n != 0 || !reader.finish())
        return fail_with(errc::io_error,
                         "the server ended the connection without a reply");
      close();
      return std::move(reader.reply());
    } else if (errno == EAGAIN) {
      auto ready = wait_for(socket_.get(), POLLIN, until, options_.interrupt);
      if (ready == interrupted)
        return stopped();
      if (ready == 0)
        return too_slow("answer");
    } else if (errno != EINTR) {
      return socket_error(errc::io_error, "cannot receive", errno);
    }
  }
}

} // namespace muster
