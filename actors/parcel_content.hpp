#pragma once

#include "actors/messages.hpp"
#include "persistence/expected.hpp"

#include <caf/byte_buffer.hpp>

#include <cstddef>
#include <string_view>

namespace muster {

// What is in a parcel: one message, as CAF writes it.

/// How many bytes a message takes between nodes, at most some more.
[[nodiscard]] std::size_t bytes_of(const leased_job& job) noexcept;
[[nodiscard]] std::size_t bytes_of(const lease_batch& msg) noexcept;
[[nodiscard]] std::size_t bytes_of(const outcome_batch& msg) noexcept;

/// Never empty.
[[nodiscard]] caf::byte_buffer to_parcel(const lease_batch& msg);
[[nodiscard]] caf::byte_buffer to_parcel(const outcome_batch& msg);

/// Errors: `malformed`.
[[nodiscard]] expected<lease_batch> read_leases(std::string_view content);
[[nodiscard]] expected<outcome_batch> read_outcomes(std::string_view content);

/// Whether a message of this size travels as a parcel.
[[nodiscard]] bool needs_parcel(std::size_t bytes) noexcept;

} // namespace muster
