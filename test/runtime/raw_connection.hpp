#pragma once

#include "actors/spawn.hpp"
#include "actors/tls_engine.hpp"
#include "runtime/http_client.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// A connection to a local server that says what no decent client would say.
/// What cannot be done within 20 seconds throws `std::runtime_error`.
class raw_connection {
public:
  /// Shakes hands if there is a context.
  explicit raw_connection(std::uint16_t port, const tls_context& tls = {});

  /// Sends all bytes; false if the server has closed the connection.
  bool send(std::string_view bytes);

  /// Sends the bytes one by one, each in a packet of its own.
  bool trickle(std::string_view bytes);

  /// The next reply; none if the connection ends before it. `head`: it has no
  /// body.
  std::optional<http_reply> reply(bool head = false);

  /// Whether the server has ended the connection and sent nothing more.
  bool ended();

  void close() noexcept {
    socket_.reset();
  }

  /// No more will be sent.
  void end_sending() noexcept;

  /// Has the other side receive a reset and not an end.
  void abort() noexcept;

private:
  /// Reads what comes; false at the connection's end.
  bool read_some();

  bool send_raw(std::string_view bytes);

  descriptor socket_;
  std::unique_ptr<tls_engine> tls_;
  std::string input_;
};

} // namespace muster
