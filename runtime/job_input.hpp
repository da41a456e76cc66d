#pragma once

#include "persistence/command.hpp"
#include "persistence/expected.hpp"
#include "runtime/http_text.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// Jobs that came as text or msgpack, with what their views look into; only
/// `queue` looks elsewhere. Not to be moved while the command is in use.
struct job_batch {
  enqueue_command command;
  std::string body;
  /// Text that does not stand in the body as it is. Reserved for the size of
  /// the body, which it cannot exceed, so that views into it last.
  std::string decoded;
};

/// Reads the options of one job from a query; the payload is the caller's. The
/// names that it knows are `job_option_names`. `storage` keeps decoded text.
[[nodiscard]] expected<new_job> job_from_query(const query_parameters& query,
                                               std::string_view queue);

/// Reads one JSON object a line: `payload` or `payload_base64`, and the options
/// of a job. The error names the line.
[[nodiscard]] expected<std::unique_ptr<job_batch>>
jobs_from_ndjson(std::string body, std::string_view queue,
                 std::size_t max_payload);

/// Reads a msgpack array of maps with the same members; `payload` may be
/// binary.
[[nodiscard]] expected<std::unique_ptr<job_batch>>
jobs_from_msgpack(std::string body, std::string_view queue,
                  std::size_t max_payload);

} // namespace muster
