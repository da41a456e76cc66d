#pragma once

#include "persistence/expected.hpp"

#include <string>
#include <string_view>

namespace muster {

/// Rewrites text of CAF's configuration syntax so that CAF 0.18 reads it as it
/// is meant: a key with dots, as in
///
///     exec.handlers.wordcount = ["wc", "-w"]
///
/// becomes `exec { handlers { wordcount = ["wc", "-w"] } }`; CAF's own parser
/// drops such an entry without a word. Lines stay where they are. Everything
/// else is left to CAF, except that an opened brace, bracket or string that is
/// not closed is refused (CAF passes over these too); the error names its line.
[[nodiscard]] expected<std::string> expand_dotted_keys(std::string_view text);

} // namespace muster
