#pragma once

#include "runtime/routes.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace muster {

/// The sockets below the gateway: accepts, reads requests, runs their routes,
/// writes answers. A fixed number of threads, each with an event loop and its
/// own connections; a connection is a coroutine.
class http_server {
public:
  /// Binds and begins to serve.
  [[nodiscard]] static expected<std::unique_ptr<http_server>>
  start(std::shared_ptr<gateway_state> state);

  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Accepts nothing more, closes connections without a request, and ends
  /// waits. `gateway_state::draining` must be set.
  void drain();

  void stop(std::chrono::milliseconds limit);

  struct impl;

private:
  explicit http_server(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
