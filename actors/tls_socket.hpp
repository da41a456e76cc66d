#pragma once

#include "actors/tls_engine.hpp"
#include "persistence/expected.hpp"

#include <chrono>
#include <cstddef>

namespace muster {

// How blocking clients move a TLS connection's bytes over a socket that does
// not block.

/// Shakes hands. Errors: `timed_out`; `unavailable` with what is wrong.
[[nodiscard]] expected<void>
shake_hands(int fd, tls_engine& engine,
            std::chrono::steady_clock::time_point until);

/// As `recv`, of what was encrypted: -1 with `errno` (`EAGAIN`: nothing is
/// there yet; `EPROTO`: TLS is broken), 0 at the end.
[[nodiscard]] std::ptrdiff_t receive(int fd, tls_engine& engine, char* to,
                                     std::size_t size);

} // namespace muster
