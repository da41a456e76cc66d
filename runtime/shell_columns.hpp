#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

// Characters as a terminal shows them. Pure functions, whatever the locale is.

namespace muster {

/// Columns of one character that is visible: 0 for marks that combine with the
/// one before, 2 for wide ones, else 1.
[[nodiscard]] std::size_t columns_of(char32_t c) noexcept;

/// Control characters, those that change the direction of writing, and others
/// that a reader cannot see, or of private use.
[[nodiscard]] bool is_invisible(char32_t c) noexcept;

/// Takes the first character away; nothing if the text is empty or does not
/// begin with one in UTF-8.
[[nodiscard]] std::optional<char32_t>
take_character(std::string_view& text) noexcept;

} // namespace muster
