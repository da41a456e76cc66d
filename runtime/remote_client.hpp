#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "persistence/job_settings.hpp"
#include "persistence/typed_payload.hpp"

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Muster on other machines for a program: this header is all that it needs. See
// docs/how-to/embed.md.

namespace muster {

/// Which node a client talks to, and for how long.
struct remote_client_options {
  /// A name or an address, without brackets.
  std::string host = "127.0.0.1";
  /// Of its HTTP.
  std::uint16_t port = 8420;
  /// Which of the node's tokens this program has; empty: none.
  std::string token = {};
  /// HTTPS instead of HTTP.
  bool https = false;
  /// A file (PEM) with the authorities whose certificates are good; empty:
  /// those that the system trusts.
  std::string ca_file = {};
  /// How long one try to connect may take.
  millis connect_limit{5'000};
  /// How long a call may take, with all tries to reach the node, unless the
  /// call has a limit of its own.
  millis limit{30'000};
  /// Threads for calls that do not block, made when the first is.
  unsigned threads = 2;
};

/// The right to run one attempt of a job, until its deadline.
struct remote_lease {
  /// For what is done with it.
  std::string token;
  /// The job's.
  std::string id;
  /// From 1.
  std::uint32_t attempt = 0;
  /// Who is to run it, by name.
  std::string handler;
  /// Any bytes.
  std::string payload;
};

/// How leases are taken.
struct remote_lease_wish {
  /// Jobs at most; 1 to 1000.
  std::uint32_t max = 1;
  /// How long to wait for the first; 0 is not at all.
  millis wait{20'000};
  /// How long a lease lasts unless it is extended.
  millis ttl{60'000};
  /// Shown as the job's worker.
  std::string worker = "client";
};

/// What a node says to an extension.
struct remote_extension {
  /// The job was cancelled: stop.
  bool cancelled = false;
};

/// A client of a node: jobs go in, results come out, leases are taken and
/// settled. A call that does not reach the node is made again, with pauses,
/// until its limit; none has an effect twice, whatever was lost on the way.
///
/// Thread-safe; calls of different threads do not wait for each other. Those
/// whose name ends in `_async` return at once; their futures do not block when
/// they are dropped. Nothing throws.
///
/// Errors of all: `unavailable`: there is no node, or it does not serve;
/// `timed_out`: it did not answer within the limit, and what was asked may have
/// happened; `refused`: it wants another token, or its certificate is not good;
/// `invalid_argument`; and what the node says, such as `not_leader` where it is
/// a worker and keeps no queues.
class remote_client {
public:
  /// Does not connect yet. Errors: `invalid_argument`.
  [[nodiscard]] static expected<remote_client>
  make(remote_client_options options = {});

  /// Calls under way end with `shutting_down`; blocks until they have, which
  /// may take as long as a connection's time limits.
  ~remote_client();
  /// What was moved from can only be assigned to or destroyed.
  remote_client(remote_client&& other) noexcept;
  /// As if this one were destroyed first.
  remote_client& operator=(remote_client&& other) noexcept;

  // -- jobs -------------------------------------------------------------------

  /// Puts a job into a queue and returns its id: then it is on disk. It gets an
  /// idempotency key if it has none. Errors: `payload_too_large`, `queue_full`,
  /// `store_full`, `disk_full`.
  [[nodiscard]] expected<std::string>
  enqueue_bytes(std::string_view queue, std::string_view payload,
                const job_settings& settings = {});
  /// As `enqueue_bytes`, without blocking.
  [[nodiscard]] std::future<expected<std::string>>
  enqueue_bytes_async(std::string queue, std::string payload,
                      job_settings settings = {});

  /// As `enqueue_bytes`, with a payload that is a value.
  template <msgpack_type Payload>
  [[nodiscard]] expected<std::string>
  enqueue(std::string_view queue, const Payload& payload,
          const job_settings& settings = {});

  /// Waits for a job's result, at most about `limit`. Errors: `timed_out`: it
  /// is not final yet; `handler_failed`: it is dead or was cancelled, the
  /// message says why; `job_not_found`.
  [[nodiscard]] expected<std::string> wait_bytes(std::string_view id,
                                                 millis limit);
  /// As `wait_bytes`, without blocking.
  [[nodiscard]] std::future<expected<std::string>>
  wait_bytes_async(std::string id, millis limit);

  /// As `wait_bytes`, with a result that is a value.
  /// Also `malformed`: the result is no `Result`.
  template <msgpack_type Result>
  [[nodiscard]] expected<Result> wait(std::string_view id, millis limit);

  /// Ends a job that is not final, also while it runs.
  /// Errors: `job_not_found`, `wrong_state`.
  [[nodiscard]] expected<void> cancel(std::string_view id);

  // -- leases -----------------------------------------------------------------

  /// Takes jobs to run them here; none if none came in time. If the answer is
  /// lost, its jobs come back to the queue when their leases expire.
  [[nodiscard]] expected<std::vector<remote_lease>>
  lease(std::string_view queue, const remote_lease_wish& wish = {});
  /// As `lease`, without blocking.
  [[nodiscard]] std::future<expected<std::vector<remote_lease>>>
  lease_async(std::string queue, remote_lease_wish wish = {});

  /// Records the result. Errors: `stale_lease`: another has the job by now;
  /// `cancelled`; `result_too_large`.
  [[nodiscard]] expected<void> complete(const remote_lease& lease,
                                        std::string_view result);
  /// As `complete`, without blocking.
  [[nodiscard]] std::future<expected<void>> complete_async(remote_lease lease,
                                                           std::string result);

  /// Records a failure. Without `retry` the job is dead at once. Errors as
  /// above.
  [[nodiscard]] expected<void> fail(const remote_lease& lease,
                                    std::string_view why, bool retry = true);

  /// Extends a lease, and shows how far the job is unless that is empty.
  /// Errors: `stale_lease`.
  [[nodiscard]] expected<remote_extension>
  extend(const remote_lease& lease, millis ttl, std::string_view progress = {});

  /// Hands the job back: the attempt does not count. Errors: `stale_lease`.
  [[nodiscard]] expected<void> release(const remote_lease& lease);

private:
  struct impl;
  explicit remote_client(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

// -- implementation -----------------------------------------------------------

template <msgpack_type Payload>
expected<std::string> remote_client::enqueue(std::string_view queue,
                                             const Payload& payload,
                                             const job_settings& settings) {
  auto bytes = to_payload(payload);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  return enqueue_bytes(queue, *bytes, settings);
}

template <msgpack_type Result>
expected<Result> remote_client::wait(std::string_view id, millis limit) {
  auto bytes = wait_bytes(id, limit);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  return from_payload<Result>(*bytes);
}

} // namespace muster
