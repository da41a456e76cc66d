#include "actors/supervisor_actor.hpp"

#include "supervisor_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/scoped_actor.hpp>

using namespace muster;
using namespace std::chrono_literals;
using fixture = test::supervisor_fixture;
using test::log_entries;
using test::scripted_child;

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
  // Of a temporary child nothing is left.
  CHECK(fix.info("b").state.empty());
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

TEST_CASE("whoever hears that a supervisor has started sees what it started") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  for (int i = 0; i < 300; ++i) {
    supervisor_options options;
    options.id = "top";
    options.directory = std::make_shared<child_directory>();
    child_specification spec;
    spec.id = "a";
    spec.start = [](caf::actor_system& sys) -> expected<caf::actor> {
      return sys.spawn([]() -> caf::behavior { return {[](start_child) {}}; });
    };
    options.children.push_back(std::move(spec));
    auto supervisor = spawn_actor<supervisor_state>(system, options);
    caf::scoped_actor self{system};
    self->request(supervisor, 10s, start_children{})
      .receive([] {}, [](const caf::error& err) { FAIL(to_string(err)); });
    auto seen = options.directory->supervisors();
    REQUIRE(seen.size() == 1);
    REQUIRE(seen[0].children.size() == 1);
    REQUIRE(seen[0].children[0].state == "running");
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
  }
}
