#pragma once

#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "persistence/expected.hpp"

#include <caf/message.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

namespace muster {

struct outbox_keeper_options {
  std::filesystem::path directory;
  /// Of outcomes that are kept; past it `is_full`.
  std::size_t max_bytes = std::size_t{256} << 20;
  /// After the disk has refused.
  millis retry_pause{500};
  event_sink log;
};

/// Has a worker's outcomes on disk until its manager has them, on a thread of
/// its own: all that has come while a write was under way makes the next one.
/// An outcome that was acknowledged meanwhile is not written at all. What the
/// disk refuses stays in memory and is tried again.
///
/// Thread-safe. Outlives the worker actors that use it one after the other.
class outbox_keeper {
public:
  /// Errors: those of `outbox_store::open` and `load`.
  [[nodiscard]] static expected<std::shared_ptr<outbox_keeper>>
  open(outbox_keeper_options options);

  /// Writes what is left, once.
  ~outbox_keeper();
  outbox_keeper(const outbox_keeper&) = delete;
  outbox_keeper& operator=(const outbox_keeper&) = delete;

  /// What was kept before and not removed since, in batches for a worker that
  /// begins.
  [[nodiscard]] std::vector<std::vector<attempt_outcome>> unacknowledged();

  /// `batch` holds an `outcome_batch`, which is not copied. Outcomes that tell
  /// nothing (`released`) are not kept.
  void keep(caf::message batch);

  /// The manager has them.
  void remove(const caf::message& batch);

  /// Whether so much is kept that no more should be begun.
  [[nodiscard]] bool is_full() const noexcept;

  struct figures {
    std::size_t outcomes = 0;
    std::size_t bytes = 0;
    /// Whether the disk refused the last write.
    bool refused = false;
    /// Of the outcomes, those that a killed process would leave behind.
    std::size_t on_disk = 0;
  };
  [[nodiscard]] figures look() const;

  /// Returns when all that was said before is on disk, or refused.
  void flush();

private:
  struct impl;
  explicit outbox_keeper(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
