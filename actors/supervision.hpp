#pragma once

#include "actors/child_rules.hpp"
#include "actors/restart_policy.hpp"
#include "persistence/expected.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster {

/// A child of one supervisor, through all its restarts. Never used again.
enum class child_number : std::uint64_t {};

/// Something about a child that an operator may want to know; `child` is empty
/// where it is about the supervisor itself.
struct supervision_report {
  enum class kind : std::uint8_t {
    started,
    start_failed,
    /// By itself and normally.
    ended,
    /// By itself and abnormally.
    failed,
    /// A restart is decided on; it is made after `delay`.
    restarting,
    /// Because it was to.
    stopped,
    /// It did not end when asked to.
    killed,
    /// It did not even end when killed, and is left to itself.
    abandoned,
    /// Too many restarts, or one that cannot succeed: the supervisor fails.
    gave_up,
    /// Significant children have ended: the supervisor ends.
    auto_shutdown,
  };

  kind what = kind::started;
  std::string child;
  std::string reason;
  /// How often the child was started again until now.
  std::uint64_t restarts = 0;
  millis delay{0};

  friend bool operator==(const supervision_report&, const supervision_report&)
    = default;
};

/// What a supervisor's actor has to carry out.
namespace todo {

/// Make the child and have it start. `on_up`, `on_start_failed`,
/// `on_start_refused` or `on_end` follows.
struct start {
  child_number child{};
  friend bool operator==(const start&, const start&) = default;
};

/// `on_end` follows, or time passes.
struct ask_to_end {
  child_number child{};
  friend bool operator==(const ask_to_end&, const ask_to_end&) = default;
};

struct kill {
  child_number child{};
  friend bool operator==(const kill&, const kill&) = default;
};

/// It does not end: nothing more is expected of it.
struct abandon {
  child_number child{};
  friend bool operator==(const abandon&, const abandon&) = default;
};

/// Its specification is gone.
struct forget {
  child_number child{};
  friend bool operator==(const forget&, const forget&) = default;
};

/// All children that there were at first were up. Comes once at most.
struct announce_start {
  friend bool operator==(const announce_start&, const announce_start&)
    = default;
};

/// All are down: the supervisor ends. The last action that there is.
struct finish {
  /// `none`: because it was to.
  error failure;
  friend bool operator==(const finish&, const finish&) = default;
};

} // namespace todo

using supervision_action
  = std::variant<todo::start, todo::ask_to_end, todo::kill, todo::abandon,
                 todo::forget, todo::announce_start, todo::finish,
                 supervision_report>;

/// In the order in which to carry them out.
using supervision_actions = std::vector<supervision_action>;

enum class child_phase : std::uint8_t { down, starting, up, ending };

/// A child as its supervisor keeps it:
///
///     down --due--> starting --on_up--> up
///      ^               |                |
///      |<-- on_end, on_start_failed ----+
///      +-- on_end, abandoned -- ending <-- unwanted, on_start_refused
struct supervised_child {
  using time_point = std::chrono::steady_clock::time_point;

  enum class start_cause : std::uint8_t { first, added, by_hand, restart };

  child_number number{};
  child_rules rules;
  child_phase phase = child_phase::down;
  /// Once it is down, it is to be started at this time. None: it stays down.
  std::optional<time_point> due;
  /// Up or starting, and to end as soon as those started after it have.
  bool unwanted = false;
  start_cause cause = start_cause::first;
  /// Of those that there were at first: it was up, or need not be.
  bool settled = false;
  /// While it ends: when to kill it, or to abandon it if it was killed.
  std::optional<time_point> limit;
  bool killed = false;
  /// It ends because it has not come up.
  std::optional<error> start_failure;
  restart_policy::history history;
  std::uint64_t restarts = 0;
  /// Why it ended the last time other than it should have.
  std::string last_error;
};

/// `starting`, `running`, `waiting` (for its restart), `stopping`, `stopped`.
[[nodiscard]] std::string_view state_of(const supervised_child& child) noexcept;

/// All that a supervisor decides, by OTP's rules: events and time in, actions
/// out. Knows nothing of actors; time must not run backwards.
///
/// Beyond OTP: restarts are delayed; an error that will not go away by itself
/// is not retried; a supervisor that gives up has failed, where OTP's ends with
/// `shutdown`, which the parent of a transient one takes for a normal end.
class supervision {
public:
  using time_point = supervised_child::time_point;

  struct change {
    child_number child{};
    supervision_actions actions;
  };

  /// `children` in the order in which they start. With `simple_one_for_one` it
  /// is the one specification that `add` makes children from.
  supervision(supervision_options options, std::vector<child_rules> children);

  /// Whether options and children fit together; the error names the rule.
  [[nodiscard]] expected<void> check() const;

  // -- what happens -----------------------------------------------------------

  /// Starts all children.
  [[nodiscard]] supervision_actions start(time_point now);

  /// Stops all children and ends. A reason is a failure.
  [[nodiscard]] supervision_actions stop(std::optional<error> reason,
                                         time_point now);

  [[nodiscard]] supervision_actions on_up(child_number child, time_point now);

  /// A child has not come up, and is gone. `chance` is from [0, 1).
  [[nodiscard]] supervision_actions on_start_failed(child_number child,
                                                    const error& reason,
                                                    time_point now,
                                                    double chance);

  /// A child has not come up, but is still there: it is killed before anything
  /// else is done about it.
  [[nodiscard]] supervision_actions
  on_start_refused(child_number child, const error& reason, time_point now);

  /// A child has ended, whether it was asked to or not.
  [[nodiscard]] supervision_actions on_end(child_number child, bool normal,
                                           const error& reason, time_point now,
                                           double chance);

  [[nodiscard]] supervision_actions on_time(time_point now, double chance);

  /// When `on_time` should be called next.
  [[nodiscard]] std::optional<time_point> wake_at() const;

  // -- changes while it runs: supervision_change.cpp --------------------------

  /// Puts a child behind the others and starts it; it is forgotten if that
  /// fails. `simple_one_for_one` takes everything but the id from its one
  /// specification; an empty id gets a number. Errors: `invalid_argument`,
  /// `wrong_state` for an id that is taken, `shutting_down`.
  [[nodiscard]] expected<change> add(child_rules rules, time_point now);

  /// Ends a child for good, until `restart`. Temporary children and those of
  /// `simple_one_for_one` are forgotten then. Errors: `invalid_argument` for an
  /// unknown id.
  [[nodiscard]] expected<change> terminate(std::string_view id, time_point now);

  /// Starts a child that is down for good. Errors: `invalid_argument`,
  /// `wrong_state` if it is not, `shutting_down`.
  [[nodiscard]] expected<change> restart(std::string_view id, time_point now);

  /// Forgets a child that is down for good. Errors: `invalid_argument`,
  /// `wrong_state` if it is not, `shutting_down`.
  [[nodiscard]] expected<change> remove(std::string_view id);

  // -- how things are ---------------------------------------------------------

  [[nodiscard]] const supervision_options& options() const noexcept {
    return options_;
  }

  /// In the order in which they start.
  [[nodiscard]] const std::vector<supervised_child>& children() const noexcept {
    return children_;
  }

  [[nodiscard]] const supervised_child* find(std::string_view id) const;
  [[nodiscard]] const supervised_child* find(child_number child) const;

  /// Whether it was told to start.
  [[nodiscard]] bool begun() const noexcept {
    return begun_;
  }

  /// What `add` makes children from; none unless `simple_one_for_one`.
  [[nodiscard]] const std::optional<child_rules>& model() const noexcept {
    return model_;
  }

  [[nodiscard]] bool ending() const noexcept {
    return ending_;
  }

private:
  using kind = supervision_report::kind;

  [[nodiscard]] bool is_simple() const noexcept;
  [[nodiscard]] bool restarts_groups() const noexcept;
  [[nodiscard]] expected<void> check(const child_rules& rules) const;
  [[nodiscard]] supervised_child* get(child_number child);
  [[nodiscard]] expected<supervised_child*> get(std::string_view id);
  supervised_child& put(child_rules rules);

  void go_on(time_point now);
  void stop_unwanted(time_point now);
  void start_due(time_point now);
  void forget_gone();
  void end(supervised_child& child, time_point now);
  void check_limits(time_point now, double chance);
  void start_failed(supervised_child& child, const error& reason,
                    time_point now, double chance);
  void ended_by_itself(supervised_child& child, bool normal,
                       const error& reason, time_point now, double chance);
  void restart_or_give_up(supervised_child& child, bool normal,
                          const error& reason, time_point now, double chance);
  void restart_group_of(const supervised_child& child, time_point due);
  void check_auto_shutdown(const supervised_child& child);
  void stop_all(std::optional<error> reason);

  void report(kind what, const supervised_child& child, std::string reason = {},
              millis delay = {});
  [[nodiscard]] supervision_actions take();

  supervision_options options_;
  std::vector<supervised_child> children_;
  std::optional<child_rules> model_;
  restart_policy policy_;
  supervision_actions actions_;
  time_point now_{};
  std::uint64_t last_number_ = 0;
  bool begun_ = false;
  /// All children that there were at first were up.
  bool complete_ = false;
  bool ending_ = false;
  bool finished_ = false;
  std::optional<error> failure_;
};

} // namespace muster
