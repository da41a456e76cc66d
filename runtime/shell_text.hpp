#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Text of strangers on a terminal. Pure functions.

namespace muster {

/// The text with everything that could steer a terminal or deceive its reader
/// made visible: control characters become `\n`, `\t`, `\x1b`; marks that
/// change the direction of writing and invisible characters `\u{202e}`; bytes
/// that are not UTF-8 `\xff`.
[[nodiscard]] std::string printable(std::string_view text);

/// How many columns of a terminal a text takes that is `printable`.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

/// At most `width` columns of a text that is `printable`; what was cut is shown
/// by an ellipsis at the end, `…` or, if that must not be, `~`.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width,
                              bool unicode);

/// Lines of at most `width` columns, broken at spaces where there are some. At
/// least one.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text,
                                            std::size_t width);

/// Bytes for a reader: as text, its lines kept, if it is some; else as a dump
/// in hexadecimal, 16 bytes a line.
[[nodiscard]] std::string show_bytes(std::string_view bytes);

/// Whether `show_bytes` shows it as text.
[[nodiscard]] bool is_text(std::string_view bytes) noexcept;

} // namespace muster
