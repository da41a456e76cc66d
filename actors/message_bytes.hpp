#pragma once

#include "persistence/expected.hpp"

#include <caf/message.hpp>

#include <string>
#include <string_view>

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

// Messages between actors as bytes that outlive the process:
//
//     bytes := version(1 byte, = 1) names values
//     names := size(4 bytes, big-endian) (name of a type '\n')*
//     values := CAF's binary form of the message
//
// CAF's form has numbers for types. The names tell whether they still mean what
// they meant when the bytes were written: a program whose type ids have changed
// refuses them.

/// Errors: `invalid_argument` for a message with a type that cannot be written.
/// Thread-safe.
[[nodiscard]] expected<std::string> to_bytes(caf::actor_system& system,
                                             const caf::message& what);

/// Errors: `malformed`. Thread-safe.
[[nodiscard]] expected<caf::message> to_message(caf::actor_system& system,
                                                std::string_view bytes);

} // namespace muster
