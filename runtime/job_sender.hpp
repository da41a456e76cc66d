#pragma once

#include "persistence/expected.hpp"
#include "runtime/http_client.hpp"
#include "runtime/node_access.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// The options that all jobs of one call of `muster enqueue` have in common, as
/// they stand on the command line; empty is the node's default.
struct job_options {
  std::string handler;
  std::string delay;
  std::string timeout;
  std::string ttl;
  std::optional<std::uint32_t> priority;
  std::optional<std::uint32_t> max_attempts;
};

/// A batch as `POST /v1/queues/{queue}/jobs/batch` takes it: msgpack, an array
/// of maps. `keys` are the idempotency keys, one for each payload.
[[nodiscard]] std::string encode_batch(const job_options& options,
                                       const std::vector<std::string>& payloads,
                                       const std::vector<std::string>& keys);

/// How long to wait before a request that was refused or not answered is sent
/// again: a pause that doubles, or what the node asks for if that is longer; 25
/// seconds in all, with the time that the tries themselves took. Pure.
class retry_pauses {
public:
  retry_pauses(int tries, millis first) : tries_(tries), pause_(first) {
    // nop
  }

  /// None: it has been sent often enough. `asked`: by the node; 0 if it did
  /// not. `took`: the last try.
  [[nodiscard]] std::optional<millis> next(millis asked,
                                           millis took = millis{0});

private:
  int tries_;
  millis pause_;
  millis left_{25'000};
};

/// Puts jobs into a queue of a node, in batches. Each job has a key, so that a
/// request that was not answered can be sent again without adding anything.
class job_sender {
public:
  struct settings {
    std::string queue;
    job_options options;
    /// Job number `i` gets the key `prefix-i`; one that stands alone may have a
    /// key of its own.
    std::string key_prefix;
    std::string key_of_first;
    /// See `retry_pauses`.
    int tries = 9;
    millis first_pause{100};
    /// How long the node may take to answer before jobs are sent again.
    millis answer_limit{10'000};
  };

  job_sender(const node_access& node, settings opts);

  /// Sends a batch when it is large enough.
  [[nodiscard]] expected<void> add(std::string payload);

  /// Sends what is left.
  [[nodiscard]] expected<void> flush();

  /// Accepted jobs, in the order of `add`.
  [[nodiscard]] const std::vector<std::string>& ids() const noexcept {
    return ids_;
  }

  /// Waits until the job is final. Returns its result; `cancelled` with why
  /// there is none if it is dead or was cancelled, other errors if the node
  /// does not answer.
  [[nodiscard]] expected<std::string> result(const std::string& id);

private:
  /// Sends until there is an answer other than "later", which may take as long
  /// as `limit` for each try.
  [[nodiscard]] expected<http_reply> send(std::string_view method,
                                          const std::string& target,
                                          const std::string& body,
                                          millis limit);

  http_client client_;
  settings settings_;
  std::vector<std::string> batch_;
  std::size_t bytes_ = 0;
  std::vector<std::string> ids_;
};

} // namespace muster
