#pragma once

#include "actors/node_event.hpp"
#include "actors/typed_handler.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"
#include "persistence/job_settings.hpp"
#include "persistence/store_view.hpp"
#include "persistence/typed_payload.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Muster within a program that just wants jobs done: this header is all that it
// needs. See docs/how-to/embed.md.

namespace caf {
class actor_system;
} // namespace caf

namespace muster {

class journal_port;
class local_node;
struct child_specification;

/// Where a program offers Muster's HTTP interface.
struct http_access {
  /// An IP address. One that others than this machine can reach needs tokens.
  std::string address = "127.0.0.1";
  /// 0: one that the system chooses.
  std::uint16_t port = 8420;
  /// An occupied port is an error; otherwise the next free one is taken.
  bool strict_port = false;
  /// Who may do what: lines of name, secret and scopes (`read`, `enqueue`,
  /// `work`, `admin`) with commas between. Empty: anybody may do anything.
  std::string tokens = {};
};

/// What a runtime is to do, and where.
struct runtime_options {
  /// Where jobs are kept. Made if it is not there; used by one process at a
  /// time.
  std::filesystem::path directory = {};
  /// What runs jobs, by name: `options.handlers["price"] =
  /// typed_handler<order>(...)`. Jobs that ask for another name fail.
  std::map<std::string, handler_function> handlers = {};
  /// How many jobs run at once; 0 is the number of cores.
  std::uint32_t concurrency = 0;
  /// Served queues; empty is all.
  std::vector<std::string> queues = {};
  /// False: jobs are only kept here; who runs them leases them over HTTP.
  bool worker = true;
  /// In bytes, of one job.
  std::size_t max_payload = std::size_t{16} << 20;
  /// In bytes, of one result; a longer one fails its job.
  std::size_t max_result = std::size_t{16} << 20;
  /// How long running jobs may go on when the runtime is closed; then they are
  /// handed back, and run again when it is opened the next time.
  millis drain_timeout{10'000};
  /// No port is opened unless this is given.
  std::optional<http_access> http = {};
  /// The program's own actor system, which must outlive the runtime and must
  /// have been made after `register_message_types`. Null: the runtime makes
  /// one. Its type ids must be below 4000.
  caf::actor_system* system = nullptr;
  /// What an operator may want to read. Called from any thread; must not block.
  event_sink log = {};
};

/// Before an actor system of the program's own is made. Thread-safe; once is
/// enough.
void register_message_types();

/// Durable queues, and the threads that run their jobs, in this process. All
/// members are thread-safe but for moving and the end; those that block say so.
/// Nothing throws.
class runtime {
public:
  /// Opens or creates the queues and begins to run jobs, those of an earlier
  /// run included. Blocks; for minutes where a long log has to be applied.
  /// Errors: `invalid_argument` for options, and `store_locked`,
  /// `store_corrupt`, `store_foreign`, `store_newer`, `io_error` for what is in
  /// the directory; `io_error` where no port can be had.
  [[nodiscard]] static expected<runtime> open(runtime_options options);

  /// Closes if open.
  ~runtime();
  /// What was moved from can only be assigned to or destroyed.
  runtime(runtime&& other) noexcept;
  /// As if this one were destroyed first.
  runtime& operator=(runtime&& other) noexcept;

  // -- jobs -------------------------------------------------------------------
  //
  // Errors of all: `unavailable` and `busy` (try again), `timed_out` after half
  // a minute without an answer, `shutting_down` after `close`.

  /// Puts a job with a typed payload into a queue, which comes into being with
  /// its first job. When it returns the job's id, the job is on disk. Blocks
  /// for a flush of the disk. Errors: `invalid_argument`, `payload_too_large`,
  /// `queue_full`, `store_full`, `disk_full`.
  template <msgpack_type Payload>
  [[nodiscard]] expected<job_id> enqueue(std::string_view queue,
                                         const Payload& payload,
                                         const job_settings& options = {});

  /// The same with many, all or none; at most 10,000. Ids come in the order of
  /// the payloads. There must be no idempotency key.
  template <msgpack_type Payload>
  [[nodiscard]] expected<std::vector<job_id>>
  enqueue_all(std::string_view queue, const std::vector<Payload>& payloads,
              const job_settings& options = {});

  /// As `enqueue`, with a payload as it is.
  [[nodiscard]] expected<job_id>
  enqueue_bytes(std::string_view queue, std::string_view payload,
                const job_settings& options = {});
  /// As `enqueue_all`, with payloads as they are.
  [[nodiscard]] expected<std::vector<job_id>>
  enqueue_all_bytes(std::string_view queue,
                    const std::vector<std::string>& payloads,
                    const job_settings& options = {});

  /// Waits for a job's result. Blocks for at most about `limit`. Errors:
  /// `timed_out`: it is not final yet; `handler_failed`: it is dead, the
  /// message says why; `cancelled`; `job_not_found`; `malformed`: the result is
  /// no `Result`.
  template <msgpack_type Result>
  [[nodiscard]] expected<Result> wait(job_id id, millis limit);

  /// The same with the result as it is.
  [[nodiscard]] expected<std::string> wait_bytes(job_id id, millis limit);

  /// A job as it is now. Errors: `job_not_found`.
  [[nodiscard]] expected<job_info> job(job_id id) const;

  /// Ends a job that is not final, also while it runs; again: nothing happens.
  /// Errors: `job_not_found`, `wrong_state`.
  [[nodiscard]] expected<void> cancel(job_id id);

  /// Makes a dead job ready again. Errors: `job_not_found`, `wrong_state`.
  [[nodiscard]] expected<void> retry(job_id id);

  // -- the runtime ------------------------------------------------------------

  /// Why it cannot go on, if so: then open it again, or end.
  [[nodiscard]] std::optional<error> failed() const;

  /// Where HTTP is served; 0: nowhere.
  [[nodiscard]] std::uint16_t http_port() const;

  /// Takes nothing new, lets running jobs finish within `drain_timeout`, hands
  /// back the others, and closes. Idempotent. Blocks. Not for handlers: they
  /// would wait for themselves.
  void close();

  // -- for programs with actors of their own ----------------------------------

  /// The actor system in which it lives; lives as long as the runtime, if that
  /// made it.
  [[nodiscard]] caf::actor_system& system();

  /// Puts an actor under the runtime's supervisor, behind all others, and waits
  /// until it serves; it is restarted when it fails (see
  /// docs/reference/supervision.md). Errors: the child's; `invalid_argument`
  /// for its specification.
  [[nodiscard]] expected<void> supervise(child_specification spec);

  /// The queues themselves. Valid as long as anybody holds it; answers
  /// `unavailable` once the runtime is closed.
  [[nodiscard]] std::shared_ptr<journal_port> journal() const;

private:
  struct impl;
  explicit runtime(std::unique_ptr<impl> ptr);

  [[nodiscard]] expected<std::vector<job_id>>
  submit(std::string_view queue, const std::vector<std::string_view>& payloads,
         const job_settings& options);

  std::unique_ptr<impl> impl_;
};

// -- implementation -----------------------------------------------------------

template <msgpack_type Payload>
expected<job_id> runtime::enqueue(std::string_view queue,
                                  const Payload& payload,
                                  const job_settings& options) {
  auto bytes = to_payload(payload);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  return enqueue_bytes(queue, *bytes, options);
}

template <msgpack_type Payload>
expected<std::vector<job_id>>
runtime::enqueue_all(std::string_view queue,
                     const std::vector<Payload>& payloads,
                     const job_settings& options) {
  std::vector<std::string> all;
  all.reserve(payloads.size());
  for (auto& payload : payloads) {
    auto bytes = to_payload(payload);
    if (!bytes)
      return tl::unexpected<error>{std::move(bytes.error())};
    all.push_back(std::move(*bytes));
  }
  return enqueue_all_bytes(queue, all, options);
}

template <msgpack_type Result>
expected<Result> runtime::wait(job_id id, millis limit) {
  auto bytes = wait_bytes(id, limit);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  return from_payload<Result>(*bytes);
}

} // namespace muster
