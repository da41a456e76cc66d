#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/child_specification.hpp"
#include "runtime/gateway.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace muster {

/// Where the gateway of a node is found through all its restarts. Thread-safe.
class gateway_slot {
public:
  /// Where it listens: what the first start was given stays.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string address() const;

  /// See `gateway::drain`; holds for gateways to come, too.
  void drain();

private:
  friend class gateway_actor_state;

  void put(std::shared_ptr<gateway> now);

  mutable std::mutex mutex_;
  std::shared_ptr<gateway> gateway_;
  std::uint16_t port_ = 0;
  std::string address_;
  bool draining_ = false;
};

struct gateway_actor_options {
  gateway_options settings;
  gateway_backend backend;
  std::shared_ptr<gateway_slot> slot;
  /// A thread of the gateway does not come back from what it does, which only
  /// the end of the process ends. Must not return.
  std::function<void(const error& reason)> on_stuck;
  /// How often its threads are looked at.
  millis interval{10'000};
  /// So many looks without a sign of life, and a thread is stuck.
  int patience = 6;
};

/// The gateway as a child of the node's supervisor, to be started last.
[[nodiscard]] child_specification gateway_child(gateway_actor_options options);

/// Keeps the gateway, which has threads of its own, under supervision: starts
/// it, looks whether its threads live, and ends with the reason if one has
/// failed. Its successor listens on the same port. Blocks: needs a thread.
class gateway_actor_state {
public:
  static constexpr const char* name = "muster.gateway";

  gateway_actor_state(caf::event_based_actor* self,
                      gateway_actor_options options);
  ~gateway_actor_state();
  gateway_actor_state(const gateway_actor_state&) = delete;
  gateway_actor_state& operator=(const gateway_actor_state&) = delete;

  caf::behavior make_behavior();

private:
  caf::result<void> start();
  void look();

  caf::event_based_actor* self_;
  gateway_actor_options options_;
  std::shared_ptr<gateway> gateway_;
  std::uint64_t beats_ = 0;
  int silent_looks_ = 0;
};

} // namespace muster
