#pragma once

#include "persistence/job.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// How the process of a worker ended, as its parent process saw it.
struct worker_end {
  /// Such as `worker died: signal 11`.
  std::string reason;
  /// What it ran, so far as is known.
  std::vector<lease_token> running;
  /// Whose outcomes are on its disk: its next incarnation reports them.
  std::vector<lease_token> kept;
  /// Whether `running` is all that ran.
  bool complete = false;
};

/// Joins the two halves of the news of a worker's end, which come in any order:
/// that its connection is gone, and what its parent process tells. No I/O; time
/// is an argument.
class worker_ends {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// What to do with the leases of a worker that is gone.
  struct verdict {
    std::string reason;
    /// These attempts failed, for the reason.
    std::vector<lease_token> failed;
    /// These were not begun.
    std::vector<lease_token> not_begun;
    /// Their outcomes will come.
    std::vector<lease_token> kept;
  };

  /// How long one half waits for the other.
  static constexpr std::chrono::milliseconds patience{1'000};

  /// A worker's connection is gone, with these leases. None: wait.
  [[nodiscard]] std::optional<verdict> on_gone(const std::string& name,
                                               const std::string& incarnation,
                                               std::vector<lease_token> leases,
                                               time_point now);

  /// Its parent tells how it ended. None: wait.
  [[nodiscard]] std::optional<verdict> on_told(const std::string& name,
                                               const std::string& incarnation,
                                               worker_end end, time_point now);

  /// Gives up on halves that waited long enough: leases of workers whose parent
  /// tells nothing, which is as if all of them had been running.
  [[nodiscard]] std::vector<verdict> take_overdue(time_point now);

private:
  using worker_key = std::pair<std::string, std::string>;

  struct half {
    time_point until;
    std::vector<lease_token> leases;
    /// None: the connection is gone, and nothing was told.
    std::optional<worker_end> end;
  };

  std::map<worker_key, half> halves_;
};

} // namespace muster
