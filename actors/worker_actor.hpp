#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/credit_policy.hpp"
#include "actors/job_runner.hpp"
#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "actors/outbox_keeper.hpp"
#include "actors/outcome_outbox.hpp"
#include "actors/parcel.hpp"
#include "actors/worker_info.hpp"
#include "actors/worker_metrics.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster {

struct worker_actor_options {
  /// With everything filled in.
  worker_options settings;
  std::shared_ptr<worker_metrics> metrics;
  /// Where the manager is now; null if it is not known at the moment. A worker
  /// that lost its manager asks again and again.
  std::function<caf::actor()> locate_manager;
  /// Where outcomes are kept until they are acknowledged; null: in memory only.
  std::shared_ptr<outbox_keeper> keeper;
  /// Is given the runner, whose threads may live longer than the actor.
  std::function<void(std::shared_ptr<job_runner>)> on_runner;
  event_sink log;
  /// Treats a manager of this process like one of another, for tests.
  bool all_remote = false;
};

/// Takes leases from a manager with credit, has its runner run them, and
/// reports outcomes until they are acknowledged.
///
///     searching --found--> registering --accepted--> serving
///         ^                     |  ^                    |
///         |                     |  +--- not known ------+
///         +------ manager down -+-----------------------+
///
/// Attempts go on running whatever happens to the manager.
class worker_state {
public:
  static constexpr const char* name = "muster.worker";

  worker_state(caf::event_based_actor* self, worker_actor_options options);
  ~worker_state();
  worker_state(const worker_state&) = delete;
  worker_state& operator=(const worker_state&) = delete;

  caf::behavior make_behavior();

  /// For `tell_state`.
  void describe(state_report& out) const;

private:
  using time_point = std::chrono::steady_clock::time_point;

  enum class phase : std::uint8_t { searching, registering, serving };

  /// What is left to do before the worker may end.
  struct drain_state {
    /// Then running attempts are asked to stop, and then given up.
    time_point stop_at;
    time_point give_up_at;
    time_point end_at;
    bool stopped = false;
    /// The manager sends no more leases.
    bool leasing_stopped = false;
    std::vector<caf::response_promise> waiting;
  };

  // -- the manager ------------------------------------------------------------

  void search();
  void register_at_manager();
  void on_accepted();
  void on_refused(const worker_refused& msg);
  void on_manager_down();
  /// Where there is another manager, the last one is gone, even if nobody heard
  /// of its end: it may have ended behind a link that was cut.
  void leave_replaced_manager();
  void on_leases(lease_batch& batch);
  void on_ack(const outcome_ack& ack);
  void on_revoked(const revoke_leases& msg);
  void on_recalled(const recall_leases& msg);
  void on_check(const check_leases& msg);

  // -- parcels (worker_parcels.cpp) -------------------------------------------

  /// `batch` holds an `outcome_batch`.
  void send_outcomes(const caf::message& batch);
  void send_chunks();
  void on_chunk(const parcel_chunk& chunk);
  void on_received(const parcel_received& msg);
  void end_parcels();
  [[nodiscard]] bool is_served_by_sender() const;

  // -- work -------------------------------------------------------------------

  void start();
  /// Reports what has finished and asks for more.
  void pump(bool everything = false);
  /// Of the outcomes in one batch.
  [[nodiscard]] std::size_t outcome_bytes() const;
  /// Has outcomes reported, and kept until they are acknowledged.
  void report(std::vector<attempt_outcome> outcomes);
  void grant(const job_runner::figures& now);
  void send_heartbeat(time_point now, const job_runner::figures& figures);
  void release_stalled(const job_runner::figures& figures);
  [[nodiscard]] std::vector<lease_token> all_tokens() const;

  // -- drain ------------------------------------------------------------------

  void begin_drain(millis limit);
  void go_on_with_drain(time_point now, const job_runner::figures& figures);
  void end_drain(bool complete);

  // -- time -------------------------------------------------------------------

  void on_tick();
  void schedule_tick(millis delay);
  void hurry();
  [[nodiscard]] time_point now() const;
  void log(node_event::severity level, std::string text) const;

  caf::event_based_actor* self_;
  worker_actor_options options_;
  std::shared_ptr<doorbell> bell_;
  std::shared_ptr<job_runner> runner_;
  outcome_outbox outbox_;
  run_time_mean mean_;

  phase phase_ = phase::searching;
  caf::actor manager_;
  /// While registering: when to try again.
  time_point retry_at_{};
  bool manager_is_remote_ = false;
  /// Outcomes on their way to the manager.
  parcel_sender parcels_;
  std::uint64_t sessions_ = 0;
  /// Leases on their way from it.
  parcel_receiver leases_;
  /// Leases that the manager may still send.
  std::uint32_t credit_ = 0;

  time_point next_heartbeat_{};
  time_point next_report_{};
  /// Said that the keeper is full.
  bool complained_ = false;
  worker_load reported_;
  std::uint64_t finished_ = 0;
  std::uint64_t failed_ = 0;

  std::unique_ptr<drain_state> drain_;
  std::uint64_t last_tick_ = 0;
  bool ticks_fast_ = false;
};

} // namespace muster
