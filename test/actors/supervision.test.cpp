#include "actors/supervision.hpp"

#include "supervision_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace muster;
using namespace std::chrono_literals;
using stage = test::supervision_stage;
using trace = stage::trace;
using enum restart_strategy;

namespace {

constexpr auto permanent = restart_kind::permanent;
constexpr auto transient = restart_kind::transient;
constexpr auto temporary = restart_kind::temporary;

stage started(restart_strategy strategy,
              const std::vector<std::string>& ids = {"a", "b", "c", "d"}) {
  stage result{stage::options(strategy), stage::children(ids)};
  result.start();
  result.happened();
  return result;
}

} // namespace

TEST_CASE("OTP: children start in order and stop in reverse order") {
  auto strategy = GENERATE(one_for_one, one_for_all, rest_for_one);
  stage sup{stage::options(strategy), stage::children({"a", "b", "c"})};
  sup.start();
  CHECK(sup.happened() == trace{"start a", "start b", "start c"});
  CHECK(sup.announced);
  sup.stop();
  CHECK(sup.happened() == trace{"end c", "end b", "end a", "finish"});
  CHECK(!sup.failure);
}

TEST_CASE("OTP: a child starts only when those before it are up") {
  stage sup{stage::options(), stage::children({"a", "b"})};
  sup.scripts["a"].mute = true;
  sup.start();
  CHECK(sup.happened() == trace{"start a"});
  CHECK(!sup.announced);
  sup.run(sup.core.on_up(sup.number_of("a"), sup.now));
  CHECK(sup.happened() == trace{"start b"});
  CHECK(sup.announced);
}

TEST_CASE("OTP: if a child fails to start, those started stop and all fails") {
  stage sup{stage::options(), stage::children({"a", "b", "c"})};
  sup.scripts["b"].starts = {errc::io_error};
  sup.start();
  CHECK(sup.happened() == trace{"start a", "start b", "end a", "finish"});
  REQUIRE(sup.failure);
  CHECK(sup.failure->code == errc::io_error);
  CHECK(!sup.announced);
}

TEST_CASE("OTP: the strategy says who is restarted with a child that failed") {
  auto [strategy, ends, starts]
    = GENERATE(table<restart_strategy, trace, trace>({
      {one_for_one, {}, {"start b"}},
      {one_for_all,
       {"end d", "end c", "end a"},
       {"start a", "start b", "start c", "start d"}},
      {rest_for_one, {"end d", "end c"}, {"start b", "start c", "start d"}},
    }));
  CAPTURE(to_string(strategy));
  auto sup = started(strategy);
  sup.end("b");
  CHECK(sup.happened() == ends);
  CHECK(sup.state("b") == "waiting");
  sup.advance(99ms);
  CHECK(sup.happened().empty());
  sup.advance(1ms);
  CHECK(sup.happened() == starts);
}

TEST_CASE("OTP: permanent, transient and temporary children that end") {
  auto [kind, normal, state] = GENERATE(table<restart_kind, bool, std::string>({
    {permanent, false, "waiting"},
    {permanent, true, "waiting"},
    {transient, false, "waiting"},
    {transient, true, "stopped"},
    // Its specification is gone.
    {temporary, false, ""},
    {temporary, true, ""},
  }));
  stage sup{stage::options(one_for_all),
            {stage::child("a"), stage::child("b", kind)}};
  sup.start();
  sup.end("b", normal);
  CHECK(sup.state("b") == state);
  CHECK(sup.state("a") == (state == "waiting" ? "waiting" : "running"));
}

TEST_CASE("OTP: a sibling's failure does not restart a temporary child") {
  stage sup{
    stage::options(one_for_all),
    {stage::child("a"), stage::child("b", temporary), stage::child("c")}};
  sup.start();
  sup.happened();
  sup.end("a");
  sup.advance(1s);
  CHECK(sup.happened()
        == trace{"end c", "end b", "forget b", "start a", "start c"});
}

TEST_CASE("OTP: a group restart brings back children that ended in peace") {
  stage sup{stage::options(one_for_all),
            {stage::child("a"), stage::child("b", transient)}};
  sup.start();
  sup.end("b", true);
  sup.happened();
  sup.end("a");
  sup.advance(1s);
  CHECK(sup.happened() == trace{"start a", "start b"});
}

TEST_CASE("OTP: one event counts once, however many children it restarts") {
  auto options = stage::options(one_for_all);
  options.max_restarts = 2;
  stage sup{options, stage::children({"a", "b", "c", "d", "e"})};
  sup.start();
  for (int i = 0; i < 2; ++i) {
    sup.end("c");
    sup.advance(1s);
    REQUIRE(sup.state("e") == "running");
  }
  sup.happened();
  sup.end("c");
  CHECK(sup.happened() == trace{"end e", "end d", "end b", "end a", "finish"});
}

TEST_CASE("OTP: a supervisor that gives up stops all children and fails") {
  auto options = stage::options();
  options.max_restarts = 0;
  stage sup{options, stage::children({"a", "b"})};
  sup.start();
  sup.end("b", false, errc::io_error);
  CHECK(sup.finished);
  REQUIRE(sup.failure);
  CHECK(sup.failure->code == errc::unavailable);
  CHECK(sup.failure->message
        == "b fails too often: " + error{errc::io_error}.message);
}

TEST_CASE("OTP: a restart that fails counts as another restart") {
  auto options = stage::options();
  options.max_restarts = 3;
  stage sup{options, stage::children({"a"})};
  sup.start();
  sup.scripts["a"].starts = {errc::io_error, errc::io_error, errc::io_error};
  sup.happened();
  sup.end("a");
  sup.advance(10s);
  CHECK(sup.happened() == trace{"start a", "start a", "start a", "finish"});
}

TEST_CASE("a restart that fails is tried again ever later, not at once") {
  auto sup = started(one_for_one, {"a"});
  sup.scripts["a"].starts = {errc::io_error, errc::io_error};
  sup.end("a");
  for (auto pause : {100ms, 200ms, 400ms}) {
    CHECK(sup.state("a") == "waiting");
    sup.advance(pause - 1ms);
    CHECK(sup.happened().empty());
    sup.advance(1ms);
    CHECK(sup.happened() == trace{"start a"});
  }
  CHECK(sup.state("a") == "running");
  CHECK(sup.core.find("a")->restarts == 3);
}

TEST_CASE("OTP: a group restart that fails is made again for the whole group") {
  auto sup = started(rest_for_one, {"a", "b", "c"});
  sup.scripts["c"].starts = {errc::io_error};
  sup.end("b");
  sup.advance(100ms);
  // rest_for_one: from the one that failed to start.
  CHECK(sup.happened() == trace{"end c", "start b", "start c"});
  sup.advance(100ms);
  CHECK(sup.happened() == trace{"start c"});
  auto all = started(one_for_all, {"a", "b", "c"});
  all.scripts["b"].starts = {errc::io_error};
  all.end("c");
  all.advance(100ms);
  CHECK(all.happened()
        == trace{"end b", "end a", "start a", "start b", "end a"});
  all.advance(100ms);
  CHECK(all.happened() == trace{"start a", "start b", "start c"});
}

TEST_CASE("an error that stays is no reason to restart again") {
  auto sup = started(one_for_one, {"a", "b"});
  sup.scripts["a"].starts = {errc::store_corrupt};
  sup.end("a", false, errc::store_corrupt);
  CHECK(!sup.finished);
  sup.advance(100ms);
  REQUIRE(sup.finished);
  CHECK(sup.failure->code == errc::store_corrupt);
}

TEST_CASE("a child that refuses to start is gone before it is started again") {
  auto sup = started(one_for_one, {"a"});
  sup.scripts["a"].mute = true;
  sup.scripts["a"].immortal = true;
  sup.end("a");
  sup.advance(100ms);
  CHECK(sup.happened() == trace{"start a"});
  sup.run(sup.core.on_start_refused(sup.number_of("a"), error{errc::timed_out},
                                    sup.now));
  sup.advance(1s);
  CHECK(sup.happened() == trace{"kill a"});
  sup.run(sup.core.on_end(sup.number_of("a"), false, error{errc::internal},
                          sup.now, 0.5));
  CHECK(sup.core.find("a")->last_error == error{errc::timed_out}.message);
  sup.advance(199ms);
  CHECK(sup.happened().empty());
  sup.advance(1ms);
  CHECK(sup.happened() == trace{"start a"});
}

TEST_CASE("OTP: a child is asked to end, and killed when its time is over") {
  auto sup = started(one_for_one, {"a", "b"});
  sup.scripts["b"].deaf = true;
  sup.stop();
  CHECK(sup.happened() == trace{"end b"});
  sup.advance(999ms);
  CHECK(sup.happened().empty());
  sup.advance(1ms);
  CHECK(sup.happened() == trace{"kill b", "end a", "finish"});
}

TEST_CASE("OTP: brutal kill does not ask, infinity does not kill") {
  auto brutal = stage::child("a");
  brutal.shutdown = shutdown_rule::kill();
  auto endless = stage::child("b");
  endless.shutdown = shutdown_rule::infinite();
  stage sup{stage::options(), {brutal, endless}};
  sup.scripts["b"].deaf = true;
  sup.start();
  sup.happened();
  sup.stop();
  sup.advance(24h);
  CHECK(sup.happened() == trace{"end b"});
  CHECK(!sup.core.wake_at());
  sup.run(sup.core.on_end(sup.number_of("b"), true, {}, sup.now, 0.5));
  CHECK(sup.happened() == trace{"kill a", "finish"});
}

TEST_CASE("OTP: workers get five seconds, supervisors all the time they need") {
  child_rules rules;
  CHECK(shutdown_of(rules).limit() == 5s);
  rules.type = child_type::supervisor;
  CHECK(!shutdown_of(rules).limit());
  CHECK(shutdown_of(rules).asks());
}

TEST_CASE("a child that cannot even be killed does not hold up the rest") {
  auto sup = started(one_for_one, {"a", "b"});
  sup.scripts["b"].immortal = true;
  sup.stop();
  sup.advance(2'999ms);
  CHECK(sup.happened() == trace{"end b", "kill b"});
  sup.advance(1ms);
  CHECK(sup.happened() == trace{"abandon b", "end a", "finish"});
}

TEST_CASE("OTP: a stop that comes during a start or a pause ends both") {
  stage sup{stage::options(), stage::children({"a", "b"})};
  sup.scripts["b"].mute = true;
  sup.start();
  sup.happened();
  sup.end("a");
  CHECK(sup.state("a") == "waiting");
  sup.stop();
  CHECK(sup.happened() == trace{"end b", "finish"});
  sup.advance(1h);
  CHECK(sup.happened().empty());
}

// -- significant children -----------------------------------------------------

namespace {

child_rules significant(std::string id, restart_kind kind) {
  auto result = stage::child(std::move(id), kind);
  result.significant = true;
  return result;
}

supervision_options shutting_down(auto_shutdown rule) {
  auto result = stage::options();
  result.shutdown = rule;
  return result;
}

} // namespace

TEST_CASE("OTP: any_significant ends the supervisor after the first of them") {
  auto [kind, normal, ends] = GENERATE(table<restart_kind, bool, bool>({
    {transient, true, true},
    // It is restarted.
    {transient, false, false},
    {temporary, true, true},
    {temporary, false, true},
  }));
  stage sup{
    shutting_down(auto_shutdown::any_significant),
    {stage::child("a"), significant("b", kind), significant("c", kind)}};
  sup.start();
  sup.happened();
  sup.end("b", normal);
  CHECK(sup.finished == ends);
  // It has not failed.
  CHECK(!sup.failure);
  if (ends)
    CHECK(sup.happened().back() == "finish");
}

TEST_CASE("OTP: all_significant ends the supervisor after the last of them") {
  stage sup{shutting_down(auto_shutdown::all_significant),
            {stage::child("a", transient), significant("b", transient),
             significant("c", transient), significant("d", temporary)}};
  sup.start();
  sup.end("a", true);
  // One that is about to be restarted is not gone.
  sup.end("c", false);
  sup.end("b", true);
  sup.end("d", false);
  CHECK(!sup.finished);
  sup.advance(1s);
  sup.end("c", true);
  CHECK(sup.finished);
  CHECK(!sup.failure);
}

TEST_CASE("OTP: the end of what a sibling or an operator ended is no sign") {
  auto options = shutting_down(auto_shutdown::any_significant);
  options.strategy = one_for_all;
  stage sup{options, {stage::child("a"), significant("b", temporary)}};
  sup.start();
  sup.end("a");
  sup.advance(1s);
  CHECK(sup.state("b").empty());
  CHECK(!sup.finished);
  CHECK(sup.change(sup.core.add(significant("c", transient), sup.now)).empty());
  CHECK(sup.change(sup.core.terminate("c", sup.now)).empty());
  CHECK(sup.state("c") == "stopped");
  CHECK(!sup.finished);
}

TEST_CASE("OTP: specifications that make no sense are refused") {
  auto fault = [](supervision_options options, std::vector<child_rules> rules) {
    auto result = supervision{options, std::move(rules)}.check();
    return result ? std::string{} : result.error().message;
  };
  CHECK(fault(stage::options(), stage::children({"a", "b"})).empty());
  CHECK(fault(stage::options(), stage::children({"a", "a"}))
        == "child 'a': the id is taken");
  CHECK(!fault(stage::options(), {stage::child("")}).empty());
  CHECK(!fault(stage::options(), {stage::child("a/b")}).empty());
  CHECK(!fault(stage::options(simple_one_for_one), {}).empty());
  auto never = fault(stage::options(), {significant("a", transient)});
  CHECK(never.find("auto_shutdown") != std::string::npos);
  auto always = fault(shutting_down(auto_shutdown::any_significant),
                      {significant("a", permanent)});
  CHECK(always.find("permanent") != std::string::npos);
}

// -- reports ------------------------------------------------------------------

TEST_CASE("every start, failure, restart and giving up is reported") {
  auto options = stage::options();
  options.max_restarts = 2;
  stage sup{options, stage::children({"a"})};
  sup.start();
  sup.scripts["a"].starts = {errc::io_error};
  sup.end("a", false, errc::internal);
  sup.advance(1s);
  sup.end("a", false, errc::timed_out);
  using kind = supervision_report::kind;
  auto internal = error{errc::internal}.message;
  auto io = error{errc::io_error}.message;
  auto late = error{errc::timed_out}.message;
  const std::vector<supervision_report> expected{
    {kind::started, "a", "", 0, 0ms},
    {kind::failed, "a", internal, 0, 0ms},
    {kind::restarting, "a", internal, 1, 100ms},
    {kind::start_failed, "a", io, 1, 0ms},
    {kind::restarting, "a", io, 2, 200ms},
    {kind::started, "a", "", 2, 0ms},
    {kind::failed, "a", late, 2, 0ms},
    {kind::gave_up, "", "a fails too often: " + late, 0, 0ms},
  };
  CHECK(sup.reports == expected);
}
