#pragma once

#include "actors/node_hello.hpp"
#include "persistence/job.hpp"

#include <caf/actor.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// A node as this one sees it.
struct node_info {
  known_node node;
  std::string incarnation;
  /// `self`, `connected`, `lost`: it was connected before, or `known`: others
  /// told of it, or an earlier run did.
  std::string state;
  /// Of the state. This and the times below are zero for one that is only
  /// known.
  timestamp since;
  timestamp started;
  /// When it last told of itself.
  timestamp last_heard;
  /// The machine's load average over one minute.
  double load = 0;
  /// How often it came back with another incarnation.
  std::uint64_t restarts = 0;
  /// Where its HTTP is, `HOST:PORT`; empty: it has not told.
  std::string http;
  /// Where it takes requests of other nodes; null: it is not connected.
  caf::actor gate;
};

/// Where the cluster actor writes for everybody to read what it knows.
/// Thread-safe.
class cluster_board {
public:
  /// Who takes hellos at the moment.
  void set_link(caf::actor link) {
    // An actor may end with its last handle: not under the lock.
    std::lock_guard guard{mutex_};
    std::swap(link_, link);
  }

  [[nodiscard]] caf::actor link() const {
    std::lock_guard guard{mutex_};
    return link_;
  }

  /// A manager on another node; null while none is connected.
  void set_manager(caf::actor manager) {
    std::lock_guard guard{mutex_};
    std::swap(manager_, manager);
  }

  [[nodiscard]] caf::actor manager() const {
    std::lock_guard guard{mutex_};
    return manager_;
  }

  /// Who answers what others ask of this node.
  void set_inspector(caf::actor inspector) {
    std::lock_guard guard{mutex_};
    std::swap(inspector_, inspector);
  }

  [[nodiscard]] caf::actor inspector() const {
    std::lock_guard guard{mutex_};
    return inspector_;
  }

  /// Where this node's HTTP is, `HOST:PORT`. Others are told.
  void set_http(std::string at) {
    std::lock_guard guard{mutex_};
    http_ = std::move(at);
    if (!nodes_.empty())
      nodes_.front().http = http_;
  }

  [[nodiscard]] std::string http() const {
    std::lock_guard guard{mutex_};
    return http_;
  }

  void publish(std::vector<node_info> nodes) {
    std::lock_guard guard{mutex_};
    std::swap(nodes_, nodes);
  }

  /// This node first, then by name.
  [[nodiscard]] std::vector<node_info> nodes() const {
    std::lock_guard guard{mutex_};
    return nodes_;
  }

private:
  mutable std::mutex mutex_;
  caf::actor link_;
  caf::actor manager_;
  caf::actor inspector_;
  std::string http_;
  std::vector<node_info> nodes_;
};

} // namespace muster
