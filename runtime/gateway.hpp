#pragma once

#include "actors/cluster_board.hpp"
#include "actors/inspection_values.hpp"
#include "actors/supervisor_info.hpp"
#include "actors/worker_info.hpp"
#include "persistence/expected.hpp"
#include "persistence/journal.hpp"
#include "runtime/http_metrics.hpp"
#include "runtime/http_tokens.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster {

struct gateway_options {
  std::string address = "127.0.0.1";
  /// 0: one that the system chooses.
  std::uint16_t port = 8420;
  /// An occupied port is an error; otherwise the next free one is taken.
  bool strict_port = false;
  /// Threads that serve connections.
  unsigned threads = 1;
  std::size_t max_connections = 10'000;
  std::size_t max_header = std::size_t{16} << 10;
  /// Of one job.
  std::size_t max_payload = std::size_t{16} << 20;
  std::size_t max_result = std::size_t{16} << 20;
  std::size_t max_batch_body = std::size_t{32} << 20;
  /// Of all connections together; beyond it requests are refused with 503.
  std::size_t max_bodies = std::size_t{512} << 20;
  /// A connection without a request is closed after this.
  std::chrono::seconds idle_timeout{75};
  /// A request must have arrived whole within this, and its answer must have
  /// been taken.
  std::chrono::seconds request_timeout{30};
  /// The longest time that `wait` may ask for.
  std::chrono::seconds max_wait{300};
  /// Requests that wait at once.
  std::size_t max_waiting = 10'000;
  /// PEM files for HTTPS: the certificate with those of authorities between it
  /// and the root, and its key. Both empty: plain HTTP.
  std::string certificate;
  std::string key;
  /// A TLS handshake must be over within this.
  std::chrono::seconds handshake_timeout{10};
  /// Who may do what; without tokens anybody may do anything.
  token_table tokens;
};

/// Checks an options struct; the error names the field and the rule.
[[nodiscard]] expected<void> validate(const gateway_options& options);

/// What the gateway serves. The functions are called from its threads.
struct gateway_backend {
  std::shared_ptr<journal_port> journal;
  std::function<std::vector<worker_info>()> workers;
  /// The nodes known here, this one first.
  std::function<std::vector<node_info>()> nodes;
  /// The node's supervisors, those above others first.
  std::function<std::vector<supervisor_info>()> supervisors;
  std::function<bool()> serving;
  /// The node's metrics as Prometheus text; the gateway adds its own.
  std::function<std::string()> metrics;
  /// Where nodes are looked into; null: it is refused.
  std::shared_ptr<inspection_port> inspection;
};

/// Muster's HTTP interface. Thread-safe but for `start` and the destructor.
class gateway {
public:
  /// Binds the port and serves. Errors: `invalid_argument` for options and
  /// addresses, `io_error` where no port can be had.
  [[nodiscard]] static expected<std::unique_ptr<gateway>>
  start(gateway_options options, gateway_backend backend);

  /// Stops if running.
  ~gateway();
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string address() const;
  [[nodiscard]] const http_metrics& metrics() const;

  /// New jobs and leases are refused from now on, requests that wait are
  /// answered, connections end with their next answer; settling leases and
  /// reading go on.
  void drain();

  /// Why it cannot serve all connections any more: one of its threads has
  /// ended.
  [[nodiscard]] std::optional<error> fault() const;

  /// Signs of life of the thread that gave the fewest; each gives one a
  /// second at least.
  [[nodiscard]] std::uint64_t least_beats() const;

  /// Waits for answers under way, at most `limit`, and closes everything.
  void stop(std::chrono::milliseconds limit = std::chrono::milliseconds{1'000});

  struct impl;

private:
  explicit gateway(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
