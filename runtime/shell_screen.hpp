#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// What a text means; how it looks follows from that.
enum class tone : std::uint8_t { plain, strong, dim, good, warning, bad };

/// What the place where text goes can show.
struct screen {
  /// Columns; 0 is no limit.
  std::size_t width = 0;
  std::size_t height = 24;
  bool colour = false;
  bool unicode = true;
  /// Whether the cursor can be moved.
  bool steerable = false;
};

/// A text in its colour. The text is `printable`.
[[nodiscard]] std::string paint(std::string_view text, tone how,
                                const screen& on);

/// What a state's name means, such as `running`, `dead` or `lost`.
[[nodiscard]] tone tone_of_state(std::string_view state) noexcept;

/// What the environment says of a terminal; null where a variable is not set.
struct screen_environment {
  const char* term = nullptr;
  const char* no_color = nullptr;
  const char* lc_all = nullptr;
  const char* lc_ctype = nullptr;
  const char* lang = nullptr;
};

/// Colour only on terminals that are not dumb, and never with a NO_COLOR that
/// is not empty. Unicode on terminals if the locale is UTF-8, and elsewhere.
/// `columns` and `rows` are 0 where there is no terminal.
[[nodiscard]] screen describe_screen(const screen_environment& env,
                                     bool terminal, std::size_t columns,
                                     std::size_t rows);

/// The screen behind a file descriptor of this process, as it is now.
[[nodiscard]] screen look_at_screen(int fd);

} // namespace muster
