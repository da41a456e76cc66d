#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/messages.hpp"
#include "persistence/journal.hpp"

#include <memory>

namespace muster {

struct journal_actor_options {
  /// Callbacks are kept, and called after the actor's own.
  journal_options journal;
  /// Where others find the journal.
  std::shared_ptr<journal_port> port;
};

/// Holds the journal open: opens it when started, ends with an error when it
/// has failed, and closes it when it ends, so that a supervisor which starts
/// this actor again reopens the journal. Opening and closing block: must be
/// spawned detached.
class journal_state {
public:
  static constexpr const char* name = "muster.journal";

  journal_state(caf::event_based_actor* self, journal_actor_options options);

  /// Closes the journal. The actor's monitors hear of its end after that.
  ~journal_state();
  journal_state(const journal_state&) = delete;
  journal_state& operator=(const journal_state&) = delete;

  caf::behavior make_behavior();

private:
  caf::result<void> open();
  void close();

  caf::event_based_actor* self_;
  journal_actor_options options_;
  std::shared_ptr<journal> journal_;
};

} // namespace muster
