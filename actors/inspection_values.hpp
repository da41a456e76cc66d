#pragma once

#include "actors/actor_row.hpp"
#include "actors/message_trace.hpp"
#include "persistence/errc.hpp"
#include "persistence/job.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

// What nodes are asked when they are looked into, as plain values.

namespace muster {

enum class inspection_kind : std::uint8_t {
  /// All actors; `wait`: the figures of that window.
  list_actors = 0,
  /// The state of the actor `name`, as JSON.
  get_state = 1,
  /// Ends the supervised actor `name` and starts it again.
  restart_actor = 2,
  /// Ends the supervised actor `name` and leaves it down.
  stop_actor = 3,
  /// Kills the actor `name`.
  kill_actor = 4,
  /// Begins a trace of the actor `name` under the id `text`.
  start_trace = 5,
  /// What the trace `name` has seen since it was read last; waits up to `wait`
  /// for something.
  read_trace = 6,
  end_trace = 7,
  /// Lines of the log after number `after`, of severity `text` or above; waits
  /// up to `wait` for one.
  read_log = 8,
  /// Sets the log's least severity to `text`.
  set_log_level = 9,
  /// Has the node drain and end.
  drain_node = 10,
  /// The trees of supervisors, as JSON.
  list_supervisors = 11,
  /// Where the node's HTTP is, as `text`.
  locate_http = 12,
};

struct inspection_request {
  inspection_kind kind = inspection_kind::list_actors;
  std::string name;
  std::string text;
  std::uint64_t after = 0;
  std::uint64_t limit = 0;
  millis wait{0};
  actor_order order = actor_order::by_name;
  /// Of a trace.
  millis per{0};
  millis duration{0};
};

struct inspection_answer {
  /// `none`, or why not, with a sentence in `text`.
  errc code = errc::none;
  std::string text;
  std::vector<actor_row> actors;
  trace_part trace;
};

[[nodiscard]] inline inspection_answer refuse(errc code, std::string text) {
  return {code, std::move(text), {}, {}};
}

/// Something to ask a node on behalf of a thread.
struct inspection_call {
  /// The node's name; empty: this one.
  std::string node;
  inspection_request request;
  /// For the answer.
  millis limit{2'000};
  /// Called once, on a thread of the actor system; must not block.
  std::function<void(inspection_answer)> on_answer;
};

/// A node as inspection sees it.
struct inspected_node {
  std::string name;
  /// As in `node_info`; this node comes first.
  std::string state;
};

/// Where nodes are asked from any thread, without waiting. Thread-safe.
class inspection_port {
public:
  virtual ~inspection_port() = default;

  [[nodiscard]] virtual std::vector<inspected_node> nodes() const = 0;

  /// Has a node answer; `on_answer` may be called before this returns. A node
  /// that does not answer is `timed_out`; one that is not connected is
  /// `unavailable`, or `not_found` where nobody has heard of it.
  virtual void call(inspection_call what) = 0;
};

} // namespace muster
