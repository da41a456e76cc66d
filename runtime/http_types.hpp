#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// A request as the routes see it. Owned by its connection until the reply.
struct http_request {
  std::string method;
  /// Percent-encoded, without query.
  std::string path;
  /// What follows the question mark.
  std::string query;
  std::string content_type;
  std::string idempotency_key;
  std::string body;
};

struct http_response {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
  /// Further header lines.
  std::vector<std::pair<std::string_view, std::string>> headers;
  /// Called instead of writing if the client has gone: undoes what only this
  /// answer would have told.
  std::function<void()> undelivered;
};

/// Where a request's answer goes.
class reply_sink {
public:
  virtual ~reply_sink() = default;

  /// Answers; from any thread, exactly once.
  virtual void answer(http_response response) = 0;

  /// Has `fn` called, at most once, if the client goes before the answer. Only
  /// on the connection's thread, before the route returns.
  virtual void when_gone(std::function<void()> fn) = 0;
};

using reply_handle = std::shared_ptr<reply_sink>;

/// The status line's words.
[[nodiscard]] std::string_view reason_of(int status) noexcept;

} // namespace muster
