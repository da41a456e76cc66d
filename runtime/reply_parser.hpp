#pragma once

#include "persistence/expected.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// How a client reads HTTP/1.1 replies; pure functions over bytes.

namespace muster {

using http_headers = std::vector<std::pair<std::string, std::string>>;

/// Whether two header names or tokens are the same but for case.
[[nodiscard]] bool same_token(std::string_view lhs,
                              std::string_view rhs) noexcept;

/// A reply's status line and what its headers say about its body.
struct reply_head {
  enum class framing : std::uint8_t { sized, chunked, until_close };

  int status = 0;
  /// Bytes up to and including the empty line.
  std::size_t size = 0;
  framing body = framing::sized;
  /// Of a sized body.
  std::size_t length = 0;
  /// Whether the connection can be used again.
  bool keep_alive = true;
};

/// Reads the head at the beginning of `bytes`: nothing if it is not complete
/// yet, `malformed` if it is not a reply's or exceeds `max_size`. Cheap enough
/// for a load generator: one pass, no allocation.
[[nodiscard]] expected<std::optional<reply_head>>
parse_reply_head(std::string_view bytes,
                 std::size_t max_size = std::size_t{64} << 10);

/// The header lines of a head that `parse_reply_head` has accepted.
[[nodiscard]] http_headers parse_headers(std::string_view head);

/// Takes a chunked body apart as it arrives.
///
///     size -> data -> data_end -> size ... size(0) -> trailer -> done
class chunk_decoder {
public:
  /// Appends what `bytes` hold of the body to `out`. Returns how many bytes
  /// were used: fewer than given only at the body's end. Fails with
  /// `malformed`, or with `result_too_large` when `out` would exceed `limit`.
  [[nodiscard]] expected<std::size_t> feed(std::string_view bytes,
                                           std::string& out, std::size_t limit);

  [[nodiscard]] bool done() const noexcept {
    return state_ == state::done;
  }

private:
  enum class state : std::uint8_t { size, data, data_end, trailer, done };

  [[nodiscard]] expected<void> take_line();

  state state_ = state::size;
  std::size_t left_ = 0;
  /// What has arrived of a size line or a trailer line.
  std::string line_;
};

} // namespace muster
