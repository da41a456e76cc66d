#pragma once

#include "persistence/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace muster {

/// Which children are started again when one has failed.
enum class restart_strategy : std::uint8_t {
  /// That child.
  one_for_one,
  /// All children.
  one_for_all,
  /// That child and those that were started after it.
  rest_for_one,
};

[[nodiscard]] std::string_view to_string(restart_strategy strategy) noexcept;

/// Whether a child that ended is started again.
enum class restart_kind : std::uint8_t {
  /// Always.
  permanent,
  /// After an abnormal end only.
  transient,
  /// Never, not even when a sibling's failure has ended it.
  temporary,
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
};

/// What a supervisor does when a child has ended. Pure: time and chance are
/// arguments; children are numbered in the order in which they start.
class restart_policy {
public:
  using time_point = std::chrono::steady_clock::time_point;

  enum class verdict : std::uint8_t {
    /// The child stays down, and that is fine.
    leave,
    /// Stop the children in `stop`, wait for `delay`, start those in `start`.
    restart,
    /// Stop everything and fail.
    give_up,
  };

  struct decision {
    verdict what = verdict::leave;
    /// In the order in which to stop them: the last started first. Without the
    /// one that has ended. Some may be down already.
    std::vector<std::size_t> stop;
    /// In the order in which to start them.
    std::vector<std::size_t> start;
    millis delay{0};
  };

  restart_policy(supervision_options options, std::vector<restart_kind> kinds);

  /// A child has come up.
  void on_start(std::size_t child, time_point now);

  /// A child has ended, or could not be started (which is not normal). One call
  /// is one event, however many children it concerns. `chance` is from [0, 1)
  /// and spreads the delay.
  [[nodiscard]] decision on_end(std::size_t child, bool normal, time_point now,
                                double chance);

private:
  struct child {
    restart_kind kind = restart_kind::permanent;
    std::uint32_t failures_in_row = 0;
    time_point up_since{};
    bool up = false;
  };

  [[nodiscard]] bool exceeds_intensity(time_point now);
  [[nodiscard]] millis delay_of(child& failed, time_point now, double chance);

  supervision_options options_;
  std::vector<child> children_;
  std::deque<time_point> restarts_;
};

} // namespace muster
