#pragma once

#include "runtime/shell_commands.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Names of live things, such as queues. May ask a node, and then answers with
/// none rather than late.
using name_source = std::function<std::vector<std::string>(word_kind kind)>;

/// How a line can go on.
struct completion {
  /// What the word can become, in order; none twice. Of options without dashes'
  /// value: `--limit=`.
  std::vector<std::string> candidates;
  /// Where the word begins in the line.
  std::size_t begin = 0;
  /// What stands for it as far as all candidates agree, quoted if it must be;
  /// with a blank after it if there is one only. Empty if there are none.
  std::string replacement;
};

/// Completes the word that ends at the cursor. `left` is the text before it.
[[nodiscard]] completion complete(std::string_view left,
                                  const name_source& names);

} // namespace muster
