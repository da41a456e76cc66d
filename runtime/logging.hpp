#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

enum class log_level : std::uint8_t { debug, info, warning, error };

[[nodiscard]] std::optional<log_level>
parse_log_level(std::string_view text) noexcept;

/// Writes one line an event to standard error. Thread-safe.
///
///     2026-01-31T12:00:00.000Z info  journal opened directory=/var/lib/muster
///     {"ts":"2026-...","level":"info","event":"journal
///     opened","directory":...}
class logger {
public:
  using field = std::pair<std::string_view, std::string>;
  using fields = std::initializer_list<field>;

  logger(log_level least, bool json) : least_(least), json_(json) {
    // nop
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
  log_level least_;
  bool json_;
};

} // namespace muster
