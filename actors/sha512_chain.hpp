#pragma once

#include "actors/handler.hpp"
#include "persistence/expected.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

// The handler `sha512`. Its payload:
//
//     work := msgpack map { "iterations": integer >= 1, "buffer": bin or str }
//
// Other keys are ignored, so that a client may add its own.

struct sha512_work {
  std::uint64_t iterations = 0;
  /// A view into the payload.
  std::string_view buffer;
};

/// Fails with `malformed`.
[[nodiscard]] expected<sha512_work> parse_sha512_work(std::string_view payload);

/// SHA-512 applied `iterations` times, first to the buffer, then to each
/// digest; the last digest's 64 bytes. Reports progress in percent, and stops
/// soon after `ctx` asks for it.
[[nodiscard]] expected<std::string> run_sha512_work(const sha512_work& work,
                                                    job_context& ctx);

} // namespace muster
