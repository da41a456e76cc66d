#pragma once

#include "actors/messages.hpp"

#include <cstddef>
#include <vector>

namespace muster {

namespace limits {

/// Payloads and results in one message between nodes: what is sent behind such
/// a message waits that long. One job or outcome may exceed it alone.
inline constexpr std::size_t node_message_bytes = std::size_t{1} << 20;

} // namespace limits

/// Deals `jobs` out, in their order, to messages of at most `max_bytes` and at
/// least one job each. Names and fixed fields are counted as well as payloads.
/// Moves, never copies; no message for no jobs. Pure.
[[nodiscard]] std::vector<lease_batch>
split_leases(std::vector<leased_job> jobs, std::size_t max_bytes);

} // namespace muster
