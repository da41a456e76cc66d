#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// One job of the demo: what is sent, and what must come back.
struct demo_job {
  enum class kind : std::uint8_t {
    /// SHA-512, some thousand times over.
    digest,
    /// The command `sort`.
    sort,
    /// The command `wc -c`.
    count,
  };

  kind what = kind::digest;
  std::string input;
  /// Of a digest.
  std::uint64_t iterations = 0;
};

/// The same jobs for the same numbers, in every run.
[[nodiscard]] demo_job make_digest_job(std::uint64_t number,
                                       std::uint64_t mean_iterations);
[[nodiscard]] demo_job make_command_job(std::uint64_t number);

/// What the job's result must be; of a digest 64 bytes. Takes as long as the
/// work itself.
[[nodiscard]] std::string expected_result(const demo_job& job);

/// SHA-512, `iterations` times: first of the buffer, then of each digest.
[[nodiscard]] std::string repeated_sha512(std::string_view buffer,
                                          std::uint64_t iterations);

/// How many digests of digests one thread makes in a second.
[[nodiscard]] double measure_digest_rate();

} // namespace muster
