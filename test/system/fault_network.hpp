#pragma once

#include "persistence/expected.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fault {

/// Hosts in a box: a bridge, which the manager sits at, and a network namespace
/// for each worker with a cable to the bridge. Nothing of it is seen outside,
/// and all of it is gone when its owner and the processes in it are.
///
/// The thread that makes it moves into it, and so do the threads and processes
/// that this thread starts afterwards. Needs root, iproute2 and nsenter. Not
/// thread-safe.
class fault_network {
public:
  /// Fails with the reason in a sentence where the machine does not allow it.
  [[nodiscard]] static expected<std::unique_ptr<fault_network>>
  create(std::size_t workers);

  /// Moves its thread back.
  ~fault_network();
  fault_network(const fault_network&) = delete;
  fault_network& operator=(const fault_network&) = delete;

  [[nodiscard]] std::string manager_address() const;
  [[nodiscard]] std::string worker_address(std::size_t worker) const;

  /// What a command begins with to run on a worker's host.
  [[nodiscard]] std::vector<std::string> prefix(std::size_t worker) const;

  // Each is undone by `heal`.

  void cut(std::size_t worker);
  /// Only what it sends to the manager is lost.
  void cut_to_manager(std::size_t worker);
  /// Only what the manager sends to it is lost.
  void cut_from_manager(std::size_t worker);
  /// 100 ms and a tenth of all packets; where the kernel has no netem, so
  /// little bandwidth that packets wait and are dropped.
  void slow(std::size_t worker);
  void heal(std::size_t worker);

  /// Whether `slow` is done with netem.
  [[nodiscard]] bool has_netem() const noexcept {
    return netem_;
  }

private:
  fault_network() = default;

  [[nodiscard]] bool set_up(std::size_t workers);
  /// Whether all commands of the script succeed.
  bool run(std::string_view script) const;
  [[nodiscard]] std::string inside(std::size_t worker) const;

  /// Where the thread came from.
  int home_ = -1;
  std::vector<int> hosts_;
  bool netem_ = false;
};

} // namespace muster::fault
