#pragma once

#include "actors/attempt_control.hpp"
#include "persistence/command.hpp"
#include "persistence/expected.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What a handler sees of the attempt that it runs. Valid during the call;
/// thread-safe, should a handler use threads of its own.
class job_context {
public:
  /// Steady: it does not leap when the time of day is set.
  using clock = attempt_control::clock;

  /// Both must outlive the context.
  job_context(const leased_job& job, attempt_control& control) noexcept
    : job_(&job), control_(&control) {
    // nop
  }

  /// What was leased.
  [[nodiscard]] const leased_job& job() const noexcept {
    return *job_;
  }

  /// The job's payload; valid during the call.
  [[nodiscard]] std::string_view payload() const noexcept {
    return job_->payload;
  }

  /// From 1; grows with each lease of the job, also where the one before was
  /// handed back and not failed.
  [[nodiscard]] std::uint32_t attempt() const noexcept {
    return job_->token.attempt;
  }

  /// When the attempt's time limit is over.
  [[nodiscard]] clock::time_point deadline() const noexcept {
    return control_->deadline();
  }

  /// Never negative.
  [[nodiscard]] millis time_left() const noexcept;

  /// Whether the handler should return as soon as it can: the job was
  /// cancelled, its time is over, or the worker ends. What it returns is not
  /// recorded then. Costs some 20 ns.
  [[nodiscard]] bool cancelled() const noexcept {
    return control_->reason() != stop_reason::none;
  }

  /// Why the handler should return; `none` while it should not.
  [[nodiscard]] stop_reason reason() const noexcept {
    return control_->reason();
  }

  /// What to return once `cancelled`: `return ctx.stopped();`
  [[nodiscard]] tl::unexpected<error> stopped() const;

  /// Sleeps; false as soon as the handler should return, see `cancelled`.
  [[nodiscard]] bool wait_for(millis duration);

  /// Publishes how far the job is; the latest text replaces the one before, and
  /// is written to the store about once a second. Cut at `limits::text`.
  void progress(std::string text);

  /// See `attempt_control::stop_descriptor`.
  [[nodiscard]] int stop_descriptor() {
    return control_->stop_descriptor();
  }

  /// For handlers that are built from parts which know no jobs.
  [[nodiscard]] attempt_control& control() noexcept {
    return *control_;
  }

private:
  const leased_job* job_;
  attempt_control* control_;
};

/// Runs one attempt of a job on a thread of the worker and returns the job's
/// result. May block. An error, like an exception, fails the attempt, and the
/// error's message becomes the job's; `malformed`, `invalid_argument` and
/// `result_too_large` fail the job for good, since to repeat it is no use.
using handler_function = std::function<expected<std::string>(job_context&)>;

/// The handlers of a node by name. Filled before a worker starts and constant
/// from then on; lookups are thread-safe as long as nobody adds.
class handler_registry {
public:
  /// Fails with `invalid_argument` if the name breaks the rule of
  /// `is_valid_name`, is taken, or `fn` is empty.
  [[nodiscard]] expected<void> add(std::string name, handler_function fn);

  /// Null if there is no such handler. Valid as long as the registry.
  [[nodiscard]] const handler_function* find(std::string_view name) const;

  /// Sorted.
  [[nodiscard]] std::vector<std::string> names() const;

private:
  std::map<std::string, handler_function, std::less<>> handlers_;
};

/// Adds `sha512`, `echo`, `sleep` and `fail`, unless the name is taken.
///
/// - `echo`: the result is the payload.
/// - `sha512`: payload is a msgpack map `iterations` (1 or more) and `buffer`
///   (bin or str); the result are the 64 bytes of SHA-512 applied that many
///   times, first to the buffer, then to each digest.
/// - `sleep`: payload is a duration such as `250ms` or `10s`.
/// - `fail`: payload is the number of attempts that fail before one succeeds;
///   empty: all.
void add_builtin_handlers(handler_registry& registry);

/// An external command as a handler.
struct exec_handler_options {
  /// The program, a path or a name to look up in PATH, and its arguments. No
  /// shell is involved.
  std::vector<std::string> command;
  /// More output than this fails the job with `result_too_large`.
  std::size_t max_result_bytes = std::size_t{16} << 20;
  /// How long a process group that was asked to end (SIGTERM) may take until
  /// it is killed.
  millis kill_after{2'000};
};

/// A handler that runs a command: payload on its standard input, result from
/// its standard output; exit status 0 is success. The last 4 KiB of its
/// standard error become part of the job's error. MUSTER_JOB_ID,
/// MUSTER_ATTEMPT and MUSTER_QUEUE are added to its environment. It leads a
/// process group of its own, which gets SIGTERM and then SIGKILL at the time
/// limit and on cancellation.
[[nodiscard]] handler_function make_exec_handler(exec_handler_options options);

} // namespace muster
