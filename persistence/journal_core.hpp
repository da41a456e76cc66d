#pragma once

#include "persistence/admission.hpp"
#include "persistence/journal.hpp"
#include "persistence/lease_desk.hpp"
#include "persistence/log.hpp"
#include "persistence/stall_detector.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <unordered_map>

struct uv_loop_s;
struct uv_handle_s;

namespace muster {

/// Figures that the journal's thread writes and any thread reads.
class journal_counters {
public:
  /// Counts a command as waiting unless that exceeds a limit.
  bool try_admit(std::size_t bytes, std::size_t max_commands,
                 std::size_t max_bytes) noexcept;
  void answered(std::size_t bytes) noexcept;

  [[nodiscard]] journal_stats read() const;

  std::atomic<std::uint64_t> applied{0};
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> commands{0};
  std::atomic<std::uint64_t> log_bytes{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> snapshots{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> leases_expired{0};
  histogram log_write_us;
  histogram log_write_bytes;
  histogram commands_per_entry;
  histogram apply_us;
  histogram commit_us;

private:
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<std::uint64_t> waiting_bytes_{0};
};

/// What runs on the journal's thread: composes entries from what waits, has
/// the log write them, applies them, answers, and commits the store.
///
///     submit -> admission -> waiting -> entry -> log (disk) -> apply -> answer
///                                                                |
///                                           commit (disk) <------+
///
/// One entry is being written at a time; what arrives meanwhile makes the next
/// one. An entry that was written is applied after the next one was handed to
/// the disk, so that both work at once.
class journal_core : private log_machine {
public:
  journal_core(uv_loop_s* loop, store& db, const journal_options& options,
               journal_counters& counters);
  ~journal_core() override;

  /// `ready` is called once, when commands may come or when that failed.
  void open(std::function<void(expected<void>)> ready);

  void submit(encoded_command cmd, journal::submit_callback done);
  void read(const journal::read_callback& fn);
  void open_demand(demand_id id, lease_demand demand);
  void add_credit(demand_id id, std::uint32_t more);
  void withdraw(demand_id id);
  void watch(watch_id key, job_id id, journal::watch_callback fn);
  void unwatch(watch_id key);
  [[nodiscard]] expected<void> commit_now();

  /// Finishes what waits, then ends. `closed` is called at the end.
  void close();
  void on_closed(std::function<void()> closed);

private:
  using clock = std::chrono::steady_clock;

  struct pending {
    encoded_command cmd;
    journal::submit_callback done;
  };

  /// Everything about an entry between its making and its answers.
  struct batch {
    std::vector<pending> commands;
    std::vector<lease_desk::order> orders;
    bool tick = false;
    std::size_t bytes = 0;
    clock::time_point begun;
  };

  struct written_entry {
    std::uint64_t position;
    std::string_view bytes;
  };

  struct watcher {
    job_id id;
    journal::watch_callback fn;
  };

  // log_machine
  void apply(std::uint64_t position, std::string_view bytes) override;
  expected<std::uint64_t> make_durable() override;

  void step();
  void compose();
  void look_for_stall(timestamp now);
  void send(batch e, std::vector<std::string> extra, timestamp now);
  void apply_written();
  void answer(batch& e, std::vector<outcome> outcomes);
  void spread(effects& fx);
  void commit_if_due();
  expected<void> commit();
  void measure_room();
  void arm_timer();
  void fail(error reason);
  void finish_closing();
  void refuse(pending& p, const error& reason);
  [[nodiscard]] timestamp wall_clock() const;
  [[nodiscard]] bool idle() const noexcept;

  uv_loop_s* loop_;
  store& db_;
  const journal_options& options_;
  journal_counters& counters_;
  state_machine machine_;
  log log_;
  admission admission_;
  lease_desk desk_;

  std::deque<pending> waiting_;
  /// Handed to the log, oldest first: at most one not written yet, and those
  /// that are written but not applied.
  std::deque<batch> under_way_;
  std::deque<written_entry> to_apply_;
  bool writing_ = false;
  bool tick_under_way_ = false;
  effects effects_;

  std::unordered_map<watch_id, watcher> watchers_;
  std::unordered_multimap<job_id, watch_id> watched_jobs_;

  /// When the first command was applied that is not committed.
  clock::time_point dirty_since_;
  bool dirty_ = false;
  clock::time_point last_apply_;
  clock::time_point last_disk_look_;
  std::size_t bytes_at_disk_look_ = 0;
  bool opened_ = false;
  /// There are leases, and the next tick is the first one, or the first one
  /// after a time in which this thread stood still, see
  /// `journal_options::lease_grace`.
  bool spare_leases_ = false;
  /// By the clock that leases expire by.
  basic_stall_detector<timestamp> stalls_;
  bool closing_ = false;
  bool ended_ = false;
  error failure_;
  std::function<void()> closed_;

  struct handles;
  std::unique_ptr<handles> handles_;
};

} // namespace muster
