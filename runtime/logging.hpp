#pragma once

#include "runtime/log_ring.hpp"

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

[[nodiscard]] std::optional<log_level>
parse_log_level(std::string_view text) noexcept;

/// Writes one line an event to standard error, and keeps the last ones.
/// Thread-safe.
///
///     2026-01-31T12:00:00.000Z info  journal opened directory=/var/lib/muster
///     {"ts":"2026-...","level":"info","event":"journal
///     opened","directory":...}
class logger {
public:
  using field = std::pair<std::string_view, std::string>;
  using fields = std::initializer_list<field>;

  logger(log_level least, bool json)
    : ring_(std::make_shared<log_ring>(least)), json_(json) {
    // nop
  }

  /// The last lines, and what is logged.
  [[nodiscard]] const std::shared_ptr<log_ring>& ring() const noexcept {
    return ring_;
  }

  void log(log_level level, std::string_view event, fields with = {}) const {
    log(level, event, std::span{with.begin(), with.size()});
  }

  void log(log_level level, std::string_view event,
           std::span<const field> with) const;

  void info(std::string_view event, fields with = {}) const {
    log(log_level::info, event, with);
  }

  void warning(std::string_view event, fields with = {}) const {
    log(log_level::warning, event, with);
  }

  void error(std::string_view event, fields with = {}) const {
    log(log_level::error, event, with);
  }

  /// The line without its end.
  [[nodiscard]] static std::string render(bool json, std::string_view time,
                                          log_level level,
                                          std::string_view event,
                                          std::span<const field> with);

private:
  std::shared_ptr<log_ring> ring_;
  bool json_;
};

} // namespace muster
