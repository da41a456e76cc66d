#pragma once

#include "runtime/latency_record.hpp"
#include "runtime/load_client.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What `muster bench` sends. Requests are built once for each connection; of
// each only the sequence number and the time in its payloads change.

namespace muster {

/// The jobs that a server has acknowledged, and what went wrong.
class job_tally {
public:
  void acknowledge(std::string_view id);

  /// An answer other than success.
  void refuse(const load_reply& reply);

  /// A request whose answer never came stands for this many jobs.
  void lose(std::size_t jobs) noexcept {
    uncertain_ += jobs;
  }

  [[nodiscard]] std::uint64_t acknowledged() const noexcept {
    return ids_.size();
  }
  [[nodiscard]] std::uint64_t uncertain() const noexcept {
    return uncertain_;
  }
  [[nodiscard]] std::uint64_t errors() const noexcept {
    return errors_;
  }
  /// The first answer that was not a success.
  [[nodiscard]] const std::string& first_error() const noexcept {
    return first_error_;
  }

  /// How many acknowledgements named an id that another one had named before.
  [[nodiscard]] std::uint64_t repeated() const;

private:
  /// Hashes of ids.
  std::vector<std::uint64_t> ids_;
  std::uint64_t uncertain_ = 0;
  std::uint64_t errors_ = 0;
  std::string first_error_;
};

/// How a batch is written.
enum class batch_format : std::uint8_t { ndjson, msgpack };

struct enqueue_options {
  std::string queue;
  /// Empty: the queue's name.
  std::string handler;
  /// Bytes of one payload; at least 32.
  std::size_t payload = 256;
  /// Jobs in one request; 1 is the route for one job.
  std::size_t batch = 1;
  batch_format format = batch_format::ndjson;
  /// Ends after this many jobs have been sent; 0 is no limit.
  std::uint64_t count = 0;
};

/// Enqueues as fast as answers come.
class enqueue_source : public load_source {
public:
  enqueue_source(enqueue_options options, std::size_t connections);

  std::string_view next(std::size_t connection,
                        load_clock::time_point now) override;
  void on_reply(std::size_t connection, const load_reply& reply) override;
  void on_lost(std::size_t connection) override;
  [[nodiscard]] bool finished() const override;

  [[nodiscard]] const job_tally& tally() const noexcept {
    return tally_;
  }
  [[nodiscard]] latency_record& latencies() noexcept {
    return latencies_;
  }
  /// Jobs that were acknowledged while it was measured.
  [[nodiscard]] std::uint64_t measured() const noexcept {
    return measured_;
  }

private:
  enqueue_options options_;
  std::vector<std::string> requests_;
  /// Where payloads begin in a request: the same in all.
  std::vector<std::size_t> payloads_;
  std::uint64_t sent_ = 0;
  std::size_t outstanding_ = 0;
  std::uint64_t measured_ = 0;
  job_tally tally_;
  latency_record latencies_;
};

struct round_trip_options {
  std::string queue;
  std::string handler = "echo";
  std::size_t payload = 256;
  /// Jobs per second over all connections, whether answers have come or not;
  /// 0: the next job follows the result of the one before.
  double rate = 0;
};

/// Each connection enqueues a job and waits for its result. The latency is from
/// when the job was due to be sent until its result was there.
class round_trip_source : public load_source {
public:
  round_trip_source(round_trip_options options, std::size_t connections);

  std::string_view next(std::size_t connection,
                        load_clock::time_point now) override;
  void on_reply(std::size_t connection, const load_reply& reply) override;
  void on_lost(std::size_t connection) override;

  [[nodiscard]] const job_tally& tally() const noexcept {
    return tally_;
  }
  /// From due to result.
  [[nodiscard]] latency_record& latencies() noexcept {
    return latencies_;
  }
  /// From due to acknowledged.
  [[nodiscard]] latency_record& acknowledgements() noexcept {
    return acknowledgements_;
  }
  /// Results that were not what was sent.
  [[nodiscard]] std::uint64_t wrong() const noexcept {
    return wrong_;
  }
  [[nodiscard]] std::uint64_t results() const noexcept {
    return results_;
  }

private:
  struct state {
    std::string enqueue;
    std::string fetch;
    bool fetching = false;
    load_clock::time_point due;
  };

  round_trip_options options_;
  std::vector<state> states_;
  std::size_t payload_at_ = 0;
  std::uint64_t sequence_ = 0;
  std::optional<load_clock::time_point> next_due_;
  std::uint64_t results_ = 0;
  std::uint64_t wrong_ = 0;
  job_tally tally_;
  latency_record latencies_;
  latency_record acknowledgements_;
};

struct outside_worker_options {
  std::string queue;
  /// Leases taken at once.
  std::size_t batch = 100;
  /// Bytes of a result.
  std::size_t result = 256;
  /// Ends when this many jobs are complete.
  std::uint64_t count = 0;
};

/// Each connection is a worker outside of the cluster: takes leases, completes
/// them one by one. The latency is from the lease's arrival to the
/// acknowledgement of the completion.
class outside_worker_source : public load_source {
public:
  outside_worker_source(outside_worker_options options,
                        std::size_t connections);

  std::string_view next(std::size_t connection,
                        load_clock::time_point now) override;
  void on_reply(std::size_t connection, const load_reply& reply) override;
  void on_lost(std::size_t connection) override;
  [[nodiscard]] bool finished() const override;

  [[nodiscard]] std::uint64_t completed() const noexcept {
    return completed_;
  }
  [[nodiscard]] const job_tally& tally() const noexcept {
    return tally_;
  }
  [[nodiscard]] latency_record& latencies() noexcept {
    return latencies_;
  }

private:
  struct state {
    std::vector<std::string> tokens;
    load_clock::time_point leased;
    std::string request;
    bool completing = false;
    /// When to ask again after there was nothing to lease.
    load_clock::time_point ask_at;
  };

  void take_leases(state& self, const load_reply& reply);

  outside_worker_options options_;
  std::vector<state> states_;
  std::string result_;
  std::uint64_t completed_ = 0;
  job_tally tally_;
  latency_record latencies_;
};

/// The value of `"name":"..."` at or after `from` in JSON whose strings have no
/// escapes; moves `from` behind it. Nothing if there is none.
[[nodiscard]] std::optional<std::string_view>
find_json_text(std::string_view json, std::string_view name,
               std::size_t& from) noexcept;

} // namespace muster
