#pragma once

#include "actors/endpoint.hpp"
#include "actors/tls_context.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

namespace muster {

/// Asks a node, at its port for other nodes, where its HTTP is. `tls` are the
/// files by which this process would be a node of the cluster, all empty where
/// nodes speak no TLS. Makes an actor system for the moment: not to be called
/// from an actor. Message types must be registered. Blocks for some `limit`s at
/// most. Errors: `io_error`, `timed_out`, `unavailable`; `invalid_argument` for
/// the files.
[[nodiscard]] expected<endpoint> http_address_of(const endpoint& node,
                                                 const tls_files& tls = {},
                                                 millis limit = millis{2'000});

} // namespace muster
