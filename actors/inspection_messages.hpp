#pragma once

#include "actors/inspection_values.hpp"
#include "actors/messages.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/type_id.hpp>

#include <memory>

// What is asked to look into a node, and to control what runs in it. A block of
// type ids of its own, under the same rules as that of messages.hpp.
//
//     HTTP route -> inspect_call -> inspector -> inspection_request -> gate of
//     the other node -> its inspector -> inspection_answer, all the way back

namespace muster {

/// To any actor of `spawn_actor`: answered with a JSON object, see
/// `state_report`.
struct tell_state {};

/// To the inspector of this process.
struct inspect_call {
  std::shared_ptr<const inspection_call> call;
};

// -- inspection by CAF --------------------------------------------------------

template <class Inspector>
bool inspect(Inspector& f, tell_state& x) {
  return f.object(x).fields();
}

template <class Inspector>
bool inspect(Inspector& f, inspection_kind& x) {
  return inspect_enum(f, x, inspection_kind::locate_http);
}

template <class Inspector>
bool inspect(Inspector& f, actor_order& x) {
  return inspect_enum(f, x, actor_order::by_messages);
}

template <class Inspector>
bool inspect(Inspector& f, actor_state& x) {
  return inspect_enum(f, x, actor_state::down);
}

template <class Inspector>
bool inspect(Inspector& f, inspection_request& x) {
  return f.object(x).fields(f.field("kind", x.kind), f.field("name", x.name),
                            f.field("text", x.text), f.field("after", x.after),
                            f.field("limit", x.limit), f.field("wait", x.wait),
                            f.field("order", x.order), f.field("per", x.per),
                            f.field("duration", x.duration));
}

template <class Inspector>
bool inspect(Inspector& f, actor_row& x) {
  return f.object(x).fields(
    f.field("name", x.name), f.field("type", x.type),
    f.field("parent", x.parent), f.field("id", x.id), f.field("state", x.state),
    f.field("started_at", x.started_at), f.field("messages_in", x.messages_in),
    f.field("messages_out", x.messages_out), f.field("busy_us", x.busy_us),
    f.field("mailbox", x.mailbox), f.field("oldest_waiting", x.oldest_waiting),
    f.field("last_error", x.last_error),
    f.field("last_message_at", x.last_message_at),
    f.field("restarts", x.restarts));
}

template <class Inspector>
bool inspect(Inspector& f, trace_event& x) {
  return f.object(x).fields(
    f.field("at", x.at), f.field("actor", x.actor), f.field("from", x.from),
    f.field("message", x.message), f.field("busy_us", x.busy_us));
}

template <class Inspector>
bool inspect(Inspector& f, trace_part& x) {
  return f.object(x).fields(
    f.field("events", x.events), f.field("dropped", x.dropped),
    f.field("ended", x.ended), f.field("reason", x.reason));
}

template <class Inspector>
bool inspect(Inspector& f, inspection_answer& x) {
  return f.object(x).fields(f.field("code", x.code), f.field("text", x.text),
                            f.field("actors", x.actors),
                            f.field("trace", x.trace));
}

} // namespace muster

// Never leaves the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(muster::inspect_call)

CAF_BEGIN_TYPE_ID_BLOCK(muster_inspection, 4100)

CAF_ADD_TYPE_ID(muster_inspection, (muster::tell_state))
CAF_ADD_TYPE_ID(muster_inspection, (muster::inspection_request))
CAF_ADD_TYPE_ID(muster_inspection, (muster::inspection_answer))
CAF_ADD_TYPE_ID(muster_inspection, (muster::inspect_call))

CAF_END_TYPE_ID_BLOCK(muster_inspection)
