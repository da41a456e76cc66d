#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "runtime/http_client.hpp"
#include "runtime/remote_client.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// The inside of a remote client: requests that are made again, connections that
// are kept, threads for calls that nobody waits for.

namespace muster {

struct remote_request {
  std::string_view method;
  std::string target;
  std::string_view body = {};
  http_headers headers = {};
  /// How long the node may wait before it answers.
  millis wait{0};
};

/// Makes requests that do no harm when they are made twice. Thread-safe.
class remote_calls {
public:
  using clock = std::chrono::steady_clock;

  /// A call that does not block for long; false: call it again. `ending`: the
  /// client ends, it must return true.
  using task = std::function<bool(bool ending)>;

  remote_calls(const remote_client_options& options, tls_context tls);

  /// Tasks that have not begun are told of the end.
  ~remote_calls();
  remote_calls(const remote_calls&) = delete;
  remote_calls& operator=(const remote_calls&) = delete;

  /// Makes a request until it is answered, at most until a time. Answers other
  /// than success are errors.
  [[nodiscard]] expected<http_reply> send(const remote_request& request,
                                          clock::time_point until);

  /// Has a task done by one of the threads; by this one if there can be none.
  void run(task what);

  /// How long a task may have the node wait: at most `longest`, and not at all
  /// while there are more tasks than threads.
  [[nodiscard]] millis patience(millis longest);

private:
  [[nodiscard]] expected<http_reply> try_once(const remote_request& request,
                                              millis left);
  /// False at the end.
  [[nodiscard]] bool sleep(millis pause);
  void work();
  /// After a round in which no task was done.
  void rest(std::unique_lock<std::mutex>& guard);

  const remote_client_options& options_;
  tls_context tls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  /// Connections with the usual limits.
  std::vector<std::unique_ptr<http_client>> idle_;
  std::deque<task> tasks_;
  /// Tasks that have come so far.
  std::uint64_t arrivals_ = 0;
  /// Since one was done or came.
  std::size_t fruitless_ = 0;
  std::vector<std::thread> threads_;
};

/// Why an answer is not a success.
[[nodiscard]] error error_of(const http_reply& reply);

} // namespace muster
