#pragma once

#include "persistence/expected.hpp"
#include "runtime/reply_parser.hpp"
#include "runtime/shell_call.hpp"

#include <string>
#include <string_view>

namespace muster {

/// What a node is asked.
struct shell_request {
  std::string method = "GET";
  std::string target;
  std::string body;
  http_headers headers;
};

/// The request that a command is, for all that are one request. Errors:
/// `invalid_argument`, for values that only fit some settings.
[[nodiscard]] expected<shell_request> to_request(const shell_call& call);

/// Of `enqueue`, with a payload that was read already. The key makes it safe to
/// send it twice.
[[nodiscard]] shell_request enqueue_request(const shell_call& call,
                                            std::string payload,
                                            std::string_view key);

/// Of `trace`: begins one.
[[nodiscard]] shell_request trace_request(const shell_call& call);

/// Of `log`: what there is, without how much of it and since when.
[[nodiscard]] shell_request log_request(const shell_call& call);

/// Of `log --set`.
[[nodiscard]] shell_request log_level_request(const shell_call& call);

/// Writes a text as one segment of a path or one value of a query.
[[nodiscard]] std::string percent_encode(std::string_view text);

} // namespace muster
