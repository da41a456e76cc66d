#pragma once

#include "actors/supervisor_actor.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

using namespace std::chrono_literals;

/// What a test wants of a child, and what became of it.
struct child_part {
  // Starts that fail, from the first.
  std::vector<errc> failures;
  // Does not answer `start_child`.
  bool mute = false;
  // Does not end when asked to, unless killed.
  bool deaf = false;
  int starts = 0;
};

struct log_entry {
  std::string child;
  std::string what;

  friend bool operator==(const log_entry&, const log_entry&) = default;
};

struct stage {
  std::map<std::string, child_part> scripts;
  std::vector<log_entry> log;
};

class scripted_child {
public:
  scripted_child(caf::event_based_actor* self, stage* where, std::string id)
    : self_(self), stage_(where), id_(std::move(id)) {
    // nop
  }

  ~scripted_child() {
    stage_->log.push_back({id_, "end"});
  }

  caf::behavior make_behavior() {
    auto& script = stage_->scripts[id_];
    if (script.deaf)
      on_exit_request(self_, [](const caf::error&) {});
    return {
      [this, &script](start_child) -> caf::result<void> {
        stage_->log.push_back({id_, "start"});
        auto turn = static_cast<std::size_t>(script.starts++);
        if (script.mute) {
          silent_ = self_->make_response_promise();
          return silent_;
        }
        if (turn < script.failures.size()
            && script.failures[turn] != errc::none)
          return to_caf(error{script.failures[turn]});
        return {};
      },
      // The test's way to make it crash, or end in peace.
      [this](const journal_failed& msg) {
        self_->quit(msg.code == errc::none ? caf::error{}
                                           : to_caf(error{msg.code}));
      },
    };
  }

private:
  caf::event_based_actor* self_;
  stage* stage_;
  std::string id_;
  caf::response_promise silent_;
};

struct virtual_time_config : caf::actor_system_config {
  virtual_time_config() {
    set("caf.scheduler.policy", "testing");
  }
};

/// A supervisor under a clock that only the test moves.
struct supervisor_fixture {
  supervisor_fixture() {
    options.id = "top";
    options.directory = directory;
    options.supervision.backoff = {100ms, 10s, 2.0, 0};
  }

  ~supervisor_fixture() {
    if (supervisor)
      caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    run();
    for (int i = 0; i < 10; ++i)
      advance(10s);
  }

  /// A child that is not part of anything yet.
  child_specification make(std::string id,
                           restart_kind kind = restart_kind::permanent) {
    child_specification spec;
    spec.id = id;
    spec.restart = kind;
    spec.start_limit = 3s;
    spec.shutdown = 1s;
    spec.start = [this, id](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_actor<scripted_child>(sys, &where, id);
    };
    where.scripts[id];
    return spec;
  }

  void child(std::string id, restart_kind kind = restart_kind::permanent) {
    options.children.push_back(make(std::move(id), kind));
  }

  void start() {
    supervisor = spawn_actor<supervisor_state>(system, options);
    caf::anon_send(supervisor, start_children{});
    run();
  }

  void run() {
    scheduler.run();
  }

  void advance(millis time) {
    scheduler.advance_time(time);
    run();
  }

  void crash(const std::string& id, errc code = errc::internal) {
    caf::anon_send(directory->find(id), journal_failed{code, ""});
    run();
  }

  child_info info(const std::string& id) const {
    for (auto& each : directory->supervisors())
      for (auto& entry : each.children)
        if (entry.id == id)
          return entry;
    return {};
  }

  bool up(const std::string& id) const {
    return directory->find(id) && info(id).state == "running";
  }

  bool ended() const {
    return directory->failure().has_value();
  }

  // What happened since the last call.
  std::vector<log_entry> happened() {
    return std::exchange(where.log, {});
  }

  virtual_time_config cfg;
  caf::actor_system system{cfg};
  caf::scheduler::test_coordinator& scheduler
    = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  std::shared_ptr<child_directory> directory
    = std::make_shared<child_directory>();
  stage where;
  supervisor_options options;
  caf::actor supervisor;
};

using log_entries = std::vector<log_entry>;

} // namespace muster::test
