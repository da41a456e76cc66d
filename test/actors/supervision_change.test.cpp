#include "supervision_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace muster;
using namespace std::chrono_literals;
using stage = test::supervision_stage;
using trace = stage::trace;
using enum restart_strategy;

namespace {

stage started(restart_strategy strategy, const std::vector<std::string>& ids) {
  stage result{stage::options(strategy), stage::children(ids)};
  result.start();
  result.happened();
  return result;
}

bool refused(const expected<supervision::change>& result, errc code) {
  return !result && result.error().code == code;
}

} // namespace

TEST_CASE("OTP: a child that is added starts at once and is the last") {
  auto sup = started(rest_for_one, {"a", "b"});
  CHECK(sup.change(sup.core.add(stage::child("c"), sup.now)).empty());
  CHECK(sup.happened() == trace{"start c"});
  sup.end("b");
  sup.advance(1s);
  CHECK(sup.happened() == trace{"end c", "start b", "start c"});
}

TEST_CASE(
  "OTP: an added child that cannot start is forgotten and not counted") {
  auto options = stage::options();
  options.max_restarts = 0;
  stage sup{options, stage::children({"a"})};
  sup.start();
  sup.scripts["b"].starts = {errc::io_error};
  sup.happened();
  CHECK(sup.change(sup.core.add(stage::child("b"), sup.now)).empty());
  CHECK(sup.happened() == trace{"start b", "forget b"});
  CHECK(!sup.finished);
  CHECK(sup.change(sup.core.add(stage::child("b"), sup.now)).empty());
  CHECK(sup.state("b") == "running");
}

TEST_CASE("OTP: an id that is taken cannot be added") {
  auto sup = started(one_for_one, {"a"});
  CHECK(refused(sup.core.add(stage::child("a"), sup.now), errc::wrong_state));
  CHECK(refused(sup.core.add(stage::child("a/b"), sup.now),
                errc::invalid_argument));
}

TEST_CASE("OTP: a terminated child stays down until it is restarted by hand") {
  auto sup = started(one_for_one, {"a", "b"});
  CHECK(sup.change(sup.core.terminate("a", sup.now)).empty());
  CHECK(sup.happened() == trace{"end a"});
  sup.advance(1h);
  CHECK(sup.state("a") == "stopped");
  CHECK(sup.change(sup.core.restart("a", sup.now)).empty());
  CHECK(sup.happened() == trace{"start a"});
  CHECK(sup.state("a") == "running");
  // Which is no restart in the sense of the intensity.
  CHECK(sup.core.find("a")->restarts == 0);
}

TEST_CASE(
  "OTP: terminating a child that waits for its restart calls that off") {
  auto sup = started(one_for_one, {"a"});
  sup.end("a");
  CHECK(sup.change(sup.core.terminate("a", sup.now)).empty());
  sup.advance(1h);
  CHECK(sup.happened().empty());
  CHECK(sup.state("a") == "stopped");
}

TEST_CASE("OTP: a start by hand that fails leaves the child down") {
  auto sup = started(one_for_one, {"a"});
  CHECK(sup.change(sup.core.terminate("a", sup.now)).empty());
  sup.scripts["a"].starts = {errc::io_error};
  CHECK(sup.change(sup.core.restart("a", sup.now)).empty());
  CHECK(sup.state("a") == "stopped");
  CHECK(sup.core.find("a")->last_error == error{errc::io_error}.message);
}

TEST_CASE("OTP: only children that are down can be restarted or removed") {
  auto sup = started(one_for_one, {"a", "b"});
  CHECK(refused(sup.core.restart("a", sup.now), errc::wrong_state));
  CHECK(refused(sup.core.remove("a"), errc::wrong_state));
  CHECK(refused(sup.core.remove("x"), errc::invalid_argument));
  CHECK(refused(sup.core.restart("x", sup.now), errc::invalid_argument));
  CHECK(refused(sup.core.terminate("x", sup.now), errc::invalid_argument));
  sup.end("a");
  // It waits for its restart.
  CHECK(refused(sup.core.restart("a", sup.now), errc::wrong_state));
  CHECK(refused(sup.core.remove("a"), errc::wrong_state));
  CHECK(sup.change(sup.core.terminate("a", sup.now)).empty());
  CHECK(sup.change(sup.core.remove("a")).empty());
  CHECK(sup.state("a").empty());
}

TEST_CASE("OTP: a temporary child's specification goes with its end") {
  auto sup = started(one_for_one, {"a"});
  CHECK(
    sup
      .change(sup.core.add(stage::child("b", restart_kind::temporary), sup.now))
      .empty());
  CHECK(sup.change(sup.core.terminate("b", sup.now)).empty());
  CHECK(sup.happened() == trace{"start b", "end b", "forget b"});
}

TEST_CASE("terminating one child holds up no other of one_for_one") {
  auto sup = started(one_for_one, {"a", "b", "c"});
  sup.scripts["a"].deaf = true;
  CHECK(sup.change(sup.core.terminate("a", sup.now)).empty());
  CHECK(sup.change(sup.core.terminate("b", sup.now)).empty());
  sup.end("c");
  sup.advance(100ms);
  CHECK(sup.happened() == trace{"end a", "end b", "start c"});
}

TEST_CASE("nothing is added or restarted while a supervisor ends") {
  auto sup = started(one_for_one, {"a", "b"});
  CHECK(sup.change(sup.core.terminate("b", sup.now)).empty());
  sup.scripts["a"].deaf = true;
  sup.stop();
  CHECK(refused(sup.core.add(stage::child("c"), sup.now), errc::shutting_down));
  CHECK(refused(sup.core.restart("b", sup.now), errc::shutting_down));
}

TEST_CASE("a child added before the start is one of the first") {
  stage sup{stage::options(), stage::children({"a"})};
  CHECK(sup.change(sup.core.add(stage::child("b"), sup.now)).empty());
  CHECK(sup.happened().empty());
  sup.start();
  CHECK(sup.happened() == trace{"start a", "start b"});
}

// -- simple_one_for_one -------------------------------------------------------

TEST_CASE("OTP: simple_one_for_one starts nothing by itself") {
  stage sup{stage::options(simple_one_for_one), {stage::child("job")}};
  sup.start();
  CHECK(sup.happened().empty());
  CHECK(sup.announced);
  for (int i = 0; i < 3; ++i)
    CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  CHECK(sup.happened() == trace{"start job-1", "start job-2", "start job-3"});
}

TEST_CASE("OTP: simple_one_for_one takes all but the id from its one child") {
  stage sup{stage::options(simple_one_for_one),
            {stage::child("job", restart_kind::transient)}};
  sup.start();
  CHECK(sup.change(sup.core.add(stage::child("own"), sup.now)).empty());
  CHECK(sup.core.find("own")->rules.restart == restart_kind::transient);
}

TEST_CASE("OTP: simple_one_for_one restarts the child that failed alone") {
  stage sup{stage::options(simple_one_for_one), {stage::child("job")}};
  sup.start();
  for (int i = 0; i < 3; ++i)
    CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  sup.happened();
  sup.end("job-2");
  sup.advance(100ms);
  CHECK(sup.happened() == trace{"start job-2"});
}

TEST_CASE("OTP: simple_one_for_one forgets whom it does not restart") {
  auto kind = GENERATE(restart_kind::transient, restart_kind::temporary);
  stage sup{stage::options(simple_one_for_one), {stage::child("job", kind)}};
  sup.start();
  CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  sup.end("job-1", true);
  CHECK(sup.happened() == trace{"start job-1", "forget job-1"});
  CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  CHECK(sup.change(sup.core.terminate("job-2", sup.now)).empty());
  CHECK(sup.happened() == trace{"start job-2", "end job-2", "forget job-2"});
  CHECK(sup.core.children().empty());
}

TEST_CASE("OTP: simple_one_for_one stops all children at once") {
  stage sup{stage::options(simple_one_for_one), {stage::child("job")}};
  sup.start();
  for (int i = 0; i < 3; ++i)
    CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  sup.scripts["job-3"].deaf = true;
  sup.happened();
  sup.stop();
  CHECK(sup.happened() == trace{"end job-3", "end job-2", "end job-1"});
  sup.advance(1s);
  CHECK(sup.happened() == trace{"kill job-3", "finish"});
}

TEST_CASE("OTP: the children of simple_one_for_one share one intensity") {
  auto options = stage::options(simple_one_for_one);
  options.max_restarts = 1;
  stage sup{options, {stage::child("job")}};
  sup.start();
  CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  CHECK(sup.change(sup.core.add({}, sup.now)).empty());
  sup.end("job-1");
  CHECK(!sup.finished);
  sup.end("job-2");
  CHECK(sup.finished);
}
