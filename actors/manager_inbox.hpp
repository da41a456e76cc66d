#pragma once

#include "actors/caf_helpers.hpp"
#include "persistence/command.hpp"
#include "persistence/state_machine.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace muster {

class manager_state;

/// Where the journal's callbacks leave what the manager should know, and wake
/// it. Thread-safe; outlives the manager, since callbacks do.
class manager_inbox {
public:
  using task = std::function<void(manager_state&)>;

  struct delivery {
    /// Which demand it is for.
    std::uint64_t demand = 0;
    std::vector<leased_job> jobs;
  };

  struct contents {
    std::vector<delivery> deliveries;
    /// To be run behind the deliveries, in order.
    std::vector<task> tasks;
  };

  void open(caf::actor manager);

  /// Takes nothing more. Yields what was not taken.
  [[nodiscard]] contents close();

  /// False, with `jobs` as it was, if the inbox is closed.
  [[nodiscard]] bool deliver(std::uint64_t demand,
                             std::vector<leased_job>& jobs);

  /// Dropped if the inbox is closed.
  void post(task fn);

  [[nodiscard]] contents take();

private:
  std::mutex mutex_;
  bool closed_ = false;
  contents contents_;
  doorbell bell_;
};

/// Passes on which leases the journal revoked, and which queues were paused, to
/// whichever manager runs at the moment. Thread-safe.
class revocation_feed {
public:
  using listener
    = std::function<void(const std::vector<effects::revoked_lease>& revoked,
                         const std::vector<std::string>& paused)>;

  void subscribe(listener fn);
  void publish(const std::vector<effects::revoked_lease>& revoked,
               const std::vector<std::string>& paused = {});

private:
  std::mutex mutex_;
  listener listener_;
};

} // namespace muster
