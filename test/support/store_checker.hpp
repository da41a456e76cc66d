#pragma once

#include "persistence/store.hpp"

#include <string>
#include <vector>

namespace muster {

/// Looks through a whole store and tells everything in it that contradicts
/// something else: counters against tables, indexes against jobs, timers
/// against what they are for. Empty is good.
[[nodiscard]] std::vector<std::string> check_store(const store& db);

} // namespace muster
