#include "actors/inspector_actor.hpp"
#include "actors/message_text.hpp"
#include "handler_fixture.hpp"
#include "supervisor_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <future>
#include <optional>
#include <string>
#include <thread>

using namespace muster;
using namespace muster::test;

namespace {

/// Counts ticks, and blocks when it is told a number.
class counting_state {
public:
  static constexpr const char* name = "test.counter";

  counting_state(caf::event_based_actor* self, std::shared_future<void> gate)
    : self_(self), gate_(std::move(gate)) {
    // nop
  }

  caf::behavior make_behavior() {
    ignore_strangers(self_);
    return {
      [](start_child) {},
      [this](clock_tick) { ++ticks_; },
      [this](restart_due) {
        if (gate_.valid())
          gate_.wait();
      },
      [this](stop_children) { self_->quit(); },
      [](const lease_batch&) {},
    };
  }

  void describe(state_report& out) const {
    out.add("ticks", ticks_);
  }

private:
  caf::event_based_actor* self_;
  std::shared_future<void> gate_;
  std::uint64_t ticks_ = 0;
};

/// An actor of an application, which is none of ours.
class foreign_actor : public inspected<caf::event_based_actor> {
public:
  using inspected::inspected;

  const char* name() const override {
    return "app.foreign";
  }

  caf::behavior make_behavior() override {
    return {[](int) {}};
  }
};

/// Of a system that has an id.
struct networked_config : caf::actor_system_config {
  networked_config() {
    load<caf::io::middleman>();
  }
};

std::optional<actor_row> row_of(const caf::actor_system& system,
                                std::string_view name) {
  for (auto& row : actor_census::of(system)->rows())
    if (row.name == name)
      return row;
  return std::nullopt;
}

std::string default_name(const char* type, const caf::actor& who) {
  return type + ('-' + std::to_string(who.id()));
}

/// Time and threads are the test's.
struct census_fixture {
  virtual_time_config cfg;
  caf::actor_system system{cfg};
  caf::scheduler::test_coordinator& scheduler
    = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  std::shared_ptr<actor_census> census = actor_census::of(system);
  caf::actor counter
    = spawn_actor<counting_state>(system, std::shared_future<void>{});
  std::string name = default_name("test.counter", counter);

  ~census_fixture() {
    caf::anon_send_exit(counter, caf::exit_reason::kill);
    scheduler.run();
  }

  actor_row row() {
    auto found = row_of(system, name);
    REQUIRE(found);
    return *found;
  }
};

} // namespace

// -- the census ---------------------------------------------------------------

TEST_CASE("actors are counted while they work") {
  census_fixture fix;
  fix.scheduler.run();
  auto before = fix.row();
  CHECK(before.type == "test.counter");
  CHECK(before.messages_in == 0);
  CHECK(before.last_message_at == timestamp{});
  for (std::uint64_t i = 0; i < 3; ++i)
    tell_anonymously(fix.counter, clock_tick{i});
  CHECK(fix.row().mailbox == 3);
  fix.scheduler.run();
  auto after = fix.row();
  CHECK(after.mailbox == 0);
  CHECK(after.messages_in == 3);
  CHECK(after.last_message_at > before.started_at - 1s);
  CHECK(after.oldest_waiting == 0ms);
  CHECK(after.state == actor_state::running);
}

TEST_CASE("a message that waits for long is seen to") {
  census_fixture fix;
  fix.scheduler.run();
  tell_anonymously(fix.counter, clock_tick{});
  REQUIRE(eventually([&] { return fix.row().oldest_waiting >= 5ms; }));
  fix.scheduler.run();
  tell_anonymously(fix.counter, clock_tick{});
  // The next one waits anew.
  auto begin = std::chrono::steady_clock::now();
  auto waited = fix.row().oldest_waiting;
  CHECK(waited <= std::chrono::steady_clock::now() - begin + 1s);
}

TEST_CASE("an actor that ends is not listed, nor kept alive") {
  census_fixture fix;
  fix.scheduler.run();
  auto record = fix.census->find(fix.name);
  REQUIRE(record);
  tell_anonymously(fix.counter, stop_children{});
  fix.scheduler.run();
  CHECK(!row_of(fix.system, fix.name));
  fix.counter = nullptr;
  CHECK(!record->self());
  fix.counter
    = spawn_actor<counting_state>(fix.system, std::shared_future<void>{});
}

TEST_CASE("an application's actors join by their base class") {
  census_fixture fix;
  auto app = fix.system.spawn<foreign_actor>();
  auto name = default_name("app.foreign", app);
  caf::anon_send(app, 1);
  fix.scheduler.run();
  auto row = row_of(fix.system, name);
  REQUIRE(row);
  CHECK(row->messages_in == 1);
  CHECK(row->type == "app.foreign");
}

TEST_CASE("what is asked of an actor counts for it alone") {
  census_fixture fix;
  auto before = fix.row().messages_out;
  caf::scoped_actor self{fix.system};
  auto answer = self->request(fix.counter, 10s, tell_state{});
  fix.scheduler.run();
  answer.receive(
    [](const std::string& json) { CHECK(json == R"({"ticks":0})"); },
    [](const caf::error&) { FAIL(); });
  CHECK(fix.row().messages_in == 1);
  // The asker is none of ours.
  CHECK(fix.row().messages_out == before);
}

TEST_CASE("an actor that hangs is shown, and holds nobody up") {
  caf::actor_system_config cfg;
  caf::actor_system system{cfg};
  std::promise<void> gate;
  auto hanging
    = spawn_detached<counting_state>(system, gate.get_future().share());
  auto name = default_name("test.counter", hanging);
  tell_anonymously(hanging, restart_due{});
  tell_anonymously(hanging, clock_tick{});
  CHECK(eventually([&] {
    auto row = row_of(system, name);
    return row && row->state == actor_state::unresponsive && row->mailbox == 1
           && row->oldest_waiting > 1s;
  }));
  gate.set_value();
  CHECK(eventually([&] {
    auto row = row_of(system, name);
    return row && row->state == actor_state::running && row->messages_in == 2
           && row->mailbox == 0;
  }));
  ask_to_end(hanging, caf::exit_reason::kill);
}

TEST_CASE("figures stay right when many threads send") {
  caf::actor_system_config cfg;
  caf::actor_system system{cfg};
  auto counter
    = spawn_actor<counting_state>(system, std::shared_future<void>{});
  auto name = default_name("test.counter", counter);
  constexpr std::uint64_t each = 20'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&counter] {
      for (std::uint64_t k = 0; k < each; ++k)
        tell_anonymously(counter, clock_tick{k});
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(eventually([&] {
    auto row = row_of(system, name);
    return row && row->messages_in == 4 * each && row->mailbox == 0
           && row->oldest_waiting == 0ms;
  }));
  ask_to_end(counter, caf::exit_reason::kill);
}

// -- texts of messages --------------------------------------------------------

TEST_CASE("messages are shown as text, and large ones cut") {
  CHECK(message_text(caf::make_message(clock_tick{3}), 200)
        == "muster::clock_tick(3)");
  lease_batch batch;
  batch.jobs.resize(1'000);
  batch.jobs.front().payload = std::string(1'000'000, 'x');
  auto text = message_text(caf::make_message(batch), 200);
  CHECK(text.size() <= 200);
  CHECK(text.ends_with("…"));
  CHECK(message_text(caf::make_message(std::string{"a\nb"}, true), 200)
        == R"("a b", true)");
  auto call = std::make_shared<const inspection_call>();
  CHECK(message_text(caf::make_message(inspect_call{call}), 200)
        == "muster::inspect_call");
}

// -- inspection ---------------------------------------------------------------

namespace {

/// A supervisor with an inspector and a counter, under a clock of the test's.
struct inspection_fixture : supervisor_fixture {
  inspection_fixture() {
    inspection_options opts;
    opts.node = "here";
    opts.board = board;
    opts.supervisors = [this] { return directory->supervisors(); };
    opts.others = [](const inspection_request&) {
      return refuse(errc::invalid_argument, "nothing else");
    };
    inspection = std::make_shared<node_inspection>(actor_census::of(system),
                                                   std::move(opts));
    options.children.push_back(inspector_child(inspection));
    child_specification spec;
    spec.id = "counter";
    spec.start = [](caf::actor_system& sys) -> expected<caf::actor> {
      return spawn_actor<counting_state>(sys, std::shared_future<void>{});
    };
    options.children.push_back(spec);
    start();
  }

  inspection_answer ask(inspection_request request, std::string node = {}) {
    auto answer = begin(std::move(request), std::move(node));
    run();
    for (int i = 0; i < 100 && !*answer; ++i)
      advance(100ms);
    REQUIRE(*answer);
    return **answer;
  }

  std::shared_ptr<std::optional<inspection_answer>>
  begin(inspection_request request, std::string node = {}) {
    auto result = std::make_shared<std::optional<inspection_answer>>();
    inspection_call call;
    call.node = std::move(node);
    call.request = std::move(request);
    call.on_answer
      = [result](inspection_answer answer) { *result = std::move(answer); };
    inspection->call(std::move(call));
    return result;
  }

  static inspection_request about(inspection_kind kind, std::string name = {}) {
    inspection_request result;
    result.kind = kind;
    result.name = std::move(name);
    result.limit = 100;
    return result;
  }

  actor_row row(const std::string& name) {
    auto answer = ask(about(inspection_kind::list_actors, name));
    REQUIRE(answer.actors.size() == 1);
    return answer.actors.front();
  }

  std::shared_ptr<cluster_board> board = std::make_shared<cluster_board>();
  std::shared_ptr<node_inspection> inspection;
};

} // namespace

TEST_CASE("supervised actors are listed under their paths") {
  inspection_fixture fix;
  auto answer = fix.ask(fix.about(inspection_kind::list_actors));
  std::vector<std::string> names;
  for (auto& row : answer.actors)
    names.push_back(row.name);
  CHECK(names
        == std::vector<std::string>{"top", "top/counter", "top/inspector"});
  CHECK(fix.row("top/counter").parent == "top");
  CHECK(fix.row("top").parent.empty());
}

TEST_CASE("an actor tells of its state") {
  inspection_fixture fix;
  tell_anonymously(fix.directory->find("counter"), clock_tick{});
  auto answer = fix.ask(fix.about(inspection_kind::get_state, "top/counter"));
  CHECK(answer.text == R"({"ticks":1})");
  CHECK(fix.ask(fix.about(inspection_kind::get_state, "nobody")).code
        == errc::not_found);
}

TEST_CASE("an actor is restarted by its supervisor") {
  inspection_fixture fix;
  auto before = fix.row("top/counter").id;
  CHECK(fix.ask(fix.about(inspection_kind::restart_actor, "top/counter")).code
        == errc::none);
  auto after = fix.row("top/counter");
  CHECK(after.id != before);
  CHECK(after.state == actor_state::running);
}

TEST_CASE("an actor that is stopped stays down until it is restarted") {
  inspection_fixture fix;
  CHECK(fix.ask(fix.about(inspection_kind::stop_actor, "top/counter")).code
        == errc::none);
  fix.advance(60s);
  CHECK(fix.row("top/counter").state == actor_state::down);
  CHECK(fix.ask(fix.about(inspection_kind::restart_actor, "top/counter")).code
        == errc::none);
  CHECK(fix.row("top/counter").state == actor_state::running);
}

TEST_CASE("supervision shows when an actor is killed") {
  inspection_fixture fix;
  auto before = fix.row("top/counter").id;
  CHECK(fix.ask(fix.about(inspection_kind::kill_actor, "top/counter")).code
        == errc::none);
  fix.advance(10s);
  auto after = fix.row("top/counter");
  CHECK(after.id != before);
  CHECK(after.restarts == 1);
  CHECK(!after.last_error.empty());
}

TEST_CASE("the inspector survives its own restart") {
  inspection_fixture fix;
  CHECK(fix.ask(fix.about(inspection_kind::restart_actor, "top/inspector")).code
        == errc::none);
  fix.advance(10s);
  CHECK(fix.row("top/inspector").restarts == 1);
  CHECK(fix.ask(fix.about(inspection_kind::get_state, "top/counter")).code
        == errc::none);
  CHECK(fix.ask(fix.about(inspection_kind::stop_actor, "top/inspector")).code
        == errc::wrong_state);
}

TEST_CASE("what has no supervisor is not restarted") {
  inspection_fixture fix;
  CHECK(fix.ask(fix.about(inspection_kind::restart_actor, "top")).code
        == errc::wrong_state);
  CHECK(fix.ask(fix.about(inspection_kind::stop_actor, "none")).code
        == errc::not_found);
}

TEST_CASE("a window shows what actors do within it") {
  inspection_fixture fix;
  for (int i = 0; i < 5; ++i)
    tell_anonymously(fix.directory->find("counter"), clock_tick{});
  fix.run();
  auto request = fix.about(inspection_kind::list_actors, "top/counter");
  request.wait = 1s;
  auto answer = fix.begin(request);
  fix.run();
  CHECK(!*answer);
  for (int i = 0; i < 2; ++i)
    tell_anonymously(fix.directory->find("counter"), clock_tick{});
  fix.advance(500ms);
  CHECK(!*answer);
  fix.advance(600ms);
  REQUIRE(*answer);
  REQUIRE((*answer)->actors.size() == 1);
  CHECK((*answer)->actors.front().messages_in == 2);
}

TEST_CASE("actors of two systems in one process are told apart") {
  // Neither has a network, and so neither has an id.
  census_fixture one;
  census_fixture other;
  REQUIRE(one.counter.id() == other.counter.id());
  tell_anonymously(one.counter, clock_tick{1});
  one.scheduler.run();
  CHECK(one.row().messages_in == 1);
  CHECK(other.row().messages_in == 0);
}

TEST_CASE("who sent a message is named, by its node if it is of another one") {
  census_fixture here;
  networked_config config;
  caf::actor_system far{config};
  auto sender = spawn_actor<counting_state>(far, std::shared_future<void>{});
  auto name = [&here](const caf::actor& who) {
    return here.census->name_of(caf::actor_cast<caf::strong_actor_ptr>(who));
  };
  CHECK(here.census->name_of(nullptr).empty());
  auto id = std::to_string(sender.id());
  auto unknown = name(sender);
  CHECK(unknown.starts_with(id + "@"));
  here.census->name_node(sender.node(), "w1");
  CHECK(name(sender) == "actor " + id + " of w1");
  CHECK(name(here.counter) == here.name);
  here.census->name_node(sender.node(), {});
  CHECK(name(sender) == unknown);
  caf::anon_send_exit(sender, caf::exit_reason::kill);
}

TEST_CASE("messages are traced, and those of a successor, too") {
  inspection_fixture fix;
  auto request = fix.about(inspection_kind::start_trace, "top/counter");
  request.text = "t1";
  request.duration = 30s;
  CHECK(fix.ask(request).code == errc::none);
  tell_anonymously(fix.directory->find("counter"), clock_tick{7});
  fix.run();
  auto part = fix.ask(fix.about(inspection_kind::read_trace, "t1")).trace;
  REQUIRE(part.events.size() == 1);
  CHECK(part.events[0].message == "muster::clock_tick(7)");
  CHECK(part.events[0].actor == "top/counter");
  fix.ask(fix.about(inspection_kind::restart_actor, "top/counter"));
  fix.ask(fix.about(inspection_kind::read_trace, "t1"));
  tell_anonymously(fix.directory->find("counter"), clock_tick{8});
  fix.run();
  part = fix.ask(fix.about(inspection_kind::read_trace, "t1")).trace;
  REQUIRE(part.events.size() == 1);
  CHECK(part.events[0].message == "muster::clock_tick(8)");
  CHECK(fix.ask(fix.about(inspection_kind::end_trace, "t1")).code
        == errc::none);
  CHECK(fix.ask(fix.about(inspection_kind::read_trace, "t1")).trace.ended);
  CHECK(fix.ask(fix.about(inspection_kind::read_trace, "t1")).code
        == errc::not_found);
}

TEST_CASE("who waits for a trace gets the next event") {
  inspection_fixture fix;
  auto request = fix.about(inspection_kind::start_trace, "top/counter");
  request.text = "t2";
  request.duration = 30s;
  fix.ask(request);
  auto read = fix.about(inspection_kind::read_trace, "t2");
  read.wait = 10s;
  auto answer = fix.begin(read);
  fix.advance(200ms);
  CHECK(!*answer);
  tell_anonymously(fix.directory->find("counter"), clock_tick{});
  fix.advance(200ms);
  REQUIRE(*answer);
  CHECK((*answer)->trace.events.size() == 1);
}

TEST_CASE("another node's inspector answers, and one that hangs is timed out") {
  inspection_fixture fix;
  // Its gate; nobody else is in this process.
  auto gate = fix.system.spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](const inspection_request& request) {
      inspection_answer answer;
      answer.text = "there: " + request.name;
      return answer;
    }};
  });
  auto silent = fix.system.spawn([](caf::event_based_actor* self) {
    auto kept = std::make_shared<std::vector<caf::response_promise>>();
    return caf::behavior{
      [self,
       kept](const inspection_request&) -> caf::result<inspection_answer> {
        kept->push_back(self->make_response_promise());
        return kept->back();
      }};
  });
  std::vector<node_info> nodes(3);
  nodes[0].node.name = "there";
  nodes[0].state = "connected";
  nodes[0].gate = gate;
  nodes[1].node.name = "silent";
  nodes[1].state = "connected";
  nodes[1].gate = silent;
  nodes[2].node.name = "gone";
  nodes[2].state = "lost";
  fix.board->publish(nodes);
  auto request = fix.about(inspection_kind::get_state, "x");
  CHECK(fix.ask(request, "there").text == "there: x");
  CHECK(fix.ask(request, "silent").code == errc::timed_out);
  CHECK(fix.ask(request, "gone").code == errc::unavailable);
  CHECK(fix.ask(request, "unknown").code == errc::not_found);
  CHECK(fix.inspection->nodes().size() == 4);
  fix.board->publish({});
  ask_to_end(silent, caf::exit_reason::kill);
}

TEST_CASE("without an inspector the list is there all the same") {
  inspection_fixture fix;
  fix.ask(fix.about(inspection_kind::stop_actor, "top/counter"));
  fix.board->set_inspector(nullptr);
  CHECK(fix.ask(fix.about(inspection_kind::get_state, "top/counter")).code
        == errc::unavailable);
  CHECK(fix.ask(fix.about(inspection_kind::list_actors)).actors.size() == 3);
}
