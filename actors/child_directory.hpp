#pragma once

#include "actors/worker_info.hpp"
#include "persistence/errc.hpp"

#include <caf/actor.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// The stable address of supervised children: whoever talks to a child looks up
/// by its id who it is at the moment. Also tells the world how the supervisors
/// fare. Thread-safe.
class child_directory {
public:
  /// Null while the child is down.
  [[nodiscard]] caf::actor find(std::string_view id) const {
    std::lock_guard guard{mutex_};
    auto pos = children_.find(id);
    return pos != children_.end() ? pos->second : caf::actor{};
  }

  void put(const std::string& id, caf::actor child) {
    // An actor may end with its last handle: not under the lock.
    std::lock_guard guard{mutex_};
    std::swap(children_[id], child);
  }

  void publish(supervisor_info info) {
    std::lock_guard guard{mutex_};
    supervisors_.insert_or_assign(info.id, std::move(info));
  }

  [[nodiscard]] std::vector<supervisor_info> supervisors() const {
    std::lock_guard guard{mutex_};
    std::vector<supervisor_info> result;
    for (auto& entry : supervisors_)
      result.push_back(entry.second);
    return result;
  }

  /// The top supervisor has given up.
  void set_failure(error reason) {
    std::lock_guard guard{mutex_};
    failure_ = std::move(reason);
  }

  [[nodiscard]] std::optional<error> failure() const {
    std::lock_guard guard{mutex_};
    return failure_;
  }

private:
  mutable std::mutex mutex_;
  std::map<std::string, caf::actor, std::less<>> children_;
  std::map<std::string, supervisor_info, std::less<>> supervisors_;
  std::optional<error> failure_;
};

} // namespace muster
