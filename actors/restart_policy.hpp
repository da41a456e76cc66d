#pragma once

#include "actors/child_rules.hpp"
#include "persistence/job.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

namespace muster {

/// Which children are started again when one has failed.
enum class restart_strategy : std::uint8_t {
  /// That child.
  one_for_one,
  /// All children.
  one_for_all,
  /// That child and those that were started after it.
  rest_for_one,
  /// That child, one of any number that are made from one specification while
  /// the supervisor runs.
  simple_one_for_one,
};

[[nodiscard]] std::string_view to_string(restart_strategy strategy) noexcept;

/// When a supervisor ends because significant children have ended by
/// themselves, and are not restarted.
enum class auto_shutdown : std::uint8_t {
  never,
  /// After the first of them.
  any_significant,
  /// After the last of them.
  all_significant,
};

struct supervision_options {
  restart_strategy strategy = restart_strategy::one_for_one;
  /// More restarts than this within `period`, and the supervisor gives up.
  std::uint32_t max_restarts = 10;
  millis period{60'000};
  /// The pause before a restart, by how often the child failed in a row.
  backoff_policy backoff{millis{50}, millis{5'000}, 2.0, 0.2};
  /// A child that ran for so long starts its row anew.
  millis quiet{30'000};
  auto_shutdown shutdown = auto_shutdown::never;
};

/// Whether a child that has ended is started again, and when. Pure: time and
/// chance are arguments.
class restart_policy {
public:
  using time_point = std::chrono::steady_clock::time_point;

  enum class verdict : std::uint8_t {
    /// The child stays down, and that is fine.
    leave,
    /// It is started again after a pause.
    restart,
    /// There were too many restarts.
    give_up,
  };

  struct decision {
    verdict what = verdict::leave;
    millis delay{0};
  };

  /// What a child's next pause depends on.
  struct history {
    std::uint32_t failures_in_row = 0;
    /// None: it has not come up since it ended.
    std::optional<time_point> up_since;
  };

  explicit restart_policy(supervision_options options) : options_(options) {
    // nop
  }

  /// A child has ended, or could not be started again (which is not normal).
  /// One call is one event, however many children are restarted for it.
  /// `chance` is from [0, 1) and spreads the delay.
  [[nodiscard]] decision on_end(restart_kind kind, bool normal, history& child,
                                time_point now, double chance);

  /// A child has ended because it was to.
  void on_stop(history& child, time_point now) const;

private:
  [[nodiscard]] bool exceeds_intensity(time_point now);
  [[nodiscard]] millis delay_of(history& child, double chance) const;

  supervision_options options_;
  std::deque<time_point> restarts_;
};

} // namespace muster
