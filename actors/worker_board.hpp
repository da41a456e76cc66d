#pragma once

#include "actors/worker_info.hpp"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace muster {

/// Where a manager writes for everybody to read what it knows of its workers.
/// Thread-safe.
class worker_board {
public:
  void publish(std::vector<worker_info> workers) {
    std::lock_guard guard{mutex_};
    workers_ = std::move(workers);
  }

  [[nodiscard]] std::vector<worker_info> workers() const {
    std::lock_guard guard{mutex_};
    return workers_;
  }

  void set_serving(bool serving) noexcept {
    serving_ = serving;
  }

  /// Whether the manager has its journal.
  [[nodiscard]] bool serving() const noexcept {
    return serving_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<worker_info> workers_;
  std::atomic<bool> serving_{false};
};

} // namespace muster
