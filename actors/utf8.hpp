#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace muster {

/// The text with everything that is not UTF-8 replaced by U+FFFD, so that it
/// can be shown and written as JSON. Control characters stay.
[[nodiscard]] std::string clean_utf8(std::string_view text);

/// At most the last `max` bytes, beginning with a whole character.
[[nodiscard]] std::string_view utf8_tail(std::string_view text,
                                         std::size_t max) noexcept;

/// At most the first `max` bytes, ending with a whole character.
[[nodiscard]] std::string_view utf8_head(std::string_view text,
                                         std::size_t max) noexcept;

/// What the store takes of an error's or progress text: UTF-8, and at most
/// `limits::text` bytes of it.
[[nodiscard]] std::string clean_text(std::string_view text);

} // namespace muster
