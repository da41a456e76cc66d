#pragma once

#include <caf/fwd.hpp>

#include <cstddef>
#include <string>

namespace muster {

/// A message for people, cut after `max` characters. Looks at no more of the
/// message than it shows, however large that is.
[[nodiscard]] std::string message_text(const caf::message& what,
                                       std::size_t max);

} // namespace muster
