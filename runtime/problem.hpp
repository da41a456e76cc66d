#pragma once

#include "persistence/errc.hpp"
#include "runtime/http_types.hpp"

#include <string_view>

namespace muster {

/// The HTTP status that stands for an error.
[[nodiscard]] int status_of(errc code) noexcept;

/// An answer in the form of RFC 9457, with the error's code as `code`.
[[nodiscard]] http_response problem(const error& reason);

/// The same with another status.
[[nodiscard]] http_response problem(int status, const error& reason);

/// A problem of HTTP itself, without a code of ours.
[[nodiscard]] http_response problem(int status, std::string_view detail);

} // namespace muster
