#pragma once

#include "actors/endpoint.hpp"
#include "actors/node_hello.hpp"
#include "persistence/job.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster {

/// Where other nodes may be found, and when to try there the next time. Pure:
/// time and chance are arguments.
///
/// An address is tried while no node is connected that is known to be there.
/// After a failure it is left alone for a while, longer after each, by the
/// policy. Addresses that nobody gave are forgotten when they failed for long.
class address_book {
public:
  using time_point = std::chrono::steady_clock::time_point;

  struct options {
    /// Of this node: managers look for everybody, workers for managers.
    node_roles self;
    /// Never forgotten.
    std::vector<endpoint> given;
    /// From an earlier run.
    std::vector<known_node> remembered;
    backoff_policy backoff{millis{100}, millis{2'000}, 2.0, 0.3};
    /// How long a node that cannot be reached is looked for.
    millis forget_after{std::chrono::hours{24}};
    /// Attempts under way at a time.
    std::size_t max_attempts = 16;
    std::size_t max_nodes = 4'096;
  };

  address_book(options opts, time_point now);

  /// Somebody told of a node. Addresses replace those known before.
  void learn(const known_node& node, time_point now);

  /// Where to try now; each is under way until its `on_connected` or
  /// `on_failed`.
  [[nodiscard]] std::vector<endpoint> take_due(time_point now);

  /// When there is something to try, unless all is under way or connected.
  [[nodiscard]] std::optional<time_point> next_due() const;

  /// The node was met through this address.
  void on_connected(const endpoint& at, const std::string& node);
  /// There is nobody, or nobody to talk to. `chance` is from [0, 1).
  void on_failed(const endpoint& at, time_point now, double chance);
  /// This node itself is there.
  void on_self(const endpoint& at);

  /// The node is connected, whoever called whom; its addresses are left alone.
  void join(const known_node& node, time_point now);
  /// It is not any more: its addresses are due after a short while.
  void part(const std::string& node, time_point now, double chance);
  /// It ended, and said so. A worker is forgotten until it comes by itself,
  /// whatever others tell of it; a manager is looked for as one that is gone.
  void leave(const std::string& node, time_point now, double chance);

  [[nodiscard]] bool is_connected(const std::string& node) const;

  /// Nodes that were connected once or told of, without this one and without
  /// those that have left.
  [[nodiscard]] std::vector<known_node> nodes() const;

private:
  struct place {
    /// Who was found there, or is said to be there; may be empty.
    std::string node;
    bool given = false;
    bool self = false;
    bool under_way = false;
    std::uint32_t failures = 0;
    time_point next_try{};
  };

  struct entry {
    known_node facts;
    bool connected = false;
    /// Kept so that it is not learnt of again from who has not heard of it.
    bool left = false;
    time_point last_seen{};
  };

  void put(const known_node& node, entry& into, time_point now);
  [[nodiscard]] bool is_wanted(const place& p) const;
  void forget_places_of(const std::string& node);
  void forget_lost(time_point now);

  options options_;
  std::map<endpoint, place> places_;
  std::map<std::string, entry> nodes_;
  std::size_t under_way_ = 0;
};

} // namespace muster
