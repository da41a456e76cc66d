#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "runtime/demo_workload.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace muster {

/// The figures of a demo, as its last table shows them.
struct demo_figures {
  /// Requests, those that were sent again included.
  std::uint64_t sent = 0;
  /// Jobs whose acceptance was answered.
  std::uint64_t acknowledged = 0;
  /// Requests that got no answer: the job may be there or not.
  std::uint64_t unanswered = 0;
  std::uint64_t finished = 0;
  std::uint64_t wrong_digests = 0;
  std::uint64_t wrong_outputs = 0;
  /// Acknowledged, but not found with a result.
  std::uint64_t lost = 0;
  /// Jobs that finished more than once.
  std::uint64_t recorded_twice = 0;
  /// Jobs that nobody acknowledged nor could have sent unanswered.
  std::uint64_t unexplained = 0;
  /// Jobs that were run again because the node died meanwhile.
  std::uint64_t run_again = 0;
  /// From the kill to the next job that was accepted.
  std::optional<std::chrono::duration<double>> recovery;

  [[nodiscard]] bool good() const noexcept {
    return wrong_digests + wrong_outputs + lost + recorded_twice + unexplained
             == 0
           && recovery && finished > 0;
  }
};

/// Sends the demo's jobs from threads of its own, again and again until each is
/// acknowledged, computes what their results must be, and follows what
/// finishes. Members are to be called from one thread.
class demo_run {
public:
  struct options {
    std::uint64_t digests = 4'000;
    std::uint64_t commands = 200;
    std::uint64_t mean_iterations = 10'000;
    std::size_t senders = 4;
    /// Jobs are held back while so many are unfinished.
    std::uint64_t max_unfinished = 400;
  };

  /// Begins to send to this port of 127.0.0.1.
  demo_run(options what, std::uint16_t port);

  /// Ends its threads.
  ~demo_run();
  demo_run(const demo_run&) = delete;
  demo_run& operator=(const demo_run&) = delete;

  /// The node, killed at this time, is there again, on this port.
  void restarted(std::uint16_t port,
                 std::chrono::steady_clock::time_point killed_at);

  /// Asks what has finished since the last call; a node that does not answer is
  /// no error.
  void follow();

  /// Jobs that have finished, and how many there are to be.
  [[nodiscard]] std::uint64_t finished() const noexcept {
    return finished_.load();
  }
  [[nodiscard]] std::uint64_t planned() const noexcept {
    return options_.digests + options_.commands;
  }
  /// Whether every job is acknowledged, and as many have finished.
  [[nodiscard]] bool complete();

  /// What the node has against a job, if it refused one for good. Nothing more
  /// is sent then.
  [[nodiscard]] std::optional<error> refused();

  /// Whether every result is computed.
  [[nodiscard]] bool verified();

  /// Fetches the results and compares. Fails if the node does not answer.
  [[nodiscard]] expected<demo_figures> judge();

private:
  struct sent_job {
    demo_job job;
    std::optional<std::string> result;
  };

  void send_jobs();
  void send_one(std::uint64_t number, const demo_job& job);
  void acknowledge(const std::string& id, demo_job job);
  void give_up(error reason);
  void compute_results();

  options options_;
  std::atomic<std::uint16_t> port_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> unanswered_{0};
  std::atomic<std::uint64_t> finished_{0};

  std::mutex mutex_;
  /// By id. Guarded, as all below up to the blank line.
  std::unordered_map<std::string, sent_job> acknowledged_;
  std::deque<std::string> to_compute_;
  std::uint64_t computed_ = 0;
  std::optional<std::chrono::steady_clock::time_point> killed_at_;
  std::optional<std::chrono::duration<double>> recovery_;
  std::optional<error> refused_;

  /// Of finished jobs: how often they were listed.
  std::map<std::string, int> listed_;
  std::map<std::string, std::string> cursors_;
  std::uint64_t run_again_ = 0;
  std::uint64_t not_succeeded_ = 0;
  std::vector<std::thread> threads_;
};

} // namespace muster
