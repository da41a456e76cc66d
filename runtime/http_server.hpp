#pragma once

#include "runtime/routes.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
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

  /// See `gateway::fault` and `gateway::least_beats`.
  [[nodiscard]] std::optional<error> fault() const;
  [[nodiscard]] std::uint64_t least_beats() const;

  /// Ends waits; connections end with their next answer. Goes on accepting, so
  /// that whoever asks hears that the node is draining.
  /// `gateway_state::draining` must be set.
  void drain();

  /// Accepts nothing more, closes connections without a request, waits for the
  /// others, at most `limit`, and ends. Blocks; idempotent.
  void stop(std::chrono::milliseconds limit);

  struct impl;

private:
  explicit http_server(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
