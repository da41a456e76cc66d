#pragma once

#include "runtime/asio_coroutine.hpp"
#include "runtime/http_answer.hpp"
#include "runtime/routes.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

// Private to the server.

namespace muster {

class http_connection;

/// How often time-outs are looked at while there are connections; also how
/// exact `http_loop::now` is.
inline constexpr auto http_sweep_interval = std::chrono::milliseconds{100};

/// One thread that serves connections, with what they share. Everything but
/// `io` and the constructor is the thread's own, or comes before `start` and
/// after `join`.
class http_loop {
public:
  using clock = std::chrono::steady_clock;

  /// The first loop also looks after what all share: waits and rates.
  http_loop(std::shared_ptr<gateway_state> st, bool first);
  ~http_loop();

  void start();

  /// Serves a connection until it ends.
  void adopt(boost::asio::ip::tcp::socket socket);

  /// A connection is about to come: time is looked at often again.
  void wake();

  void close_idle_connections();

  /// Ends the thread, and the connections with it.
  void join();

  /// Why the thread has ended other than by `join`. Thread-safe.
  [[nodiscard]] std::optional<error> fault() const;

  /// How often the thread has looked at its time-outs. Thread-safe.
  [[nodiscard]] std::uint64_t beats() const noexcept {
    return beats_;
  }

  std::shared_ptr<gateway_state> state;
  /// Connections are owned by their coroutines and take themselves out here.
  std::set<http_connection*> connections;
  /// The time of the last sweep: exact enough for time-outs.
  clock::time_point now;
  /// For `Date`.
  std::string date;
  /// What has come over TLS on its way into a connection; empty in between, so
  /// that connections that rest need no memory for it.
  std::array<char, std::size_t{32} << 10> scratch;
  // Ends before what is above: coroutines that are left end with it.
  boost::asio::io_context io{1};
  std::shared_ptr<answer_box> box;

private:
  void run() noexcept;
  void sweep();
  void schedule_sweep(bool far_off);
  [[nodiscard]] bool is_idle() const;
  void sample_rates();

  bool first_;
  boost::asio::steady_timer sweep_timer_;
  /// The next sweep is far off.
  bool asleep_ = false;
  clock::time_point next_sample_;
  std::atomic<std::uint64_t> beats_{0};
  mutable std::mutex fault_mutex_;
  std::optional<error> fault_;
  std::thread thread_;
};

} // namespace muster
