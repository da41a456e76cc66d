#pragma once

#include <caf/io/middleman_actor.hpp>

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

/// CAF's own TLS between nodes, made fit for strangers at the port: CAF 0.18
/// leaves errors of one connection in OpenSSL's list, where they end the next
/// healthy one, and throws out of its event loop if a file of the certificate
/// cannot be read. Needs CAF's OpenSSL module. Whoever spawns it ends it.
[[nodiscard]] caf::io::middleman_actor
spawn_tls_middleman(caf::actor_system& system);

} // namespace muster
