#include "actors/supervisor_actor.hpp"

#include "actors/local_node.hpp"
#include "handler_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>
#include <atomic>
#include <map>

using namespace muster;
using namespace std::chrono_literals;

namespace {

// What a test wants of a child, and what became of it.
struct child_script {
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
  std::map<std::string, child_script> scripts;
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

struct config : caf::actor_system_config {
  config() {
    set("caf.scheduler.policy", "testing");
  }
};

// A supervisor under a clock that only the test moves.
struct fixture {
  fixture() {
    options.id = "top";
    options.directory = directory;
    options.supervision.backoff = {100ms, 10s, 2.0, 0};
  }

  ~fixture() {
    if (supervisor)
      caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    run();
    for (int i = 0; i < 10; ++i)
      advance(10s);
  }

  void child(std::string id, restart_kind kind = restart_kind::permanent) {
    child_specification spec;
    spec.id = id;
    spec.restart = kind;
    spec.start_limit = 3s;
    spec.shutdown = 1s;
    spec.start = [this, id](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_actor<scripted_child>(sys, &where, id);
    };
    options.children.push_back(std::move(spec));
    where.scripts[id];
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
    auto all = directory->supervisors();
    for (auto& entry : all.at(0).children)
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

  config cfg;
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

} // namespace

TEST_CASE("children start one after the other and stop in reverse order") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.child("c");
  fix.start();
  CHECK(fix.happened()
        == log_entries{{"a", "start"}, {"b", "start"}, {"c", "start"}});
  CHECK(fix.up("a"));
  CHECK(fix.up("c"));
  caf::anon_send(fix.supervisor, stop_children{});
  fix.run();
  CHECK(fix.happened()
        == log_entries{{"c", "end"}, {"b", "end"}, {"a", "end"}});
  CHECK(!fix.ended());
  CHECK(!fix.directory->find("a"));
}

TEST_CASE("a child that does not answer holds up those behind it") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.where.scripts["a"].mute = true;
  fix.start();
  CHECK(fix.happened() == log_entries{{"a", "start"}});
  CHECK(fix.info("a").state == "starting");
  fix.advance(3s);
  CHECK(fix.ended());
  CHECK(fix.happened() == log_entries{{"a", "end"}});
}

TEST_CASE("if one child cannot start at first, the others are stopped") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.child("c");
  fix.where.scripts["b"].failures = {errc::store_locked};
  fix.start();
  CHECK(
    fix.happened()
    == log_entries{{"a", "start"}, {"b", "start"}, {"b", "end"}, {"a", "end"}});
  REQUIRE(fix.ended());
  CHECK(fix.directory->failure()->code == errc::store_locked);
}

TEST_CASE("one_for_one restarts the child that failed, after a pause") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.child("c");
  fix.start();
  fix.happened();
  auto before = fix.directory->find("b");
  fix.crash("b");
  CHECK(!fix.directory->find("b"));
  CHECK(fix.info("b").state == "waiting");
  CHECK(fix.info("b").restarts == 1);
  CHECK(fix.info("b").last_error == describe(errc::internal));
  fix.advance(99ms);
  CHECK(!fix.up("b"));
  fix.advance(1ms);
  CHECK(fix.up("b"));
  CHECK(fix.directory->find("b") != before);
  CHECK(fix.happened() == log_entries{{"b", "end"}, {"b", "start"}});
}

TEST_CASE("one_for_all stops the others in reverse and starts all in order") {
  fixture fix;
  fix.options.supervision.strategy = restart_strategy::one_for_all;
  fix.child("a");
  fix.child("b");
  fix.child("c");
  fix.start();
  fix.happened();
  fix.crash("b");
  CHECK(fix.happened()
        == log_entries{{"b", "end"}, {"c", "end"}, {"a", "end"}});
  fix.advance(100ms);
  CHECK(fix.happened()
        == log_entries{{"a", "start"}, {"b", "start"}, {"c", "start"}});
}

TEST_CASE("rest_for_one restarts what was started later too") {
  fixture fix;
  fix.options.supervision.strategy = restart_strategy::rest_for_one;
  fix.child("a");
  fix.child("b");
  fix.child("c");
  fix.start();
  fix.happened();
  fix.crash("b");
  fix.advance(100ms);
  CHECK(
    fix.happened()
    == log_entries{{"b", "end"}, {"c", "end"}, {"b", "start"}, {"c", "start"}});
  CHECK(fix.up("a"));
}

TEST_CASE("a restart that fails is tried again, ever later") {
  fixture fix;
  fix.child("a");
  fix.where.scripts["a"].failures
    = {errc::none, errc::io_error, errc::io_error, errc::none};
  fix.start();
  fix.crash("a");
  fix.advance(100ms);
  CHECK(fix.info("a").state == "waiting");
  fix.advance(200ms);
  CHECK(fix.info("a").state == "waiting");
  fix.advance(399ms);
  CHECK(!fix.up("a"));
  fix.advance(1ms);
  CHECK(fix.up("a"));
  CHECK(fix.info("a").restarts == 3);
}

TEST_CASE("a restart that can never succeed is not tried again") {
  fixture fix;
  fix.child("a");
  fix.where.scripts["a"].failures = {errc::none, errc::store_corrupt};
  fix.start();
  fix.crash("a", errc::store_corrupt);
  CHECK(!fix.ended());
  fix.advance(100ms);
  REQUIRE(fix.ended());
  CHECK(fix.directory->failure()->code == errc::store_corrupt);
}

TEST_CASE("a supervisor gives up when a child fails too often") {
  fixture fix;
  fix.options.supervision.max_restarts = 2;
  fix.child("a");
  fix.child("b");
  fix.start();
  for (int i = 0; i < 2; ++i) {
    fix.crash("b");
    fix.advance(1s);
    REQUIRE(fix.up("b"));
  }
  fix.happened();
  fix.crash("b");
  REQUIRE(fix.ended());
  CHECK(fix.happened() == log_entries{{"b", "end"}, {"a", "end"}});
  CHECK(fix.directory->failure()->message.starts_with("b fails too often"));
}

TEST_CASE("transient children that end in peace stay down") {
  fixture fix;
  fix.child("a", restart_kind::transient);
  fix.child("b", restart_kind::temporary);
  fix.start();
  fix.crash("a", errc::none);
  fix.crash("b");
  fix.advance(1s);
  CHECK(fix.info("a").state == "stopped");
  CHECK(fix.info("b").state == "stopped");
  CHECK(!fix.ended());
}

TEST_CASE("a child that does not end when asked to is killed") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.where.scripts["b"].deaf = true;
  fix.start();
  fix.happened();
  caf::anon_send(fix.supervisor, stop_children{});
  fix.run();
  CHECK(fix.happened().empty());
  fix.advance(999ms);
  CHECK(fix.happened().empty());
  fix.advance(1ms);
  CHECK(fix.happened() == log_entries{{"b", "end"}, {"a", "end"}});
}

TEST_CASE("a child that ends while it is paused elsewhere is not forgotten") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  fix.start();
  fix.crash("a");
  fix.advance(50ms);
  fix.crash("b");
  fix.advance(50ms);
  CHECK(fix.up("a"));
  CHECK(!fix.up("b"));
  fix.advance(50ms);
  CHECK(fix.up("b"));
}

TEST_CASE("a start function that fails or throws is a failed start") {
  fixture fix;
  fix.child("a");
  fix.child("b");
  int calls = 0;
  fix.options.children[1].start
    = [&](caf::actor_system& sys) -> expected<caf::actor> {
    if (++calls == 2)
      throw std::runtime_error("no thread left");
    if (calls == 3)
      return fail_with(errc::io_error);
    return spawn_actor<scripted_child>(sys, &fix.where, "b");
  };
  fix.start();
  fix.crash("b");
  fix.advance(100ms);
  CHECK(fix.info("b").last_error == "no thread left");
  fix.advance(200ms);
  CHECK(fix.info("b").last_error == describe(errc::io_error));
  fix.advance(400ms);
  CHECK(fix.up("b"));
}

TEST_CASE("an exit request stops the children too") {
  fixture fix;
  fix.child("a");
  fix.start();
  fix.happened();
  caf::anon_send_exit(fix.supervisor, caf::exit_reason::user_shutdown);
  fix.run();
  CHECK(fix.happened() == log_entries{{"a", "end"}});
}
