#pragma once

#include "actors/handler.hpp"
#include "actors/worker_info.hpp"
#include "persistence/histogram.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// What a node's worker counts, over restarts of its actor. Counters are
/// lock-free; the set of handlers is fixed at construction.
class worker_metrics {
public:
  using counter = std::atomic<std::uint64_t>;

  struct handler_entry {
    /// Null for the entry of jobs whose handler is unknown.
    const handler_function* function = nullptr;
    counter started{0};
    counter succeeded{0};
    counter failed{0};
    counter timed_out{0};
    counter cancelled{0};
    counter released{0};
    histogram run_us;
  };

  explicit worker_metrics(std::shared_ptr<const handler_registry> handlers);

  /// The entry of a handler, or the one for unknown handlers.
  [[nodiscard]] handler_entry& entry(std::string_view handler) noexcept;

  [[nodiscard]] worker_counters read() const;

  counter stuck_total{0};
  counter stuck{0};
  counter outcome_batches{0};
  counter outcome_batches_resent{0};
  counter outcomes_acknowledged{0};
  counter outcomes_stale{0};

private:
  std::shared_ptr<const handler_registry> handlers_;
  std::map<std::string, handler_entry, std::less<>> entries_;
  handler_entry unknown_;
};

/// Adds one without ordering anything.
inline void count(worker_metrics::counter& what, std::uint64_t n = 1) noexcept {
  what.fetch_add(n, std::memory_order_relaxed);
}

} // namespace muster
