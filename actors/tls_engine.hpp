#pragma once

#include "actors/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;

namespace muster {

/// One TLS connection without a socket: bytes of the line go in and out on one
/// side, what they mean on the other. Whoever owns the socket moves the bytes.
/// Not thread-safe.
///
///     socket --> feed()    read()  --> application
///     socket <-- output()  write() <-- application
class tls_engine {
public:
  enum class status : std::uint8_t {
    done,
    /// Bytes of the line are needed first; there may be output to be sent.
    want_input,
    /// The other side has ended the connection in order.
    closed,
    /// It is broken: see `failure`. There may be output (an alert) to be sent.
    failed,
  };

  /// The side that was connected to.
  [[nodiscard]] static std::unique_ptr<tls_engine>
  accepting(const tls_context& context);

  /// The side that connects. The certificate must be for `host`, a name or an
  /// address, unless that is empty.
  [[nodiscard]] static std::unique_ptr<tls_engine>
  connecting(const tls_context& context, const std::string& host);

  ~tls_engine();
  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;

  /// Comes before all reading and writing.
  [[nodiscard]] status handshake();

  /// Takes what came from the line.
  void feed(std::string_view bytes);

  /// The line has ended.
  void feed_end();

  /// Reads at most `size` bytes; with `done` at least one.
  [[nodiscard]] status read(char* to, std::size_t size, std::size_t& got);

  /// Takes all bytes, with `done`.
  [[nodiscard]] status write(std::string_view bytes);

  /// Says that no more will be written.
  void close();

  /// What is to be sent. Whoever has sent it takes it away.
  [[nodiscard]] std::string& output();

  /// Why it failed.
  [[nodiscard]] const std::string& failure() const noexcept {
    return failure_;
  }

  /// Whether it failed for what the other side is or says, such as its
  /// certificate, rather than for the end of the line.
  [[nodiscard]] bool is_refusal() const noexcept {
    return is_refusal_;
  }

private:
  explicit tls_engine(ssl_st* ssl);

  [[nodiscard]] status status_of(int result);

  ssl_st* ssl_;
  std::string output_;
  std::string failure_;
  bool is_refusal_ = false;
};

} // namespace muster
