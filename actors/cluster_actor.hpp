#pragma once

#include "actors/actor_census.hpp"
#include "actors/address_book.hpp"
#include "actors/caf_helpers.hpp"
#include "actors/cluster_board.hpp"
#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "actors/node_hello.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace muster {

struct cluster_options {
  node_identity identity;
  /// See `spawn_gate`.
  caf::actor gate;
  /// Where to look for others.
  std::vector<endpoint> join;
  /// Of an earlier run, from `remember`.
  std::vector<known_node> remembered;
  /// Called on the actor's thread when the nodes known have changed, so that
  /// they can be kept for the next start.
  std::function<void(const std::vector<known_node>&)> remember;
  /// This node's own manager; null if it has none or it is down.
  std::function<caf::actor()> own_manager;
  std::shared_ptr<cluster_board> board;
  event_sink log;
  /// How often connected nodes tell of themselves: after this, or up to half as
  /// much again.
  millis hello_interval{2'000};
  /// How long a connection may take to come up.
  millis connect_limit{2'000};
  /// How long another node may take to answer.
  millis answer_limit{5'000};
};

/// What others find at a node's port. It lives as long as the port, and hands
/// hellos on to whoever is the board's link.
[[nodiscard]] caf::actor spawn_gate(caf::actor_system& system,
                                    std::shared_ptr<cluster_board> board);

/// Keeps this node connected: looks for other nodes at the addresses that it
/// was given or has learnt of, says hello, notices when they are gone, and
/// looks for them again.
///
///     address --due--> probing --somebody--> connecting --> greeting --> peer
///        ^                |                      |              |          |
///        +---- back-off --+----------------------+--------------+   down --+
///
/// A node is lost when its connection is gone or its hellos stay unanswered;
/// one that ends in order says so, and leaves.
/// Either side may have called the other. Whoever restarts finds its way back
/// by the addresses that it kept, or is found by those who know it.
class cluster_state {
public:
  static constexpr const char* name = "muster.cluster";

  cluster_state(caf::event_based_actor* self, cluster_options options);
  ~cluster_state();
  cluster_state(const cluster_state&) = delete;
  cluster_state& operator=(const cluster_state&) = delete;

  caf::behavior make_behavior();

  /// For `tell_state`.
  void describe(state_report& out) const;

private:
  using time_point = address_book::time_point;

  struct peer {
    received_hello facts;
    timestamp since;
    timestamp last_heard;
    time_point next_hello;
    bool asked = false;
    /// Hellos without an answer since it was last heard of.
    std::uint32_t unanswered = 0;
  };

  /// What is kept of a node beyond its connection.
  struct history {
    std::string incarnation;
    timestamp started;
    timestamp last_heard;
    timestamp since;
    double load = 0;
    std::uint64_t restarts = 0;
    std::string http;
  };

  // -- looking for others -----------------------------------------------------

  void seek(const endpoint& at);
  void on_probed(const endpoint& at);
  void greet(const endpoint& at, const caf::actor& gate);
  void on_greeted(const endpoint& at, const hello_parts& answer);
  void on_failed(const endpoint& at, const error& reason);

  // -- peers (cluster_peers.cpp) ----------------------------------------------

  [[nodiscard]] caf::message on_hello(const hello_parts& parts);
  /// Says why not.
  [[nodiscard]] std::optional<std::string> admit(received_hello& from);
  void say_hello(const std::string& who, peer& p);
  void on_down(const caf::actor_addr& address);
  void lose(const std::string& who, const std::string& why);
  /// It said that it ends.
  void depart(const node_identity& other);
  void drop(const std::string& who);
  /// Tells all peers that this node ends.
  [[nodiscard]] caf::result<void> leave(millis limit);
  void choose_manager();
  [[nodiscard]] time_point next_hello();
  [[nodiscard]] caf::message hello_for(const std::string& who) const;
  void publish();

  // -- time -------------------------------------------------------------------

  void on_tick();
  /// At the next time at which there is something to do, unless one comes
  /// before.
  void schedule_tick();
  void remember_if_changed();
  /// The same text is logged once in a while only.
  void complain(const std::string& text);
  void log(node_event::severity level, std::string text) const;
  [[nodiscard]] time_point now() const;
  [[nodiscard]] double chance();

  caf::event_based_actor* self_;
  cluster_options options_;
  std::shared_ptr<actor_census> census_;
  address_book book_;
  std::map<std::string, peer> peers_;
  std::map<std::string, history> histories_;
  /// Nobody is met any more.
  bool leaving_ = false;
  std::map<std::string, time_point> complaints_;
  std::vector<known_node> remembered_;
  std::string manager_;
  /// When the tick that counts is due; others have been replaced by it.
  time_point tick_at_ = time_point::max();
  std::uint64_t last_tick_ = 0;
  std::minstd_rand random_;
};

} // namespace muster
