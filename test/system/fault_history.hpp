#pragma once

#include "fault_schedule.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What happened to a cluster under load, and whether it may have: data and pure
// functions. All times are of the monotonic clock, which all processes share.

namespace muster::fault {

using instant = std::chrono::nanoseconds;

[[nodiscard]] inline instant now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

/// A job that the manager acknowledged.
struct accepted_job {
  std::string queue;
  /// What its result begins with.
  std::uint64_t number = 0;
  instant accepted{0};
};

/// One run of the external command, as the command wrote it down.
struct run_record {
  std::string job;
  std::uint32_t attempt = 0;
  /// The worker that started it.
  std::string node;
  instant start{0};
  std::optional<instant> end;
};

/// A lease that a worker outside was given over HTTP.
struct grant_record {
  std::string job;
  std::uint32_t attempt = 0;
  instant received{0};
  instant deadline{0};
};

enum class request_kind : std::uint8_t { complete, fail, release, extend };

enum class verdict : std::uint8_t {
  /// 200.
  accepted,
  /// 409: the token is not the current one.
  refused,
  /// No answer, or that the manager cannot say.
  unknown,
};

/// What a worker outside asked for with a lease, and what came of it.
struct settle_record {
  request_kind kind = request_kind::complete;
  std::string job;
  std::uint32_t attempt = 0;
  instant sent{0};
  verdict answer = verdict::unknown;
  /// Of an extension.
  std::optional<instant> deadline;
};

/// A fault as it was done.
struct fault_record {
  fault_kind kind = fault_kind::kill_worker;
  /// The worker's name; empty for the manager's.
  std::string node;
  instant begin{0};
  instant end{0};
};

/// A time in which this machine did not run what was due.
struct stall_record {
  instant begin{0};
  instant end{0};
};

/// What the manager says of a job when all is over.
struct final_job {
  std::string state;
  std::uint32_t attempt = 0;
  std::string worker;
  std::string result;
};

struct history {
  std::map<std::string, accepted_job> accepted;
  std::vector<run_record> runs;
  std::vector<grant_record> grants;
  std::vector<settle_record> settlements;
  std::vector<fault_record> faults;
  std::vector<stall_record> stalls;
  /// Of accepted jobs.
  std::map<std::string, final_job> finals;
  /// How often the list of completed jobs named a job.
  std::map<std::string, std::size_t> listed;
  /// How long a fault has effects after its end.
  instant aftermath{0};
};

/// Reads the log of `muster_logged_job`. A line that cannot be read, such as
/// one without its line's end, is an empty job's run, which `find_violations`
/// tells.
[[nodiscard]] std::vector<run_record> parse_runs(std::string_view log);

/// Everything in it that must not happen, a sentence each; see
/// docs/failure_modes.md for the promises. Empty is good.
[[nodiscard]] std::vector<std::string> find_violations(const history& all);

struct history_figures {
  std::size_t runs = 0;
  /// Jobs whose command was started more than once.
  std::size_t run_again = 0;
  /// Runs that began before an earlier attempt of the same job had ended.
  std::size_t overlaps = 0;
  /// Requests of workers outside whose token was not the current one.
  std::size_t fenced = 0;
  /// By kind of fault: for each job whose first attempt ran on the worker when
  /// the fault began, and that had to run again, the time until it did, unless
  /// the worker was hit again before; later attempts wait for their back-off
  /// besides. For a killed manager the time
  /// from its start to the next acknowledged job.
  std::map<fault_kind, std::vector<instant>> recovery;
};

[[nodiscard]] history_figures count(const history& all);

} // namespace muster::fault
