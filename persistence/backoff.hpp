#pragma once

#include "persistence/job.hpp"

#include <cstdint>

namespace muster {

/// How long a job waits after its `failures`-th failed attempt. The jitter
/// comes from the job's id and the attempt alone, so that every replica
/// computes the same pause.
[[nodiscard]] millis backoff_after(const backoff_policy& policy,
                                   std::uint32_t failures, lease_token token);

} // namespace muster
