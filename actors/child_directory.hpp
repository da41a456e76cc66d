#pragma once

#include "actors/supervisor_info.hpp"
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
/// by its name who it is at the moment. A name is the path of supervisors down
/// to the child, such as `node/journal`. Also tells the world how the
/// supervisors fare. Thread-safe.
class child_directory {
public:
  /// Null while the child is down. A name without `/` is an id alone, which
  /// finds a child of any supervisor.
  [[nodiscard]] caf::actor find(std::string_view name) const;

  /// The names of all children that are up or down for a while.
  [[nodiscard]] std::vector<std::string> names() const;

  /// Null: the child is down for a while.
  void put(const std::string& name, caf::actor child);

  /// The child is no more.
  void remove(const std::string& name);

  void publish(supervisor_info info);

  /// A supervisor is no more; its counters stay.
  void withdraw(const std::string& supervisor);

  /// Those that run, by path.
  [[nodiscard]] std::vector<supervisor_info> supervisors() const;

  /// Adds to the counters of a child; of a supervisor itself if `child` is
  /// empty.
  void count(const std::string& supervisor, const std::string& child,
             const child_counters& more);

  /// By supervisor and child.
  [[nodiscard]] std::vector<child_counters> counters() const;

  /// The top supervisor has given up.
  void set_failure(error reason);

  [[nodiscard]] std::optional<error> failure() const;

private:
  using child_key = std::pair<std::string, std::string>;

  mutable std::mutex mutex_;
  std::map<std::string, caf::actor, std::less<>> children_;
  std::map<std::string, supervisor_info, std::less<>> supervisors_;
  std::map<child_key, child_counters> counters_;
  std::optional<error> failure_;
};

} // namespace muster
