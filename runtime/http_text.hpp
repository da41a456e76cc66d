#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Text of HTTP and JSON; pure functions.

namespace muster {

/// Decodes percent escapes; nothing for a broken one. `+` is left as it is.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// The parameters of a query, decoded. Every parameter must be asked for, so
/// that a misspelt one is not silently ignored.
class query_parameters {
public:
  /// Fails with `invalid_argument` on broken escapes, on a name given twice and
  /// on more than `max_count`.
  [[nodiscard]] static expected<query_parameters> parse(std::string_view query);

  [[nodiscard]] std::optional<std::string_view>
  find(std::string_view name) const;

  /// Fails if there is a parameter that is not in `known`.
  [[nodiscard]] expected<void>
  allow_only(std::initializer_list<std::string_view> known) const;

  /// A whole number within bounds.
  [[nodiscard]] expected<std::uint64_t> number(std::string_view name,
                                               std::uint64_t fallback,
                                               std::uint64_t min,
                                               std::uint64_t max) const;
  [[nodiscard]] expected<millis> duration(std::string_view name,
                                          millis fallback) const;

  static constexpr std::size_t max_count = 32;

private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// A whole number without sign, within bounds.
[[nodiscard]] std::optional<std::uint64_t>
parse_unsigned(std::string_view text) noexcept;

/// Appends `text` as a JSON string with its quotes; bytes that are not UTF-8
/// become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// RFC 3339 in UTC with milliseconds.
[[nodiscard]] std::string format_time(timestamp at);

/// RFC 9110's date, for the `Date` header.
[[nodiscard]] std::string format_http_date(timestamp at);

[[nodiscard]] std::string base64_encode(std::string_view bytes);
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);
[[nodiscard]] std::string hex_encode(std::string_view bytes);

} // namespace muster
