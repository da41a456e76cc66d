#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/lease_book.hpp"
#include "actors/manager_inbox.hpp"
#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "actors/outcome_commands.hpp"
#include "actors/parcel.hpp"
#include "actors/worker_board.hpp"
#include "actors/worker_ends.hpp"
#include "persistence/journal.hpp"
#include "persistence/stall_detector.hpp"

#include <caf/actor_addr.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace muster {

namespace limits {

inline constexpr std::size_t workers = 4'096;
/// Batches of outcomes of one worker that wait for the journal.
inline constexpr std::size_t outcome_batches = 64;
/// Heartbeats of one worker that wait for the journal.
inline constexpr std::uint32_t heartbeats = 4;

} // namespace limits

struct manager_options {
  std::shared_ptr<journal_port> journal;
  std::shared_ptr<revocation_feed> revocations;
  std::shared_ptr<worker_board> board;
  event_sink log;
  /// Treats workers of this process like those of others, for tests.
  bool all_remote = false;
};

/// Stands between workers and the journal: keeps a standing demand for each
/// worker, passes leases on, has outcomes and heartbeats recorded, and gives
/// the leases of a worker that is gone to others.
///
/// The journal may be absent at any time; it is looked for until it is back:
///
///     absent --attached--> loading --leases read--> open
///        ^                    |                       |
///        +-----failed---------+--- demand ended ------+
///
/// Nothing here must survive: leases are in the store, and workers that find a
/// new manager present theirs.
class manager_state {
public:
  static constexpr const char* name = "muster.manager";

  manager_state(caf::event_based_actor* self, manager_options options);
  ~manager_state();
  manager_state(const manager_state&) = delete;
  manager_state& operator=(const manager_state&) = delete;

  caf::behavior make_behavior();

  /// For `tell_state`.
  void describe(state_report& out) const;

private:
  using worker_id = lease_book::worker_id;
  using time_point = std::chrono::steady_clock::time_point;

  enum class journal_phase : std::uint8_t { absent, loading, open };

  struct worker {
    caf::actor handle;
    worker_info info;
    millis lease_ttl{0};
    /// Our number for the demand at the journal, and its own; 0 if none.
    std::uint64_t demand = 0;
    demand_id journal_demand = demand_id::none;
    std::uint32_t credit = 0;
    /// Had a demand before.
    bool served = false;
    /// Wants no more leases.
    bool stopping = false;
    /// Its parent process tells how it ended.
    bool supervised = false;
    std::uint32_t heartbeats_under_way = 0;
    time_point last_seen;
    std::unordered_map<std::uint64_t, outcome_recording> recordings;

    /// On another node.
    bool remote = false;
    /// Leases on their way to it.
    parcel_sender parcels;
    /// Outcomes on their way from it.
    parcel_receiver outcomes;
    /// To be revoked when the parcels that they are in are through.
    std::vector<revoked_lease> revoked;
    /// Queues that were paused since parcels are under way.
    std::set<std::string> recalled;
    /// Waits to hear that leasing has stopped.
    bool stop_is_due = false;
  };

  // -- the journal (manager_journal.cpp) --------------------------------------

  void look_for_journal();
  void on_leases_read(expected<std::vector<lease_book::stored_lease>> stored);
  void serve(worker_id id, worker& w);
  void open_demand(worker_id id, worker& w);
  void on_delivery(manager_inbox::delivery& item);
  void on_demand_ended(std::uint64_t demand);
  void on_revoked(const std::vector<effects::revoked_lease>& revoked);
  void on_paused(const std::vector<std::string>& queues);
  void extend(worker_id id, worker& w, const std::vector<held_lease>& leases);
  void on_extended(worker_id id, const std::vector<lease_token>& tokens,
                   const expected<outcome>& answer);
  void leave_journal();
  void settle_loose_ends();
  /// `reason`: why they are lost; empty if they are handed back.
  void on_loose_end(const std::vector<lease_token>& tokens,
                    const std::string& reason, const expected<outcome>& answer);

  // -- parcels (manager_parcels.cpp) ------------------------------------------

  void send_leases(worker& w, std::vector<leased_job> jobs);
  void send_chunks(worker& w);
  void on_chunk(const parcel_chunk& chunk);
  void on_received(const parcel_received& msg);
  /// Behind the leases.
  void revoke(worker& w, revoke_leases msg);
  /// Tells the worker behind the last lease.
  void end_leasing(worker& w);
  /// Hands leases back that were on their way.
  void take_back(worker_id id, const std::vector<parcel_label>& parcels);
  void end_parcels(worker_id id, worker& w);
  /// Has workers register again that nothing gets through to.
  void check_parcels();

  // -- what workers report (manager_reports.cpp) ------------------------------

  void on_heartbeat(worker_heartbeat& msg);
  void on_not_held(const leases_not_held& msg);
  void on_outcomes(const outcome_batch& batch);
  void on_recorded(worker_id id, std::uint64_t batch, std::size_t index,
                   const expected<outcome>& answer);

  // -- workers ----------------------------------------------------------------

  void on_register(register_worker& msg);
  void on_grant(const grant_credit& msg);
  void on_stop_leasing();
  void on_worker_ended(worker_ended& msg);
  void settle_end(worker_ends::verdict verdict);
  void add_lost(const std::vector<lease_token>& tokens, std::string reason);
  void on_doorbell();
  void on_tick();

  worker* find_sender(worker_id* id = nullptr);
  [[nodiscard]] std::string reason_to_refuse(const register_worker& msg) const;
  void forget(worker_id id, const std::string& why, bool ended = false);
  void publish();
  void log(node_event::severity level, std::string text) const;
  void schedule_tick();
  [[nodiscard]] static timestamp wall_clock();

  caf::event_based_actor* self_;
  manager_options options_;
  std::shared_ptr<manager_inbox> inbox_;
  journal_phase phase_ = journal_phase::absent;
  caf::response_promise started_;

  std::uint64_t last_id_ = 0;
  std::unordered_map<worker_id, worker> workers_;
  std::unordered_map<caf::actor_addr, worker_id> by_address_;
  std::map<std::string, worker_id, std::less<>> by_name_;
  /// Whose demand it is; also demands that are withdrawn but not ended.
  std::unordered_map<std::uint64_t, worker_id> demands_;
  lease_book book_;
  time_point orphans_until_{};
  /// Of workers that were lost when this process had stood still: they may be
  /// there as before. Held as orphans.
  lease_book suspects_;
  stall_detector stalls_;
  /// An earlier tick has been replaced.
  std::uint64_t last_tick_ = 0;

  worker_ends ends_;

  /// Leases to fail as lost, by the reason, or to hand back, as soon as the
  /// journal takes it.
  std::map<std::string, std::vector<lease_token>> lost_;
  std::vector<lease_token> undelivered_;
};

} // namespace muster
