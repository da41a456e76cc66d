#include "actors/actor_row.hpp"
#include "actors/message_trace.hpp"
#include "actors/state_report.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

actor_row row(std::string name, std::uint64_t mailbox = 0,
              std::uint64_t busy = 0) {
  actor_row result;
  result.name = std::move(name);
  result.id = 1;
  result.mailbox = mailbox;
  result.busy_us = busy;
  return result;
}

std::vector<std::string> names(const std::vector<actor_row>& rows) {
  std::vector<std::string> result;
  for (auto& each : rows)
    result.push_back(each.name);
  return result;
}

using texts = std::vector<std::string>;

} // namespace

// -- rows ---------------------------------------------------------------------

TEST_CASE("lists of actors are sorted by name or by the greatest figure") {
  std::vector<actor_row> rows{row("b", 1, 9), row("c", 3, 9), row("a", 2, 7)};
  sort_and_cut(rows, actor_order::by_name, 10);
  CHECK(names(rows) == texts{"a", "b", "c"});
  sort_and_cut(rows, actor_order::by_mailbox, 10);
  CHECK(names(rows) == texts{"c", "a", "b"});
  sort_and_cut(rows, actor_order::by_busy, 2);
  CHECK(names(rows) == texts{"b", "c"});
  sort_and_cut(rows, actor_order::by_messages, 0);
  CHECK(rows.empty());
}

TEST_CASE("orders of lists are read by name") {
  CHECK(parse_actor_order("busy") == actor_order::by_busy);
  CHECK(parse_actor_order("messages") == actor_order::by_messages);
  CHECK(!parse_actor_order("by_busy"));
}

TEST_CASE("a window shows what was done within it") {
  auto before = row("a", 0, 100);
  before.messages_in = 5;
  auto after = row("a", 7, 130);
  after.messages_in = 9;
  auto successor = row("b", 0, 40);
  successor.id = 2;
  std::vector<actor_row> rows{after, successor};
  subtract(rows, {before, row("b", 0, 1'000)});
  CHECK(rows[0].busy_us == 30);
  CHECK(rows[0].messages_in == 4);
  CHECK(rows[0].mailbox == 7);
  // It has the name of one that is gone, and nothing else of it.
  CHECK(rows[1].busy_us == 40);
}

TEST_CASE("children that are down are shown with the reason") {
  supervisor_info info;
  info.path = "node";
  info.children = {{"worker", "worker", "running", 3, "it crashed", {}},
                   {"manager", "worker", "waiting", 1, "no disk", {}}};
  std::vector<actor_row> rows{row("node/worker"), row("muster.gate-3")};
  add_supervision(rows, std::vector{info});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].restarts == 3);
  CHECK(rows[0].last_error == "it crashed");
  CHECK(rows[0].state == actor_state::running);
  CHECK(rows[2].name == "node/manager");
  CHECK(rows[2].state == actor_state::down);
  CHECK(rows[2].last_error == "no disk");
  CHECK(rows[2].id == 0);
}

// -- reports ------------------------------------------------------------------

TEST_CASE("a report is one JSON object") {
  state_report out;
  out.add("text", "a \"b\"\n").add("number", -3).add("flag", true);
  out.begin_list("list").add_item("x").begin().add("y", 0.5).end().end();
  out.begin("empty").end();
  CHECK(out.take()
        == R"({"text":"a \"b\"\u000a","number":-3,"flag":true,)"
           R"("list":["x",{"y":0.5}],"empty":{}})");
  state_report nothing;
  CHECK(nothing.take() == "{}");
}

TEST_CASE("a report that was not ended is ended") {
  state_report out;
  out.begin_list("a").begin().begin_list("b");
  CHECK(out.take() == R"({"a":[{"b":[]}]})");
}

TEST_CASE("a report has a bound, and says what it leaves out") {
  state_report out;
  out.begin_list("items");
  for (int i = 0; i < 100'000; ++i)
    out.begin().add("name", std::string(10'000, 'x')).end();
  auto text = out.take();
  CHECK(text.size() < state_report::max_bytes);
  CHECK(text.ends_with(R"(],"truncated":true})"));
  state_report number;
  number.add("nan", 0.0 / 0.0 * -1);
  CHECK(number.take() == R"({"nan":null})");
}

// -- traces -------------------------------------------------------------------

namespace {

struct trace_fixture {
  explicit trace_fixture(trace_options options)
    : trace("node/worker", options, now) {
    // nop
  }

  bool happen() {
    if (!trace.wants(now))
      return false;
    trace.add({{}, "node/worker", "", "text", 1});
    return true;
  }

  message_trace::clock::time_point now{1h};
  message_trace trace;
};

} // namespace

TEST_CASE("a trace ends at its limit") {
  trace_fixture fix{{3, 0ms, 30s}};
  for (int i = 0; i < 5; ++i)
    fix.happen();
  auto part = fix.trace.take(fix.now);
  CHECK(part.events.size() == 3);
  CHECK(part.ended);
  CHECK(part.reason == "its limit is reached");
  CHECK(fix.trace.take(fix.now).events.empty());
}

TEST_CASE("a trace with a rate drops what is beyond it, and goes on") {
  trace_fixture fix{{2, 1s, 30s}};
  for (int i = 0; i < 10; ++i)
    fix.happen();
  auto part = fix.trace.take(fix.now);
  CHECK(part.events.size() == 2);
  CHECK(part.dropped == 8);
  CHECK(!part.ended);
  fix.now += 1s;
  CHECK(fix.happen());
  CHECK(fix.trace.take(fix.now).events.size() == 1);
}

TEST_CASE("a trace ends after its time") {
  trace_fixture fix{{10, 0ms, 3s}};
  CHECK(fix.happen());
  fix.now += 3s;
  CHECK(!fix.happen());
  auto part = fix.trace.take(fix.now);
  CHECK(part.ended);
  CHECK(part.events.size() == 1);
}

TEST_CASE("a trace that nobody asks for ends") {
  trace_fixture fix{{10, 0ms, 10min}};
  for (int i = 0; i < 3; ++i) {
    fix.now += message_trace::patience;
    CHECK(!fix.trace.take(fix.now).ended);
  }
  fix.now += message_trace::patience + 1ms;
  CHECK(!fix.happen());
  CHECK(fix.trace.take(fix.now).reason == "nobody asked for it");
}

TEST_CASE("a trace keeps no more than its bound for those who are slow") {
  trace_fixture fix{{1'000'000, 0ms, 30s}};
  for (std::size_t i = 0; i < message_trace::max_waiting + 5; ++i)
    fix.happen();
  auto part = fix.trace.take(fix.now);
  CHECK(part.events.size() == message_trace::max_waiting);
  CHECK(part.dropped == 5);
  CHECK(fix.happen());
}
