#include "runtime/inspection_answers.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace muster;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

inspection_answer actors(std::initializer_list<actor_row> rows) {
  inspection_answer result;
  result.actors = rows;
  return result;
}

actor_row busy(std::string name, std::uint64_t us) {
  actor_row row;
  row.name = std::move(name);
  row.busy_us = us;
  return row;
}

} // namespace

TEST_CASE("actors of several nodes come in one order") {
  gateway_fixture gate;
  gate.inspected->respond = [](const inspection_call& what) {
    return what.node == "press" ? actors({busy("a", 30), busy("b", 10)})
                                : actors({busy("c", 20), busy("d", 5)});
  };
  auto answer = gate.json(200, "GET", "/v1/actors?sort=busy&limit=3");
  std::string order;
  for (auto& row : answer.at("actors"))
    order += row.at("name").get<std::string>()
             + row.at("node").get<std::string>().substr(0, 1);
  CHECK(order == "apcfbp");
  CHECK(answer.at("actors").at(0).at("busy_ms") == 0.030);
  CHECK(answer.at("nodes")
        == json{{{"name", "press"}, {"state", "ok"}},
                {{"name", "far"}, {"state", "ok"}}});
  CHECK(gate.inspected->calls.front().request.order == actor_order::by_busy);
}

TEST_CASE("one node is asked if it is named") {
  gateway_fixture gate;
  auto answer = gate.json(200, "GET", "/v1/actors?node=far");
  CHECK(answer.at("nodes").size() == 1);
  CHECK(answer.at("actors").at(0).at("node") == "far");
  gate.problem(404, "not_found", "GET", "/v1/actors?node=x");
  gate.problem(400, "invalid_argument", "GET", "/v1/actors?sort=size");
  gate.problem(400, "invalid_argument", "GET", "/v1/actors?limit=1001");
  gate.problem(400, "invalid_argument", "GET", "/v1/actors?window=11s");
}

TEST_CASE("a node that does not answer holds nobody up") {
  gateway_fixture gate;
  gate.inspected->respond
    = [](const inspection_call& what) -> std::optional<inspection_answer> {
    if (what.node == "far")
      return std::nullopt;
    return scripted_nodes::plausible(what);
  };
  auto answer = gate.json(200, "GET", "/v1/actors");
  CHECK(answer.at("actors").size() == 1);
  CHECK(answer.at("nodes").at(1).at("state") == "unresponsive");
  gate.problem(504, "timed_out", "GET", "/v1/actors/x/state?node=far");
}

TEST_CASE("nodes say why they have no part in an answer") {
  gateway_fixture gate;
  for (auto [code, state] : {std::pair{errc::timed_out, "unresponsive"},
                             std::pair{errc::unavailable, "lost"},
                             std::pair{errc::version_mismatch, "refused"}}) {
    gate.inspected->respond = [code](const inspection_call& what) {
      return what.node == "far" ? refuse(code, "a reason")
                                : scripted_nodes::plausible(what);
    };
    auto far = gate.json(200, "GET", "/v1/actors").at("nodes").at(1);
    CHECK(far.at("state") == state);
    CHECK(far.at("error") == "a reason");
  }
}

TEST_CASE("one actor is shown with what its supervisor knows") {
  gateway_fixture gate;
  auto row = gate.json(200, "GET", "/v1/actors/node%2Fworker");
  CHECK(row.at("name") == "node/worker");
  CHECK(row.at("node") == "press");
  CHECK(row.at("restarts") == 0);
  CHECK(row.at("supervisor") == "node");
  CHECK(gate.inspected->calls.back().request.name == "node/worker");
  gate.inspected->respond
    = [](const inspection_call&) { return inspection_answer{}; };
  CHECK(gate.problem(404, "not_found", "GET", "/v1/actors/x")
        == "node press has no actor x");
}

TEST_CASE("an actor's state is what it says") {
  gateway_fixture gate;
  auto answer = gate.json(200, "GET", "/v1/actors/node%2Fworker/state");
  CHECK(answer.at("state").at("phase") == "serving");
  gate.inspected->respond = [](const inspection_call&) {
    return refuse(errc::timed_out, "it does not answer");
  };
  gate.problem(504, "timed_out", "GET", "/v1/actors/node%2Fworker/state");
}

TEST_CASE("actors are controlled one at a time") {
  gateway_fixture gate;
  for (auto [verb, kind] :
       {std::pair{"restart", inspection_kind::restart_actor},
        std::pair{"stop", inspection_kind::stop_actor},
        std::pair{"kill", inspection_kind::kill_actor}}) {
    auto target = std::string{"/v1/actors/node%2Fworker/"} + verb;
    auto answer = gate.json(200, "POST", target + "?node=far");
    CHECK(answer
          == json{{"name", "node/worker"}, {"node", "far"}, {"done", true}});
    auto& call = gate.inspected->calls.back();
    CHECK(call.request.kind == kind);
    CHECK(call.node == "far");
  }
  gate.inspected->respond = [](const inspection_call&) {
    return refuse(errc::wrong_state, "no supervisor");
  };
  gate.problem(409, "wrong_state", "POST", "/v1/actors/x/stop");
}

TEST_CASE("the gateway answers before it is restarted") {
  gateway_fixture gate;
  gate.inspected->respond
    = [](const inspection_call&) -> std::optional<inspection_answer> {
    return std::nullopt;
  };
  gate.json(200, "POST", "/v1/actors/node%2Fgateway/restart");
  CHECK(gate.inspected->calls.size() == 1);
  gate.problem(409, "wrong_state", "POST", "/v1/actors/node%2Fgateway/stop");
  CHECK(gate.inspected->calls.size() == 1);
}

TEST_CASE("a trace is found again by its id") {
  gateway_fixture gate;
  auto id = gate
              .json(201, "POST", "/v1/actors/node%2Fworker/traces?node=far",
                    R"({"limit":5,"per":"1s","for":"1m"})")
              .at("id")
              .get<std::string>();
  auto begun = gate.inspected->calls.back();
  CHECK(begun.request.limit == 5);
  CHECK(begun.request.per == 1s);
  CHECK(begun.request.duration == 60s);
  auto part = gate.json(200, "GET", "/v1/traces/" + id + "?wait=100ms");
  CHECK(part.at("events").at(0).at("node") == "far");
  CHECK(part.at("ended") == false);
  auto read = gate.inspected->calls.back();
  CHECK(read.node == "far");
  CHECK(read.request.name == begun.request.text);
  CHECK(read.request.wait == 100ms);
  gate.json(200, "DELETE", "/v1/traces/" + id);
  CHECK(gate.inspected->calls.back().request.kind
        == inspection_kind::end_trace);
}

TEST_CASE("traces without bounds are refused") {
  gateway_fixture gate;
  for (auto body :
       {R"({"limit":0})", R"({"limit":10001})", R"({"limit":-1})",
        R"({"per":"x"})", R"({"for":"0s"})", R"({"more":1})", "[]", "{"})
    gate.problem(400, "invalid_argument", "POST", "/v1/actors/a/traces", body);
  CHECK(gate.inspected->calls.empty());
}

TEST_CASE("the log's level is set by name") {
  gateway_fixture gate;
  gate.json(200, "PUT", "/v1/log", R"({"level":"debug"})");
  CHECK(gate.inspected->calls.back().request.text == "debug");
  gate.problem(400, "invalid_argument", "PUT", "/v1/log", R"({"level":3})");
  gate.problem(400, "invalid_argument", "PUT", "/v1/log", "{}");
}

TEST_CASE("a node is asked to drain by its name") {
  gateway_fixture gate;
  gate.json(202, "POST", "/v1/nodes/far/drain");
  CHECK(gate.inspected->calls.back().node == "far");
  CHECK(gate.inspected->calls.back().request.kind
        == inspection_kind::drain_node);
}

// -- the log ------------------------------------------------------------------

namespace {

log_ring::line line(log_level level, std::string text) {
  return {0, timestamp{1ms}, level, std::move(text), {{"component", "worker"}}};
}

struct log_fixture {
  log_fixture() {
    process.node = "press";
    process.log = std::make_shared<log_ring>(log_level::info);
  }

  std::optional<json> read(std::uint64_t after, std::string level = "debug",
                           millis wait = 0ms, std::uint64_t limit = 100) {
    inspection_request request;
    request.kind = inspection_kind::read_log;
    request.after = after;
    request.text = std::move(level);
    request.wait = wait;
    request.limit = limit;
    auto answer = answer_inspection(process, request);
    if (!answer)
      return std::nullopt;
    return json::parse(answer->text);
  }

  inspected_process process;
};

} // namespace

TEST_CASE("the log is followed without losing or repeating lines") {
  log_fixture fix;
  CHECK(!fix.read(0, "debug", 1s));
  for (int i = 0; i < 5; ++i)
    fix.process.log->add(line(log_level::info, std::to_string(i)));
  auto first = *fix.read(0, "debug", 1s, 3);
  REQUIRE(first.at("lines").size() == 3);
  CHECK(first.at("lines").at(0).at("n") == 1);
  CHECK(first.at("lines").at(0).at("component") == "worker");
  CHECK(first.at("next") == 3);
  auto rest = *fix.read(first.at("next"));
  CHECK(rest.at("lines").size() == 2);
  CHECK(rest.at("next") == 5);
  CHECK(rest.at("missed") == 0);
  CHECK(!fix.read(5, "debug", 1s));
  CHECK(fix.read(log_ring::newest, "debug", 0ms, 2)->at("lines").at(0).at("n")
        == 4);
}

TEST_CASE("lines of less severity are passed over") {
  log_fixture fix;
  fix.process.log->add(line(log_level::error, "bad"));
  fix.process.log->add(line(log_level::info, "well"));
  auto part = *fix.read(0, "warning");
  CHECK(part.at("lines").size() == 1);
  CHECK(part.at("next") == 2);
  CHECK(!fix.read(1, "warning", 1s));
}

TEST_CASE("the log keeps its last lines, and counts those that are missed") {
  log_fixture fix;
  for (std::size_t i = 0; i < log_ring::max_lines + 10; ++i)
    fix.process.log->add(line(log_level::info, std::string(5'000, 'x')));
  auto part = *fix.read(4, "debug", 0ms, 1);
  CHECK(part.at("missed") == 6);
  CHECK(part.at("lines").at(0).at("n") == 11);
  CHECK(part.at("lines").at(0).at("text").get<std::string>().size()
        == log_ring::max_text);
}

TEST_CASE("the log's level is set at run time") {
  log_fixture fix;
  inspection_request request;
  request.kind = inspection_kind::set_log_level;
  request.text = "error";
  CHECK(answer_inspection(fix.process, request)->code == errc::none);
  CHECK(fix.process.log->level() == log_level::error);
  request.text = "loud";
  CHECK(answer_inspection(fix.process, request)->code
        == errc::invalid_argument);
}
