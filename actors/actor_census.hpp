#pragma once

#include "actors/actor_record.hpp"
#include "persistence/expected.hpp"

#include <caf/fwd.hpp>
#include <caf/node_id.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// The actors of an actor system that take part in inspection: those that are
/// `spawn_actor`ed, and those made of `inspected`. Reading it asks no actor,
/// and keeps none alive. Thread-safe.
class actor_census {
public:
  /// Actors beyond these are not shown.
  static constexpr std::size_t max_actors = 16'384;
  /// Traces at once.
  static constexpr std::size_t max_traces = 16;

  /// The system's census; the same one for as long as somebody holds it.
  [[nodiscard]] static std::shared_ptr<actor_census>
  of(const caf::actor_system& system);

  /// Null if there are too many.
  [[nodiscard]] std::shared_ptr<actor_record> add(caf::local_actor& who);

  void remove(std::uint64_t id);

  /// Names an actor by its place under supervisors. Traces of an earlier actor
  /// of this name go on with it.
  void name(std::uint64_t id, std::string name, std::string parent);

  [[nodiscard]] std::vector<actor_row> rows() const;

  /// Null if there is no such actor.
  [[nodiscard]] std::shared_ptr<actor_record> find(std::string_view name) const;

  /// Says whose a node id is, so that actors of other nodes get names; an empty
  /// name forgets it.
  void name_node(const caf::node_id& id, std::string name);

  /// The name of an actor, or a text with its number and its node.
  [[nodiscard]] std::string name_of(const caf::strong_actor_ptr& who) const;

  // -- traces -----------------------------------------------------------------

  /// Traces an actor's messages under an id. Errors: `not_found`; `busy` if
  /// there are `max_traces`.
  [[nodiscard]] expected<void>
  start_trace(std::string id, const std::string& actor, trace_options options);

  /// Null if there is no such trace, or it has been read to its end.
  [[nodiscard]] std::shared_ptr<message_trace>
  find_trace(std::string_view id) const;

  void forget_trace(std::string_view id);

private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<actor_record>> records_;
  std::map<std::string, std::shared_ptr<message_trace>, std::less<>> traces_;
  /// Of nodes that are connected.
  std::map<caf::node_id, std::string> nodes_;
};

} // namespace muster
