#pragma once

#include "persistence/errc.hpp"

#include <tl/expected.hpp>

namespace muster {

/// A value or the reason why there is none.
template <class T>
using expected = tl::expected<T, error>;

/// Wraps an error for returning it from a function that yields `expected`.
[[nodiscard]] inline tl::unexpected<error> fail_with(errc code) {
  return tl::unexpected<error>{error{code}};
}

[[nodiscard]] inline tl::unexpected<error> fail_with(errc code,
                                                     std::string message) {
  return tl::unexpected<error>{error{code, std::move(message)}};
}

} // namespace muster
