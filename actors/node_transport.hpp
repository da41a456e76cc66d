#pragma once

#include "actors/endpoint.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <caf/actor.hpp>
#include <caf/io/middleman_actor.hpp>

#include <cstdint>
#include <string>

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

/// Whether traffic between nodes is encrypted and both sides show
/// certificates: where CAF's OpenSSL module is loaded.
[[nodiscard]] bool has_node_tls(const caf::actor_system& system);

/// Has an actor found by whoever connects to a port; 0 takes a free one.
/// Returns the port. Blocks for a moment. Errors: `io_error`.
[[nodiscard]] expected<std::uint16_t> publish_actor(caf::actor_system& system,
                                                    const caf::actor& who,
                                                    const std::string& address,
                                                    std::uint16_t port);

/// Ends what `publish_actor` has started for TLS; before the actor system ends.
void close_transport(caf::actor_system& system);

/// Who makes connections to other nodes. It can be asked with
/// `(connect_atom, host, port)`; what it answers first is the actor that was
/// published there. It blocks in the system's `connect`, which has no time
/// limit of its own: `probe` before.
[[nodiscard]] caf::io::middleman_actor connector_of(caf::actor_system& system);

/// Whether a node is there: accepts a connection, shakes hands if there is TLS
/// between nodes, and says something, as CAF does at once. A node that does not
/// trust us, or speaks TLS where we do not, says nothing. Blocks for `limit` at
/// most, and for as long as the resolver takes to find a name. Errors:
/// `io_error` with a sentence, `timed_out`.
[[nodiscard]] expected<void> probe(const caf::actor_system& system,
                                   const endpoint& at, millis limit);

} // namespace muster
