#pragma once

#include "fault_history.hpp"
#include "fault_network.hpp"
#include "fault_node.hpp"
#include "fault_schedule.hpp"
#include "small_disk.hpp"

#include "runtime/http_client.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::fault {

inline constexpr millis node_timeout{1'000};
inline constexpr millis lease_ttl{4'000};

/// A worker that is one of several processes of a node has a number behind the
/// node's name, as in `worker-0.2`.
[[nodiscard]] std::string node_of_worker(const std::string& worker);

/// A manager and workers, each in a process of its own, on hosts of their own
/// where the machine allows that, and what can be done to them. Not
/// thread-safe, but for `http_port`.
class fault_cluster {
public:
  /// Everything is kept below `home`. `network` may be null: all nodes are on
  /// this host's loopback then.
  fault_cluster(std::filesystem::path home, std::size_t workers,
                fault_network* network);
  ~fault_cluster();
  fault_cluster(const fault_cluster&) = delete;
  fault_cluster& operator=(const fault_cluster&) = delete;

  /// Starts all nodes.
  [[nodiscard]] expected<void> start();

  void begin(const planned_fault& fault);
  /// Ends it: the node runs, undisturbed, when this returns. Fails if it does
  /// not start.
  [[nodiscard]] expected<void> end(const planned_fault& fault);

  /// Whether `fill_disk` can be done.
  [[nodiscard]] bool has_disks() const;

  /// Where the manager's HTTP is on 127.0.0.1. Thread-safe.
  [[nodiscard]] std::uint16_t http_port() const noexcept {
    return http_port_;
  }

  /// Whether every worker is known to the manager, ready and connected.
  [[nodiscard]] bool whole();

  /// All nodes, the manager last, by SIGTERM. Fails if one did not end well.
  [[nodiscard]] expected<void> stop();

  [[nodiscard]] const std::vector<fault_record>& faults() const noexcept {
    return faults_;
  }

  /// What the external command has written.
  [[nodiscard]] std::string run_log() const;

  [[nodiscard]] std::filesystem::path manager_data() const;
  [[nodiscard]] fault_node& manager() noexcept {
    return *manager_;
  }
  [[nodiscard]] fault_node& worker(std::size_t i) noexcept {
    return *workers_.at(i);
  }

private:
  void add_manager();
  void add_worker(std::size_t i);
  [[nodiscard]] expected<void> start_manager(bool move);
  [[nodiscard]] expected<void> start_worker(std::size_t i);
  void fill_disk(std::size_t i);
  [[nodiscard]] std::filesystem::path ballast(std::size_t i) const;

  std::filesystem::path home_;
  fault_network* network_;
  std::vector<std::unique_ptr<small_disk>> disks_;
  std::unique_ptr<fault_node> manager_;
  std::vector<std::unique_ptr<fault_node>> workers_;
  std::atomic<std::uint16_t> http_port_{0};
  std::vector<fault_record> faults_;
};

} // namespace muster::fault
