#pragma once

#include "actors/spawn.hpp"
#include "actors/tls_engine.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "runtime/reply_parser.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

struct http_client_options {
  millis connect_limit{5'000};
  /// A request must be sent whole within this.
  millis write_limit{30'000};
  /// A reply must have arrived whole within this after the request was sent.
  /// Long polls need more than they wait.
  millis read_limit{60'000};
  /// Of a reply's body.
  std::size_t max_reply = std::size_t{64} << 20;
  /// Sent with every request as `Authorization: Bearer`; empty is none. Must be
  /// `is_token_text`.
  std::string token;
  /// A file descriptor that ends what the client waits for once it can be read
  /// from, such as a signalfd; -1 is none. It is neither read nor closed.
  int interrupt = -1;
  /// HTTPS instead of HTTP, if there is one. The certificate must be for the
  /// host.
  tls_context tls;
};

struct http_reply {
  int status = 0;
  http_headers headers;
  std::string body;

  /// The first header of that name, in any case.
  [[nodiscard]] std::optional<std::string_view>
  header(std::string_view name) const noexcept;

  [[nodiscard]] bool ok() const noexcept {
    return status >= 200 && status < 300;
  }
};

/// A blocking HTTP/1.1 client with one connection, kept open between requests.
/// Not thread-safe; one for each thread.
class http_client {
public:
  /// Does not connect yet. `host` is a name or an address, without brackets.
  http_client(std::string host, std::uint16_t port,
              http_client_options options = {});

  /// Sends a request and waits for its reply, whatever its status. `Host` and
  /// `Content-Length` are added. If the server has closed the kept connection
  /// in the meantime, the request is sent again on a new one, once, and only if
  /// nothing of it was sent or the method is GET, HEAD or DELETE.
  ///
  /// Errors: `unavailable`: not connected, nothing was sent. `refused`: the
  /// same, for TLS, and another try is no use: a certificate that is not good,
  /// say, or no TLS at all. `io_error` and
  /// `timed_out`: the server may or may not have acted on the request.
  /// `malformed` and `result_too_large`: it has, but its reply is of no use.
  /// `cancelled`: interrupted, and the server may or may not have acted.
  /// The connection is closed after each of them.
  [[nodiscard]] expected<http_reply> send(std::string_view method,
                                          std::string_view target,
                                          const http_headers& headers = {},
                                          std::string_view body = {});

  [[nodiscard]] expected<http_reply> get(std::string_view target) {
    return send("GET", target);
  }

  [[nodiscard]] expected<http_reply> post(std::string_view target,
                                          std::string_view body = {},
                                          const http_headers& headers = {}) {
    return send("POST", target, headers, body);
  }

  /// Changes the limit for the requests that follow.
  void set_read_limit(millis limit) noexcept {
    options_.read_limit = limit;
  }

  /// Changes `http_client_options::interrupt` for the requests that follow.
  void set_interrupt(int fd) noexcept {
    options_.interrupt = fd;
  }

  /// Closes the connection; the next request opens one.
  void close() noexcept;

private:
  struct attempt;

  [[nodiscard]] expected<void> connect();
  /// Whether the server has closed the connection, or sent what nobody asked
  /// for.
  [[nodiscard]] bool is_stale() const noexcept;
  [[nodiscard]] expected<http_reply> exchange(std::string_view head,
                                              std::string_view body,
                                              bool is_head, attempt& trace);
  [[nodiscard]] expected<void> write(std::string_view head,
                                     std::string_view body, attempt& trace);
  [[nodiscard]] expected<http_reply> read(bool is_head, attempt& trace);

  /// False if the server has answered or gone before it took everything.
  [[nodiscard]] expected<bool>
  send_all(std::string_view head, std::string_view body,
           std::chrono::steady_clock::time_point until, attempt& trace);
  [[nodiscard]] bool has_answer();
  /// As `recv`: also -1 with `errno`.
  [[nodiscard]] std::ptrdiff_t receive(char* to, std::size_t size);

  std::string host_;
  std::uint16_t port_;
  http_client_options options_;
  descriptor socket_;
  /// None for plain HTTP.
  std::unique_ptr<tls_engine> tls_;
  /// Of an answer that came over TLS before the request was sent.
  std::string early_;
};

} // namespace muster
