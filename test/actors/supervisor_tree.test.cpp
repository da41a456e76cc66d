#include "actors/supervisor_actor.hpp"

#include "supervisor_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <optional>

using namespace muster;
using namespace std::chrono_literals;
using test::log_entries;

namespace {

// `top` with the child `a`, the supervisor `sub` of `x` and `y`, and `b`.
struct fixture : test::supervisor_fixture {
  fixture() {
    sub.id = "sub";
    sub.parent = "top";
    sub.directory = directory;
    sub.supervision = options.supervision;
    sub.supervision.max_restarts = 1;
    sub.children = {make("x"), make("y")};
    options.log
      = [log = events](const node_event& event) { log->push_back(event); };
    sub.log = options.log;
  }

  void start_tree() {
    child("a");
    options.children.push_back(supervisor_child(sub));
    child("b");
    start();
    happened();
  }

  supervisor_info supervisor_at(const std::string& path) const {
    for (auto& each : directory->supervisors())
      if (each.path == path)
        return each;
    return {};
  }

  child_counters counted(const std::string& path, const std::string& id) const {
    for (auto& each : directory->counters())
      if (each.supervisor == path && each.child == id)
        return each;
    return {};
  }

  // Nothing if it is not answered yet; an error's text.
  template <class... Answer, class Message>
  std::optional<std::string> request(const std::string& to, Message msg) {
    return *begin<Answer...>(to == "top" ? supervisor : directory->find(to),
                             std::move(msg));
  }

  template <class... Answer, class Message>
  std::shared_ptr<std::optional<std::string>> begin(const caf::actor& target,
                                                    Message msg) {
    auto answer = std::make_shared<std::optional<std::string>>();
    system.spawn([answer, target, msg](caf::event_based_actor* self) {
      ask(
        self, target, std::chrono::seconds{100}, msg,
        [answer](const Answer&...) { *answer = "ok"; },
        [answer](const caf::error& err) { *answer = from_caf(err).message; });
    });
    run();
    return answer;
  }

  std::optional<std::string> terminate(const std::string& to, std::string id) {
    return request(to, terminate_child{std::move(id)});
  }

  std::optional<std::string> restart(const std::string& to, std::string id) {
    return request<std::string>(to, restart_child{std::move(id)});
  }

  std::optional<std::string> remove(const std::string& to, std::string id) {
    return request(to, remove_child{std::move(id)});
  }

  std::optional<std::string> add(const std::string& to,
                                 child_specification spec) {
    return request<std::string>(
      to, add_child{std::make_shared<child_specification>(std::move(spec))});
  }

  bool logged(node_event::severity level, const std::string& text) const {
    return std::any_of(events->begin(), events->end(), [&](auto& event) {
      return event.level == level && event.text == text;
    });
  }

  supervisor_options sub;
  // Actors outlive this part of the fixture.
  std::shared_ptr<std::vector<node_event>> events
    = std::make_shared<std::vector<node_event>>();
};

} // namespace

TEST_CASE("a supervisor starts and stops in its place among its siblings") {
  fixture fix;
  fix.child("a");
  fix.options.children.push_back(supervisor_child(fix.sub));
  fix.child("b");
  fix.start();
  CHECK(fix.happened()
        == log_entries{
          {"a", "start"}, {"x", "start"}, {"y", "start"}, {"b", "start"}});
  CHECK(fix.info("sub").type == "supervisor");
  CHECK(fix.supervisor_at("top/sub").children.size() == 2);
  caf::anon_send(fix.supervisor, stop_children{});
  fix.run();
  CHECK(fix.happened()
        == log_entries{{"b", "end"}, {"y", "end"}, {"x", "end"}, {"a", "end"}});
  CHECK(fix.supervisor_at("top/sub").path.empty());
}

TEST_CASE(
  "children are found by their path and, if it is enough, by their id") {
  fixture fix;
  fix.start_tree();
  CHECK(fix.directory->find("top/sub/x"));
  CHECK(fix.directory->find("x") == fix.directory->find("top/sub/x"));
  CHECK(fix.directory->find("top/sub"));
  CHECK(!fix.directory->find("top/x"));
  CHECK(!fix.directory->find("sub/x"));
  CHECK(fix.directory->names()
        == std::vector<std::string>{"top/a", "top/b", "top/sub", "top/sub/x",
                                    "top/sub/y"});
}

TEST_CASE("a supervisor that gives up is restarted by the one above it") {
  fixture fix;
  fix.start_tree();
  for (int i = 0; i < 2; ++i) {
    fix.crash("x");
    fix.advance(200ms);
  }
  // Once restarted, then given up, then restarted as a whole.
  CHECK(fix.happened()
        == log_entries{{"x", "end"},
                       {"x", "start"},
                       {"x", "end"},
                       {"y", "end"},
                       {"x", "start"},
                       {"y", "start"}});
  CHECK(fix.info("sub").restarts == 1);
  CHECK(fix.info("sub").last_error.starts_with("x fails too often"));
  CHECK(fix.up("x"));
  CHECK(fix.up("b"));
  CHECK(!fix.ended());
}

TEST_CASE("failures escalate to the top, level by level") {
  fixture fix;
  fix.options.supervision.max_restarts = 1;
  fix.start_tree();
  for (int i = 0; i < 4; ++i) {
    REQUIRE(!fix.ended());
    fix.crash("x");
    fix.advance(1s);
  }
  REQUIRE(fix.ended());
  CHECK(fix.directory->failure()->message.starts_with(
    "sub fails too often: x fails too often: "));
  CHECK(!fix.directory->find("a"));
}

TEST_CASE("what a supervisor cannot start, the one above it cannot either") {
  fixture fix;
  fix.where.scripts["y"].failures = {errc::store_newer};
  fix.start_tree();
  REQUIRE(fix.ended());
  CHECK(fix.directory->failure()->code == errc::store_newer);
  CHECK(!fix.directory->find("a"));
}

TEST_CASE("a supervisor that is killed takes its children with it") {
  fixture fix;
  fix.start_tree();
  fix.where.scripts["x"].deaf = true;
  ask_to_end(fix.directory->find("sub"), caf::exit_reason::kill);
  fix.run();
  auto end = fix.happened();
  CHECK(end.size() == 2);
  CHECK(!fix.directory->find("x"));
  fix.advance(100ms);
  CHECK(fix.up("x"));
  CHECK(fix.up("y"));
  ask_to_end(fix.supervisor, caf::exit_reason::kill);
  fix.run();
  CHECK(fix.happened().size() == 2 + 2 + 2);
  CHECK(fix.ended());
}

TEST_CASE("children are added while a supervisor runs") {
  fixture fix;
  fix.start_tree();
  CHECK(fix.add("sub", fix.make("z")) == "ok");
  CHECK(fix.up("z"));
  CHECK(fix.directory->find("top/sub/z"));
  CHECK(fix.add("sub", fix.make("z")) == "there is a child 'z' already");
  CHECK(fix.add("top", fix.make("a/b")).value().find("without '/'")
        != std::string::npos);
  CHECK(fix.add("top", {}).value() == "nothing makes the child");
}

TEST_CASE("whoever adds a child hears when it serves, or why it does not") {
  fixture fix;
  fix.start_tree();
  auto slow = fix.make("slow");
  fix.where.scripts["slow"].mute = true;
  CHECK(fix.add("top", slow) == std::nullopt);
  fix.advance(3s);
  CHECK(fix.info("slow").state.empty());
  fix.where.scripts["sick"].failures = {errc::io_error};
  CHECK(fix.add("top", fix.make("sick")) == describe(errc::io_error));
  CHECK(fix.info("sick").state.empty());
  auto hopeless = fix.make("hopeless");
  hopeless.start = [](caf::actor_system&) -> expected<caf::actor> {
    throw std::runtime_error("no thread left");
  };
  CHECK(fix.add("top", hopeless) == "no thread left");
  CHECK(!fix.ended());
}

TEST_CASE("children are ended, started again and removed by hand") {
  fixture fix;
  fix.start_tree();
  CHECK(fix.terminate("top", "a") == "ok");
  fix.advance(1h);
  CHECK(fix.info("a").state == "stopped");
  CHECK(!fix.directory->find("a"));
  CHECK(fix.restart("top", "a") == "ok");
  CHECK(fix.up("a"));
  CHECK(fix.remove("top", "a") == "the child 'a' is running");
  CHECK(fix.terminate("top", "a") == "ok");
  CHECK(fix.remove("top", "a") == "ok");
  CHECK(fix.info("a").id.empty());
  CHECK(fix.restart("top", "a") == "there is no child 'a'");
}

TEST_CASE("whoever ends a child hears when it is down") {
  fixture fix;
  fix.child("a");
  fix.where.scripts["a"].deaf = true;
  fix.start();
  auto answer = fix.begin(fix.supervisor, terminate_child{"a"});
  CHECK(*answer == std::nullopt);
  CHECK(fix.info("a").state == "stopping");
  fix.advance(1s);
  CHECK(*answer == "ok");
  CHECK(fix.info("a").state == "stopped");
}

TEST_CASE("simple_one_for_one makes children of one kind on demand") {
  fixture fix;
  fix.sub.supervision.strategy = restart_strategy::simple_one_for_one;
  fix.sub.children = {fix.make("job")};
  fix.start_tree();
  CHECK(fix.add("sub", {}) == "ok");
  CHECK(fix.add("sub", {}) == "ok");
  CHECK(fix.directory->find("top/sub/job-1"));
  CHECK(fix.directory->find("top/sub/job-2"));
  CHECK(fix.happened() == log_entries{{"job", "start"}, {"job", "start"}});
  fix.crash("job-1");
  fix.advance(100ms);
  CHECK(fix.up("job-1"));
  CHECK(fix.counted("top/sub", "job").restarts == 1);
  CHECK(fix.counted("top/sub", "job").starts == 3);
  CHECK(fix.terminate("sub", "job-2") == "ok");
  CHECK(!fix.directory->find("job-2"));
  CHECK(fix.supervisor_at("top/sub").children.size() == 1);
}

TEST_CASE("a supervisor ends when its significant children have") {
  fixture fix;
  fix.sub.supervision.shutdown = auto_shutdown::any_significant;
  auto main = fix.make("main", restart_kind::transient);
  main.significant = true;
  fix.sub.children.push_back(main);
  fix.child("a");
  fix.options.children.push_back(
    supervisor_child(fix.sub, restart_kind::transient));
  fix.start();
  fix.crash("main", errc::none);
  CHECK(fix.info("sub").state == "stopped");
  CHECK(!fix.directory->find("x"));
  fix.advance(1h);
  CHECK(fix.info("sub").state == "stopped");
  CHECK(fix.up("a"));
}

TEST_CASE("specifications that make no sense keep a supervisor from starting") {
  fixture fix;
  fix.child("a");
  fix.child("a");
  fix.start();
  REQUIRE(fix.ended());
  CHECK(fix.directory->failure()->code == errc::invalid_argument);
  CHECK(fix.happened().empty());
}

TEST_CASE("starts, failures, restarts and giving up are logged and counted") {
  fixture fix;
  fix.start_tree();
  fix.crash("x", errc::io_error);
  fix.advance(100ms);
  auto reason = std::string{describe(errc::io_error)};
  CHECK(fix.logged(node_event::severity::info, "x is up"));
  CHECK(fix.logged(node_event::severity::error, "x failed: " + reason));
  CHECK(fix.logged(node_event::severity::warning, "x is restarted in 100 ms"));
  fix.crash("x", errc::io_error);
  CHECK(fix.logged(node_event::severity::error,
                   "gives up: x fails too often: " + reason));
  auto last
    = std::find_if(fix.events->begin(), fix.events->end(), [](auto& each) {
        return each.level == node_event::severity::warning;
      });
  using field = std::pair<std::string, std::string>;
  CHECK(last->fields
        == std::vector<field>{{"supervisor", "top/sub"},
                              {"child", "x"},
                              {"restarts", "1"},
                              {"reason", reason},
                              {"delay_ms", "100"}});
  fix.advance(1s);
  CHECK(fix.counted("top/sub", "x").starts == 3);
  CHECK(fix.counted("top/sub", "x").restarts == 1);
  CHECK(fix.counted("top/sub", "x").failures == 2);
  CHECK(fix.counted("top/sub", "").give_ups == 1);
  CHECK(fix.counted("top", "sub").restarts == 1);
}

TEST_CASE("the tree shows intensities, types and states") {
  fixture fix;
  fix.start_tree();
  auto top = fix.supervisor_at("top");
  CHECK(top.strategy == "one_for_one");
  CHECK(top.max_restarts == 10);
  CHECK(top.period == 60s);
  REQUIRE(top.children.size() == 3);
  CHECK(top.children[0].type == "worker");
  CHECK(top.children[1].type == "supervisor");
  CHECK(top.children[1].state == "running");
  CHECK(fix.supervisor_at("top/sub").max_restarts == 1);
}
