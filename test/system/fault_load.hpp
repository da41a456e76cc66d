#pragma once

#include "fault_history.hpp"

#include "runtime/http_client.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::fault {

/// Clients that enqueue into `inside` (the external command of workers) and
/// `outside`, workers outside that serve `outside` over HTTP, and a clock that
/// notices when the machine stands still. They go on through whatever happens,
/// and keep what they were told.
class fault_load {
public:
  /// `port` is where the manager is on 127.0.0.1 now; called by all threads.
  fault_load(std::uint64_t seed, std::size_t outside_workers,
             std::function<std::uint16_t()> port);
  ~fault_load();
  fault_load(const fault_load&) = delete;
  fault_load& operator=(const fault_load&) = delete;

  /// No more new jobs; returns when those that were sent are acknowledged.
  void stop_enqueueing();

  /// Ends all threads.
  void stop();

  /// What was told so far; to be called once stopped.
  void move_to(history& to);

private:
  /// One thread's view of the manager.
  class manager_client;

  void enqueue_to(const std::string& queue, std::uint64_t seed);
  void work(std::uint64_t seed, const std::string& name);
  void work_on(manager_client& manager, std::uint64_t choice,
               const grant_record& lease, std::uint64_t number);
  void watch_clock();

  verdict settle(manager_client& manager, request_kind kind,
                 const grant_record& lease, std::string_view body);
  void pause(millis time) const;

  std::function<std::uint16_t()> port_;
  std::atomic<bool> enqueueing_{true};
  std::atomic<bool> working_{true};

  std::mutex mutex_;
  /// Guarded.
  history told_;

  std::vector<std::thread> enqueuers_;
  std::vector<std::thread> workers_;
};

} // namespace muster::fault
