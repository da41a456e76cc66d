#pragma once

#include "actors/worker_ends.hpp"
#include "persistence/command.hpp"
#include "persistence/errc.hpp"
#include "persistence/job.hpp"

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/error.hpp>
#include <caf/inspector_access.hpp>
#include <caf/is_error_code_enum.hpp>
#include <caf/type_id.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

// Every message between Muster's actors. Nodes of different builds must agree
// on the type ids at the end of this file: append there, never reorder, and do
// not change the fields of a message that has been released.
//
// The conversation of a worker (W) with its manager (M):
//
//     W -> M  register_worker          M -> W  worker_accepted / worker_refused
//     W -> M  grant_credit             M -> W  lease_batch
//     W -> M  outcome_batch            M -> W  outcome_ack
//     W -> M  worker_heartbeat         M -> W  revoke_leases (if there are any)
//                                      M -> W  recall_leases (a queue is
//                                      paused)
//     W -> M  leases_not_held          M -> W  check_leases (before that)
//     W -> M  stop_leasing             M -> W  leasing_stopped
//     W -> M  (anything, unknown)      M -> W  register_again
//
// The parent process of a worker's process (P) tells how that ended:
//
//     P -> M  worker_ended
//
// Between nodes, large batches of leases and outcomes travel as parcels:
//
//     M -> W  parcel_chunk             W -> M  parcel_received
//     W -> M  parcel_chunk             M -> W  parcel_received

namespace muster {

struct child_specification;

// -- worker to manager --------------------------------------------------------

/// What a worker does at the moment.
struct worker_load {
  std::uint32_t running = 0;
  std::uint32_t held = 0;
  std::uint32_t credit = 0;
  std::uint64_t finished = 0;
  std::uint64_t failed = 0;
  bool draining = false;

  friend bool operator==(const worker_load&, const worker_load&) = default;
};

/// Asks the manager to serve this worker. Sent again, it replaces what was
/// sent before, with all credit that was granted.
struct register_worker {
  caf::actor worker;
  std::string name;
  std::string incarnation;
  std::uint32_t concurrency = 0;
  /// Empty is all.
  std::vector<std::string> queues;
  millis lease_ttl{0};
  std::uint32_t credit = 0;
  /// Leases that the worker holds, or whose outcomes it has still to report.
  std::vector<lease_token> held;
  /// It is a process whose parent process sends `worker_ended` at its end.
  bool supervised = false;
};

/// The worker takes more leases than it was sent so far.
struct grant_credit {
  std::uint32_t more = 0;
  /// True: `more` replaces the credit that is left.
  bool replace = false;
};

enum class outcome_kind : std::uint8_t {
  succeeded = 0,
  failed = 1,
  timed_out = 2,
  /// Not begun, or given up without fault: nothing is counted.
  released = 3,
};

struct attempt_outcome {
  lease_token token;
  outcome_kind kind = outcome_kind::succeeded;
  /// The result, or the error's text.
  std::string text;
  /// Of a failure: whether to try again.
  bool retry = true;
};

/// How attempts ended. The worker keeps it until it is acknowledged, and sends
/// it again under the same number if that takes too long.
struct outcome_batch {
  std::uint64_t number = 0;
  std::vector<attempt_outcome> items;
};

struct held_lease {
  lease_token token;
  /// Present if it changed.
  std::optional<std::string> progress;
};

/// Extends the leases named; the load alone if there are none.
struct worker_heartbeat {
  worker_load load;
  std::vector<held_lease> leases;
  /// Whether all leases that the worker knows of are named.
  bool complete = false;
};

/// Answers `check_leases`: those of them that the worker knows nothing of.
struct leases_not_held {
  std::vector<lease_token> tokens;
};

/// No more leases; answered by `leasing_stopped` behind the last of them.
struct stop_leasing {};

/// From the parent of a worker's process, not from the worker.
struct worker_ended {
  std::string name;
  std::string incarnation;
  worker_end end;
};

// -- manager to worker --------------------------------------------------------

struct worker_accepted {};

/// Why not; the worker tries again if the code is retryable.
struct worker_refused {
  errc code = errc::none;
  std::string reason;
};

struct lease_batch {
  std::vector<leased_job> jobs;
};

struct outcome_ack {
  std::uint64_t number = 0;
  /// `none`: recorded, and `items` says for each outcome what came of it. Else
  /// nothing or a part is recorded; it does no harm to send it again.
  errc code = errc::none;
  std::vector<settle_status> items;
};

struct revoked_lease {
  lease_token token;
  /// `cancelled` or `stale_lease`.
  errc reason = errc::stale_lease;
};

/// The worker does not hold these leases any more.
struct revoke_leases {
  std::vector<revoked_lease> items;
};

/// Leases of these queues that are not begun go back.
struct recall_leases {
  std::vector<std::string> queues;
};

/// The worker should hold these and did not name them for a while: does it?
struct check_leases {
  std::vector<lease_token> tokens;
};

struct leasing_stopped {};

/// The manager does not know the sender.
struct register_again {};

// -- both ways, between nodes
// ---------------------------------------------------

/// A piece of a message that is too large to be sent at once: of a
/// `lease_batch` to a worker, of an `outcome_batch` to a manager. See
/// `parcel_sender`.
struct parcel_chunk {
  /// Grows with each registration of the worker.
  std::uint64_t session = 0;
  /// Numbered from 1 in each session.
  std::uint64_t parcel = 0;
  /// Bytes of the whole parcel.
  std::uint64_t total = 0;
  /// Where in the parcel `bytes` begins.
  std::uint64_t offset = 0;
  std::string bytes;
};

/// All parcels of the session before this one are there, and so many bytes of
/// it.
struct parcel_received {
  std::uint64_t session = 0;
  std::uint64_t parcel = 0;
  std::uint64_t offset = 0;
};

// -- supervisor to child ------------------------------------------------------

/// Has a child begin its work. Answered with nothing once it serves, or with an
/// error.
struct start_child {};

// -- from outside -------------------------------------------------------------

/// To a supervisor: start all children. Answered when they serve.
struct start_children {};

/// To a supervisor: stop all children in reverse order, then end.
struct stop_children {};

/// To a supervisor of this process, since it carries code: add a child behind
/// the others. Answered with its id when it serves, or with why it does not.
struct add_child {
  std::shared_ptr<const child_specification> specification;
};

/// To a supervisor: end a child and leave it down. Answered with nothing when
/// it is.
struct terminate_child {
  std::string id;
};

/// To a supervisor: start a child that was left down. Answered with its id when
/// it serves, or with why it does not.
struct restart_child {
  std::string id;
};

/// To a supervisor: forget a child that was left down. Answered with nothing.
struct remove_child {
  std::string id;
};

/// To a worker: see `local_node::drain`. Answered with nothing.
struct drain_worker {
  millis limit{0};
};

/// To the cluster's actor: tell other nodes that this one is about to end.
/// Answered with nothing when they know, or the time is over.
struct leave_cluster {
  millis limit{0};
};

// -- to oneself ---------------------------------------------------------------

/// Something waits that other threads left for the actor.
struct doorbell_rung {};

/// Time passed. An actor that has asked for an earlier tick since ignores it.
struct clock_tick {
  std::uint64_t number = 0;
};

/// The journal has failed for the reason given.
struct journal_failed {
  errc code = errc::none;
  std::string message;
};

/// Whether somebody accepts connections there.
struct probe_node {
  std::string host;
  std::uint16_t port = 0;
  millis limit{0};
};

/// To a supervisor: a restart is due, or a child's time to end is over.
struct restart_due {
  std::uint64_t number = 0;
};

// -- inspection ---------------------------------------------------------------

template <class Inspector, class Enum>
bool inspect_enum(Inspector& f, Enum& x, Enum last) {
  using integer = std::underlying_type_t<Enum>;
  auto get = [&x] { return static_cast<integer>(x); };
  auto set = [&x, last](integer value) {
    x = static_cast<Enum>(value);
    return value <= static_cast<integer>(last);
  };
  return f.apply(get, set);
}

template <class Inspector>
bool inspect(Inspector& f, errc& x) {
  return inspect_enum(f, x, last_errc);
}

template <class Inspector>
bool inspect(Inspector& f, job_id& x) {
  return inspect_enum(f, x, job_id{UINT64_MAX});
}

template <class Inspector>
bool inspect(Inspector& f, settle_status& x) {
  return inspect_enum(f, x, settle_status::cancelled);
}

template <class Inspector>
bool inspect(Inspector& f, outcome_kind& x) {
  return inspect_enum(f, x, outcome_kind::released);
}

template <class Inspector>
bool inspect(Inspector& f, lease_token& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("attempt", x.attempt));
}

template <class Inspector>
bool inspect(Inspector& f, leased_job& x) {
  return f.object(x).fields(
    f.field("token", x.token), f.field("queue", x.queue),
    f.field("handler", x.handler), f.field("payload", x.payload),
    f.field("deadline", x.deadline), f.field("timeout", x.timeout),
    f.field("priority", x.priority), f.field("max_attempts", x.max_attempts));
}

template <class Inspector>
bool inspect(Inspector& f, worker_load& x) {
  return f.object(x).fields(
    f.field("running", x.running), f.field("held", x.held),
    f.field("credit", x.credit), f.field("finished", x.finished),
    f.field("failed", x.failed), f.field("draining", x.draining));
}

template <class Inspector>
bool inspect(Inspector& f, register_worker& x) {
  return f.object(x).fields(
    f.field("worker", x.worker), f.field("name", x.name),
    f.field("incarnation", x.incarnation),
    f.field("concurrency", x.concurrency), f.field("queues", x.queues),
    f.field("lease_ttl", x.lease_ttl), f.field("credit", x.credit),
    f.field("held", x.held), f.field("supervised", x.supervised));
}

template <class Inspector>
bool inspect(Inspector& f, worker_end& x) {
  return f.object(x).fields(
    f.field("reason", x.reason), f.field("running", x.running),
    f.field("kept", x.kept), f.field("complete", x.complete));
}

template <class Inspector>
bool inspect(Inspector& f, worker_ended& x) {
  return f.object(x).fields(f.field("name", x.name),
                            f.field("incarnation", x.incarnation),
                            f.field("end", x.end));
}

template <class Inspector>
bool inspect(Inspector& f, grant_credit& x) {
  return f.object(x).fields(f.field("more", x.more),
                            f.field("replace", x.replace));
}

template <class Inspector>
bool inspect(Inspector& f, attempt_outcome& x) {
  return f.object(x).fields(f.field("token", x.token), f.field("kind", x.kind),
                            f.field("text", x.text), f.field("retry", x.retry));
}

template <class Inspector>
bool inspect(Inspector& f, outcome_batch& x) {
  return f.object(x).fields(f.field("number", x.number),
                            f.field("items", x.items));
}

template <class Inspector>
bool inspect(Inspector& f, held_lease& x) {
  return f.object(x).fields(f.field("token", x.token),
                            f.field("progress", x.progress));
}

template <class Inspector>
bool inspect(Inspector& f, worker_heartbeat& x) {
  return f.object(x).fields(f.field("load", x.load),
                            f.field("leases", x.leases),
                            f.field("complete", x.complete));
}

template <class Inspector>
bool inspect(Inspector& f, leases_not_held& x) {
  return f.object(x).fields(f.field("tokens", x.tokens));
}

template <class Inspector>
bool inspect(Inspector& f, check_leases& x) {
  return f.object(x).fields(f.field("tokens", x.tokens));
}

template <class Inspector>
bool inspect(Inspector& f, worker_refused& x) {
  return f.object(x).fields(f.field("code", x.code),
                            f.field("reason", x.reason));
}

template <class Inspector>
bool inspect(Inspector& f, lease_batch& x) {
  return f.object(x).fields(f.field("jobs", x.jobs));
}

template <class Inspector>
bool inspect(Inspector& f, outcome_ack& x) {
  return f.object(x).fields(f.field("number", x.number),
                            f.field("code", x.code), f.field("items", x.items));
}

template <class Inspector>
bool inspect(Inspector& f, revoked_lease& x) {
  return f.object(x).fields(f.field("token", x.token),
                            f.field("reason", x.reason));
}

template <class Inspector>
bool inspect(Inspector& f, revoke_leases& x) {
  return f.object(x).fields(f.field("items", x.items));
}

template <class Inspector>
bool inspect(Inspector& f, recall_leases& x) {
  return f.object(x).fields(f.field("queues", x.queues));
}

template <class Inspector>
bool inspect(Inspector& f, parcel_chunk& x) {
  return f.object(x).fields(
    f.field("session", x.session), f.field("parcel", x.parcel),
    f.field("total", x.total), f.field("offset", x.offset),
    f.field("bytes", x.bytes));
}

template <class Inspector>
bool inspect(Inspector& f, parcel_received& x) {
  return f.object(x).fields(f.field("session", x.session),
                            f.field("parcel", x.parcel),
                            f.field("offset", x.offset));
}

template <class Inspector>
bool inspect(Inspector& f, drain_worker& x) {
  return f.object(x).fields(f.field("limit", x.limit));
}

template <class Inspector>
bool inspect(Inspector& f, leave_cluster& x) {
  return f.object(x).fields(f.field("limit", x.limit));
}

template <class Inspector>
bool inspect(Inspector& f, clock_tick& x) {
  return f.object(x).fields(f.field("number", x.number));
}

template <class Inspector>
bool inspect(Inspector& f, journal_failed& x) {
  return f.object(x).fields(f.field("code", x.code),
                            f.field("message", x.message));
}

template <class Inspector>
bool inspect(Inspector& f, probe_node& x) {
  return f.object(x).fields(f.field("host", x.host), f.field("port", x.port),
                            f.field("limit", x.limit));
}

template <class Inspector>
bool inspect(Inspector& f, terminate_child& x) {
  return f.object(x).fields(f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, restart_child& x) {
  return f.object(x).fields(f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, remove_child& x) {
  return f.object(x).fields(f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, restart_due& x) {
  return f.object(x).fields(f.field("number", x.number));
}

/// Messages that say all by their type.
template <class T>
concept empty_message = std::is_same_v<T, stop_leasing> || std::is_same_v<
  T, worker_accepted> || std::is_same_v<T, leasing_stopped> || std::
  is_same_v<T, register_again> || std::is_same_v<T, start_child> || std::
    is_same_v<T, start_children> || std::is_same_v<
      T, stop_children> || std::is_same_v<T, doorbell_rung>;

template <class Inspector, empty_message Message>
bool inspect(Inspector& f, Message& x) {
  return f.object(x).fields();
}

// -- errors -------------------------------------------------------------------

/// For answering a request with our error.
[[nodiscard]] caf::error to_caf(const error& err);

/// The other way round; CAF's own errors become `timed_out`, `unavailable` or
/// `internal`.
[[nodiscard]] error from_caf(const caf::error& err);

} // namespace muster

// Never leaves the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(muster::add_child)

// -- type ids -----------------------------------------------------------------

// High, so that an application with types of its own keeps CAF's usual range.
CAF_BEGIN_TYPE_ID_BLOCK(muster, 4000)

// common
CAF_ADD_TYPE_ID(muster, (muster::errc))
CAF_ADD_TYPE_ID(muster, (muster::lease_token))
CAF_ADD_TYPE_ID(muster, (muster::leased_job))

// worker to manager
CAF_ADD_TYPE_ID(muster, (muster::register_worker))
CAF_ADD_TYPE_ID(muster, (muster::grant_credit))
CAF_ADD_TYPE_ID(muster, (muster::outcome_batch))
CAF_ADD_TYPE_ID(muster, (muster::worker_heartbeat))
CAF_ADD_TYPE_ID(muster, (muster::stop_leasing))

// manager to worker
CAF_ADD_TYPE_ID(muster, (muster::worker_accepted))
CAF_ADD_TYPE_ID(muster, (muster::worker_refused))
CAF_ADD_TYPE_ID(muster, (muster::lease_batch))
CAF_ADD_TYPE_ID(muster, (muster::outcome_ack))
CAF_ADD_TYPE_ID(muster, (muster::revoke_leases))
CAF_ADD_TYPE_ID(muster, (muster::leasing_stopped))
CAF_ADD_TYPE_ID(muster, (muster::register_again))

// supervision
CAF_ADD_TYPE_ID(muster, (muster::start_child))
CAF_ADD_TYPE_ID(muster, (muster::start_children))
CAF_ADD_TYPE_ID(muster, (muster::stop_children))
CAF_ADD_TYPE_ID(muster, (muster::drain_worker))

// to oneself
CAF_ADD_TYPE_ID(muster, (muster::doorbell_rung))
CAF_ADD_TYPE_ID(muster, (muster::clock_tick))
CAF_ADD_TYPE_ID(muster, (muster::journal_failed))
CAF_ADD_TYPE_ID(muster, (muster::restart_due))

// between nodes
CAF_ADD_TYPE_ID(muster, (muster::probe_node))
CAF_ADD_TYPE_ID(muster, (muster::check_leases))
CAF_ADD_TYPE_ID(muster, (muster::leases_not_held))

// supervision while it runs
CAF_ADD_TYPE_ID(muster, (muster::add_child))
CAF_ADD_TYPE_ID(muster, (muster::terminate_child))
CAF_ADD_TYPE_ID(muster, (muster::restart_child))
CAF_ADD_TYPE_ID(muster, (muster::remove_child))

// processes of workers
CAF_ADD_TYPE_ID(muster, (muster::worker_ended))

// paused queues
CAF_ADD_TYPE_ID(muster, (muster::recall_leases))

// parcels between nodes
CAF_ADD_TYPE_ID(muster, (muster::parcel_chunk))
CAF_ADD_TYPE_ID(muster, (muster::parcel_received))

// nodes that end
CAF_ADD_TYPE_ID(muster, (muster::leave_cluster))

CAF_END_TYPE_ID_BLOCK(muster)

CAF_ERROR_CODE_ENUM(muster::errc)
