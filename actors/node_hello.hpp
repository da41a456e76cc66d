#pragma once

#include "actors/endpoint.hpp"
#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <caf/actor.hpp>
#include <caf/message.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Of the conversation between nodes. Raised when a released message changes
/// its meaning; nodes of different versions do not talk.
inline constexpr std::uint32_t wire_version = 1;

/// The roles of a node.
struct node_roles {
  bool manager = false;
  bool worker = false;

  friend bool operator==(const node_roles&, const node_roles&) = default;
};

/// A node that others may want to reach.
struct known_node {
  std::string name;
  node_roles roles;
  std::vector<endpoint> addresses;

  friend bool operator==(const known_node&, const known_node&) = default;
};

/// Who a node is.
struct node_identity {
  known_node node;
  /// Tells this start of the node from the ones before.
  std::string incarnation;
  timestamp started;
};

/// What nodes tell each other when they meet, and again and again while they
/// are connected.
struct node_hello {
  node_identity identity;
  /// The machine's load average over one minute.
  double load = 0;
  /// Where its HTTP is, `HOST:PORT`; empty: nowhere yet.
  std::string http;
  /// It is about to end, and may be forgotten.
  bool leaving = false;
  /// Other nodes that it knows.
  std::vector<known_node> others;
};

namespace limits {

inline constexpr std::size_t node_name = 255;
inline constexpr std::size_t node_addresses = 16;
inline constexpr std::size_t http_address = 300;
/// Nodes in one hello.
inline constexpr std::size_t told_nodes = 1'024;

} // namespace limits

/// A hash over the types of all messages: nodes whose types differ cannot read
/// what they send each other.
[[nodiscard]] const std::string& message_fingerprint();

/// A hello on the wire. It is made of CAF's own types alone, so that any
/// version reads as much of it as it takes to say why it does not fit.
/// `gate` is where the sender takes hellos, `manager` its manager or null.
[[nodiscard]] caf::message encode_hello(const node_hello& hello,
                                        const caf::actor& gate,
                                        const caf::actor& manager);

/// A refusal on the wire: the counterpart of `encode_hello`.
[[nodiscard]] caf::message encode_refusal(std::string_view reason);

struct received_hello {
  node_hello hello;
  caf::actor gate;
  caf::actor manager;
};

/// The parts of a hello as they are received.
using hello_parts
  = std::tuple<std::string, std::uint32_t, std::string, std::string,
               caf::strong_actor_ptr, caf::strong_actor_ptr>;

/// Reads a hello or a refusal. Errors: `refused_by_peer` with the other's
/// sentence; `version_mismatch` with one sentence of our own; `malformed`.
[[nodiscard]] expected<received_hello> decode_hello(const hello_parts& parts);

/// Why a node cannot be met at all, whoever else is there; none if it can.
[[nodiscard]] std::optional<std::string>
reason_to_refuse(const node_identity& self, const node_identity& other);

} // namespace muster
