#pragma once

#include "actors/tls_engine.hpp"
#include "persistence/expected.hpp"

#include <chrono>
#include <cstddef>

namespace muster {

// How blocking clients move a TLS connection's bytes over a socket that does
// not block.

/// Shakes hands. Ends early once `interrupt` can be read from; -1 is nothing.
/// Errors: `timed_out`; `cancelled`; `refused` if the two do not fit together,
/// for a certificate that is not good, say; `unavailable` if the line is gone.
[[nodiscard]] expected<void>
shake_hands(int fd, tls_engine& engine,
            std::chrono::steady_clock::time_point until, int interrupt = -1);

/// As `recv`, of what was encrypted: -1 with `errno` (`EAGAIN`: nothing is
/// there yet; `EPROTO`: TLS is broken), 0 at the end.
[[nodiscard]] std::ptrdiff_t receive(int fd, tls_engine& engine, char* to,
                                     std::size_t size);

} // namespace muster
