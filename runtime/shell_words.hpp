#pragma once

#include "persistence/expected.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// The shell's grammar, without a terminal:
//
//     line    := command { ";" command } [ "#" comment ]
//     command := { word }
//     word    := { plain | "\" any | "'" text "'" | '"' text with \ '"' }

namespace muster {

using shell_words = std::vector<std::string>;

/// Takes a line apart into commands of at least one word each. Errors:
/// `invalid_argument` for a quote that is not closed.
[[nodiscard]] expected<std::vector<shell_words>>
split_commands(std::string_view line);

/// The word that a cursor stands at the end of.
struct word_at_cursor {
  /// The words of the same command before it.
  shell_words before;
  /// What there is of it, without quotes.
  std::string part;
  /// Where it begins in the line, with its quote.
  std::size_t begin = 0;
};

/// Looks at the text to the left of a cursor; a quote may be open.
[[nodiscard]] word_at_cursor find_word(std::string_view left);

/// Writes a word so that `split_commands` reads it back as one.
[[nodiscard]] std::string quote_word(std::string_view word);

} // namespace muster
