#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "runtime/bench_report.hpp"

#include <cstddef>
#include <filesystem>

// What a disk and a journal do without any network, for comparison.

namespace muster {

/// One thread that overwrites blocks of 4 KiB of a file and flushes each.
[[nodiscard]] expected<bench_row>
measure_disk(const std::filesystem::path& directory, millis warm_up,
             millis window);

/// A journal of its own that enqueues jobs of `payload` bytes, one in each
/// command, with `outstanding` commands under way.
[[nodiscard]] expected<bench_row>
measure_journal(const std::filesystem::path& directory, std::size_t outstanding,
                std::size_t payload, millis warm_up, millis window);

} // namespace muster
