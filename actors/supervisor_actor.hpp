#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/child_directory.hpp"
#include "actors/child_specification.hpp"
#include "actors/messages.hpp"
#include "actors/node_event.hpp"
#include "actors/supervision.hpp"
#include "persistence/expected.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace muster {

struct supervisor_options {
  std::string id;
  /// The path of the supervisor above it; empty: there is none.
  std::string parent;
  supervision_options supervision;
  /// In the order in which they start. The one model for children with
  /// `simple_one_for_one`.
  std::vector<child_specification> children;
  /// Shared by all supervisors of a tree.
  std::shared_ptr<child_directory> directory;
  event_sink log;
};

/// The supervisor's name in the directory, such as `node/links`.
[[nodiscard]] std::string path_of(const supervisor_options& options);

/// A supervisor as a child of the one that `options.parent` names: started in
/// its place in the order, ended with all its children, restarted when it gives
/// up.
[[nodiscard]] child_specification supervisor_child(supervisor_options options,
                                                   restart_kind restart
                                                   = restart_kind::permanent);

/// Carries out what `supervision` decides: makes children, watches them, ends
/// them, and publishes them under their names. When the supervision has failed
/// it ends with the reason. Should it be killed, its children are.
class supervisor_state {
public:
  static constexpr const char* name = "muster.supervisor";

  supervisor_state(caf::event_based_actor* self, supervisor_options options);
  ~supervisor_state();
  supervisor_state(const supervisor_state&) = delete;
  supervisor_state& operator=(const supervisor_state&) = delete;

  caf::behavior make_behavior();

  /// For `tell_state`.
  void describe(state_report& out) const;

private:
  using time_point = supervision::time_point;

  /// What the supervision knows only by its number.
  struct child_body {
    child_specification spec;
    caf::actor handle;
    /// Of the latest start: answers to earlier ones are dropped.
    std::uint64_t step = 0;
    std::string state;
    timestamp since;
  };

  /// Somebody who waits for what becomes of a child.
  struct waiting_answer {
    child_number child{};
    /// For it to be up; else to be down.
    bool up = false;
    std::string id;
    caf::response_promise promise;
    /// The first reason why the child is not up.
    std::optional<error> failure;
  };

  caf::result<void> begin();
  caf::result<std::string> add(const add_child& msg);
  caf::result<void> terminate(const terminate_child& msg);
  caf::result<std::string> restart(const restart_child& msg);
  caf::result<void> remove(const remove_child& msg);

  /// Carries the actions out, and what follows from them.
  void run(supervision_actions actions);
  void carry_out(const todo::start& act);
  void carry_out(const todo::ask_to_end& act);
  void carry_out(const todo::kill& act);
  void carry_out(const todo::abandon& act);
  void carry_out(const todo::forget& act);
  void carry_out(const todo::announce_start& act);
  void carry_out(const todo::finish& act);
  void carry_out(const supervision_report& report);

  void on_answer(child_number child, std::uint64_t step);
  void on_refusal(child_number child, std::uint64_t step, const error& reason);
  void on_child_down(const caf::actor_addr& who, const caf::error& reason);
  void release(child_body& body);
  caf::response_promise wait_for(child_number child, bool up, std::string id);
  void note_failure(child_number child, const error& reason);
  void answer_waiting();
  void set_alarm();

  [[nodiscard]] std::string name_of(const child_body& body) const;
  [[nodiscard]] time_point now() const;
  [[nodiscard]] double chance();
  void publish();
  void count(const supervision_report& report) const;
  void log(const supervision_report& report) const;

  caf::event_based_actor* self_;
  supervisor_options options_;
  std::string path_;
  supervision core_;
  std::map<child_number, child_body> bodies_;
  std::map<caf::actor_addr, child_number> numbers_;
  std::deque<supervision_action> actions_;
  bool busy_ = false;
  std::vector<waiting_answer> waiting_;
  std::minstd_rand random_;
  std::uint64_t last_step_ = 0;
  std::optional<time_point> alarm_;
  std::uint64_t alarm_number_ = 0;
  caf::response_promise started_;
  bool finished_ = false;
};

} // namespace muster
