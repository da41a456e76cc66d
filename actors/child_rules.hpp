#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// Whether a child that ended is started again.
enum class restart_kind : std::uint8_t {
  /// Always.
  permanent,
  /// After an abnormal end only.
  transient,
  /// Never, not even when a sibling's failure has ended it.
  temporary,
};

enum class child_type : std::uint8_t { worker, supervisor };

[[nodiscard]] std::string_view to_string(child_type type) noexcept;

/// How a child is ended: asked to, and killed when its time is over.
class shutdown_rule {
public:
  /// Asked to, and killed after `limit`.
  template <class Rep, class Period>
  shutdown_rule(std::chrono::duration<Rep, Period> limit) : limit_(limit) {
    // nop
  }

  /// Killed without being asked.
  [[nodiscard]] static shutdown_rule kill() {
    shutdown_rule result{millis{0}};
    result.asks_ = false;
    return result;
  }

  /// Asked to, and waited for as long as it takes.
  [[nodiscard]] static shutdown_rule infinite() {
    shutdown_rule result{millis{0}};
    result.limit_.reset();
    return result;
  }

  /// Whether the child is asked to end before it is killed.
  [[nodiscard]] bool asks() const noexcept {
    return asks_;
  }

  /// None is infinite.
  [[nodiscard]] std::optional<millis> limit() const noexcept {
    return limit_;
  }

private:
  std::optional<millis> limit_;
  bool asks_ = true;
};

/// What a supervisor's decisions need to know of a child.
struct child_rules {
  /// Distinct among the children of a supervisor: 1 to 128 bytes without `/`.
  std::string id;
  /// Whether it is started again when it ends.
  restart_kind restart = restart_kind::permanent;
  /// None: five seconds for a worker, infinite for a supervisor, so that it can
  /// stop its own children.
  std::optional<shutdown_rule> shutdown;
  /// Whether it has children of its own.
  child_type type = child_type::worker;
  /// Its end by itself may end the supervisor: see `auto_shutdown`.
  bool significant = false;
};

/// The rule that holds for the child.
[[nodiscard]] shutdown_rule shutdown_of(const child_rules& rules);

} // namespace muster
