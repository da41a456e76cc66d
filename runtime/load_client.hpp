#pragma once

#include "actors/tls_context.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace muster {

/// The clock of the load generator.
using load_clock = std::chrono::steady_clock;

/// A reply as it arrived.
struct load_reply {
  int status = 0;
  /// Valid during the call only.
  std::string_view body;
  load_clock::time_point sent;
  load_clock::time_point received;
  /// Whether it counts: it was received after the warm-up and before the end.
  bool measured = false;
};

/// Decides what the connections of a load client send. Called on the thread
/// that runs the client.
class load_source {
public:
  virtual ~load_source() = default;

  /// The bytes of the next request on `connection`, valid until its reply; or
  /// nothing, to rest: it is asked again after the next replies, and every
  /// millisecond.
  [[nodiscard]] virtual std::string_view next(std::size_t connection,
                                              load_clock::time_point now)
    = 0;

  virtual void on_reply(std::size_t connection, const load_reply& reply) = 0;

  /// The connection ended, or time was over, before the reply: the server may
  /// or may not have acted on the request.
  virtual void on_lost(std::size_t connection) {
    static_cast<void>(connection);
  }

  /// Whether there is nothing more to do: ends the run before its time. Asked
  /// when a connection rests.
  [[nodiscard]] virtual bool finished() const {
    return false;
  }
};

struct load_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 1;
  /// Replies in this time are not measured.
  millis warm_up{0};
  /// Then requests are sent for this long; replies that are still owed are
  /// waited for, unmeasured, at most `linger`.
  millis window{1'000};
  millis linger{10'000};
  /// The processes to take CPU time from.
  std::vector<pid_t> servers;
  /// Goes with every request as `Authorization: Bearer`; empty is none.
  std::string token;
  /// HTTPS instead of HTTP, if there is one.
  tls_context tls;
};

struct load_report {
  /// Length of what was measured: the window, or less if the source finished.
  double seconds = 0;
  /// Replies within that.
  std::uint64_t replies = 0;
  /// Over the whole run: requests that never got a reply because the
  /// connection ended or time was over.
  std::uint64_t unanswered = 0;
  double client_cpu_seconds = 0;
  double server_cpu_seconds = 0;
};

/// Sends requests over some keep-alive connections, each with one request
/// outstanding, from one thread: an epoll loop that does as little for each
/// request as it can. Blocks until the end. A connection that ends is opened
/// again. Errors: `unavailable` if no connection can be had, `malformed` if the
/// server does not speak HTTP.
[[nodiscard]] expected<load_report> run_load(const load_options& options,
                                             load_source& source);

} // namespace muster
