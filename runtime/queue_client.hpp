#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "runtime/http_client.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// How many jobs of a queue are in each state.
struct queue_depth {
  std::array<std::uint64_t, job_state_count> by_state{};

  [[nodiscard]] std::uint64_t in(job_state state) const noexcept {
    return by_state[static_cast<std::size_t>(state)];
  }
  /// Jobs that are not final.
  [[nodiscard]] std::uint64_t unfinished() const noexcept;
  [[nodiscard]] std::uint64_t all() const noexcept;
};

/// A page of finished jobs, oldest first.
struct finished_page {
  struct item {
    std::string id;
    timestamp enqueued_at;
    timestamp started_at;
    timestamp finished_at;
    bool succeeded = false;
  };
  std::vector<item> jobs;
  /// Where the next page begins.
  std::string next;
};

/// A job as it is now.
struct job_facts {
  job_state state = job_state::ready;
  std::uint32_t attempt = 0;
  /// Whose attempt it is, or was.
  std::string worker;
  timestamp finished_at;
};

/// One queue of a node, over HTTP. Blocking; not thread-safe. Answers other
/// than success are errors with what the node said.
class queue_client {
public:
  queue_client(const std::string& host, std::uint16_t port, std::string queue,
               http_client_options options = {});

  [[nodiscard]] const std::string& queue() const noexcept {
    return queue_;
  }

  /// All zero for a queue that is not there.
  [[nodiscard]] expected<queue_depth> depth();

  [[nodiscard]] expected<void> pause(bool on);

  /// Finished jobs after `cursor`, or from the beginning if that is empty. They
  /// may be missing here for as long as the node's commit interval.
  [[nodiscard]] expected<finished_page> finished(std::string_view cursor,
                                                 std::size_t limit);

  /// Asks until `done` is true of the depth, which is returned. Errors: those
  /// of `depth`, and `timed_out`.
  template <class Predicate>
  [[nodiscard]] expected<queue_depth> wait_until(millis limit, Predicate done);

  /// Takes one lease; nothing if there was none within `wait`.
  [[nodiscard]] expected<std::optional<std::string>> lease(millis wait);

  /// Enqueues a job and returns its id.
  [[nodiscard]] expected<std::string> enqueue(std::string_view handler,
                                              std::string_view payload);

  [[nodiscard]] expected<job_facts> job(std::string_view id);

  /// Waits until a job has succeeded. Errors: `timed_out`, and
  /// `handler_failed` for one that ended otherwise.
  [[nodiscard]] expected<void> wait_for_result(std::string_view id,
                                               millis limit);

  /// Removes the jobs of one state.
  [[nodiscard]] expected<void> purge(job_state state);

  [[nodiscard]] http_client& http() noexcept {
    return http_;
  }

private:
  [[nodiscard]] static bool
  pause_before_asking_again(std::chrono::steady_clock::time_point until);

  std::string queue_;
  std::string path_;
  http_client http_;
};

/// Why a node's answer is not a success.
[[nodiscard]] error to_error(const http_reply& reply);

/// Reads a time as the node writes it; nothing if it is none.
[[nodiscard]] std::optional<timestamp> parse_time(std::string_view text);

template <class Predicate>
expected<queue_depth> queue_client::wait_until(millis limit, Predicate done) {
  auto until = std::chrono::steady_clock::now() + limit;
  while (true) {
    auto now = depth();
    if (!now || done(*now))
      return now;
    if (!pause_before_asking_again(until))
      return fail_with(errc::timed_out,
                       "queue " + queue_ + " did not get there in time");
  }
}

} // namespace muster
