#include "runtime/shell_views.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_top.hpp"
#include "runtime/shell_values.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace muster;

namespace {

timestamp at(int seconds) {
  // 2026-01-02T03:04:05Z
  return timestamp{std::chrono::seconds{1'767'323'045 + seconds}};
}

view_context wide() {
  return {{}, at(60)};
}

shell_json read(std::string_view text) {
  auto result = parse_answer(text);
  REQUIRE(result);
  return make_printable(*result);
}

} // namespace

TEST_CASE("spans are short and rounded to what matters") {
  using namespace std::chrono;
  CHECK(show_span(millis{-5}) == "0.0s");
  CHECK(show_span(millis{1'234}) == "1.2s");
  CHECK(show_span(seconds{59}) == "59s");
  CHECK(show_span(seconds{185}) == "3m05s");
  CHECK(show_span(seconds{7'800}) == "2h10m");
  CHECK(show_span(hours{102}) == "4d06h");
  auto figures = read(R"({"a":0,"b":0.25,"c":12.3456,"d":65000,"e":"x"})");
  CHECK(show_millis(figures, "a") == "0");
  CHECK(show_millis(figures, "b") == "0.25ms");
  CHECK(show_millis(figures, "c") == "12.3ms");
  CHECK(show_millis(figures, "d") == "1m05s");
  CHECK(show_millis(figures, "e").empty());
}

TEST_CASE("an answer that is no JSON, or nested like no answer, is refused") {
  CHECK_FALSE(parse_answer("<html>"));
  CHECK_FALSE(parse_answer(""));
  CHECK(parse_answer(R"({"a":["[[[[\"[["]})"));
  CHECK_FALSE(parse_answer(std::string(1'000'000, '[')));
  std::string deep(65, '[');
  CHECK_FALSE(parse_answer(deep + std::string(65, ']')));
}

TEST_CASE("JSON is written in one line of ASCII") {
  auto value
    = shell_json{{"b", "gr\xc3\xb6\xc3\x9f\x65 \x1b[2J \xc2\x9b\n"}, {"a", 1}};
  CHECK(write_json(value)
        == R"({"b":"gr\u00f6\u00dfe \u001b[2J \u009b\n","a":1})");
  CHECK_FALSE(write_json("\xff").empty());
}

TEST_CASE("a queue's row shows depth, waits, rates and whether it is paused") {
  auto out = view_queues(
    read(R"({"queues":[{"name":"mail","depth":{"scheduled":1,"ready":12345,
      "leased":2,"succeeded":7,"dead":3,"cancelled":0},"oldest_wait":"65s",
      "rates":{"enqueued":1.25,"finished":1234.5,"failed":0},
      "settings":{"paused":true}}]})"),
    wide());
  CHECK(out
        == "QUEUE  STATE    READY  OLDEST  SCHEDULED  LEASED  DEAD"
           "  IN/S  OUT/S  FAILED/S\n"
           "mail   paused  12,345   1m05s          1       2     3"
           "   1.2  1,234         0\n");
  CHECK(view_queues(read(R"({"queues":[]})"), wide()) == "(none)\n");
}

TEST_CASE("a job is shown with its attempts, in words of time") {
  auto out = view_job(
    read(R"({"id":"17","queue":"mail","handler":"post","state":"leased",
      "attempt":2,"max_attempts":5,"priority":100,"timeout":"1m",
      "enqueued_at":"2026-01-02T03:04:05.000Z","due_at":null,
      "started_at":"2026-01-02T03:05:00.000Z","finished_at":null,
      "expires_at":null,"lease_deadline":"2026-01-02T03:05:35.000Z",
      "progress":"page 3","error":"out of paper","worker":"w1",
      "payload_bytes":12345,"attempts_dropped":1,"attempts":[
      {"attempt":1,"worker":"w2","started_at":"2026-01-02T03:04:10.000Z",
       "ended_at":"2026-01-02T03:04:12.500Z","outcome":"failed",
       "error":"out of\npaper"},
      {"attempt":2,"worker":"w1","started_at":"2026-01-02T03:05:00.000Z",
       "ended_at":null,"outcome":"running"}]})"),
    wide());
  INFO(out);
  for (auto part :
       {"job         17\n", "attempt     2 of 5\n", "enqueued    1m00s ago\n",
        "lease ends  in 30s\n", "payload     12,345 bytes\n",
        "1 earlier attempts are not kept\n",
        "      1  failed   w2       55s ago  2.5s  out of\\npaper\n",
        "      2  running  w1      5.0s ago  5.0s  -\n"})
    CHECK(out.find(part) != std::string::npos);
  CHECK(out.find("finished") == std::string::npos);
}

TEST_CASE("attempts beyond those that may fail are explained") {
  auto shown = [](const std::string& numbers) {
    return view_job(read(R"({"id":"1","state":"dead",)" + numbers + "}"),
                    wide());
  };
  CHECK(shown(R"("attempt":7,"failures":4,"max_attempts":5)")
          .find("7, 4 of 5 failed\n")
        != std::string::npos);
  CHECK(shown(R"("attempt":4,"failures":3,"max_attempts":5)").find("4 of 5\n")
        != std::string::npos);
}

TEST_CASE("trees show who runs, what was restarted and why") {
  auto tree = read(
    R"({"supervisors":[{"node":"n1","id":"node","path":"node",
      "strategy":"one_for_one","max_restarts":10,"period":"1m","children":[
      {"id":"journal","type":"worker","state":"running",
       "since":"2026-01-02T03:04:05.000Z","restarts":0,"last_error":null},
      {"id":"pool","type":"supervisor","state":"running",
       "since":"2026-01-02T03:04:05.000Z","restarts":2,
       "last_error":"the disk is full","supervisor":{"id":"pool",
       "path":"node/pool","strategy":"one_for_all","max_restarts":1,
       "period":"5s","children":[{"id":"w","type":"worker","state":"waiting",
       "since":"2026-01-02T03:05:04.000Z","restarts":1,"last_error":null}]}}]}],
      "nodes":[{"name":"n1","state":"ok"},{"name":"n2","state":"unresponsive",
      "error":"no answer in 2s"}]})");
  CHECK(view_tree(tree, wide())
        == "n1: node  one_for_one, at most 10 restarts in 1m00s\n"
           "├─ journal  running 1m00s\n"
           "└─ pool  running 1m00s, 2 restarts  one_for_all\n"
           "   last error: the disk is full\n"
           "   └─ w  waiting 1.0s, 1 restart\n"
           "n2: unresponsive, no answer in 2s\n");
  auto ascii = wide();
  ascii.on.unicode = false;
  CHECK(view_tree(tree, ascii).find("`- pool") != std::string::npos);
}

TEST_CASE("answers of another form than expected are shown as far as they go") {
  auto pieces = {
    "null",
    "[]",
    "{}",
    "17",
    "\"x\"",
    R"([1,"x",null,{"a":[]}])",
    R"({"nodes":7,"actors":"x","workers":{"a":1},"queues":[7],"jobs":[[]],)"
    R"("leases":null,"supervisors":[{"children":"x"},{"children":{"a":1}}]})",
    R"({"nodes":[{"addresses":7,"load":"x","roles":{"a":1}}],"depth":[1],)"
    R"("supervisors":[{"children":[7,{"supervisor":9,"since":"soon"}]}],)"
    R"("settings":7,"attempts":{"a":1},"oldest_wait":-1,"state":{"x":[[]]}})"};
  for (auto text : pieces)
    for (auto name :
         {"nodes", "tree", "actors", "top", "actor", "state", "workers",
          "worker", "queues", "queue", "jobs", "job", "leases", "set"}) {
      auto view = view_of(name);
      REQUIRE(view != nullptr);
      INFO(name << ' ' << text);
      CHECK_NOTHROW(view(read(text), wide()));
      if (shell_json answer = read(text); answer.is_object()) {
        actor_window window;
        CHECK_NOTHROW(window.add(answer, at(0)));
        CHECK_NOTHROW(view_top(window.rows("busy", 5), wide()));
      }
    }
  for (auto text : pieces) {
    CHECK_NOTHROW(view_event(read(text), wide()));
    CHECK_NOTHROW(view_log_line(read(text), wide()));
  }
}

TEST_CASE("nothing in an answer reaches the terminal as a control character") {
  std::string hostile = R"("\u001b]0;owned\u0007\u009b2J\u202e")";
  std::string all = R"({"nodes":[{"name":X,"state":X,"error":X,"http":X}],
    "actors":[{"name":X,"last_error":X}],"jobs":[{"id":X,"error":X}],"next":X,
    "workers":[{"name":X,"queues":[X]}],"queues":[{"name":X}],"name":X,"id":X,
    "leases":[{"token":X}],"supervisors":[{"path":X,"children":[{"id":X,
    "last_error":X}]}],"state":{X:X},"depth":{X:X},"settings":{"retention":X},
    "error":X,"attempts":[{"error":X}]})";
  for (auto spot = all.find('X'); spot != all.npos; spot = all.find('X'))
    all.replace(spot, 1, hostile);
  for (auto name :
       {"nodes", "tree", "actors", "actor", "state", "workers", "worker",
        "queues", "queue", "jobs", "job", "leases", "set"}) {
    auto out = view_of(name)(read(all), wide());
    INFO(name);
    CHECK(out.find("owned") != std::string::npos);
    for (auto bad : {"\x1b", "\x07", "\xc2\x9b", "\xe2\x80\xae"})
      CHECK(out.find(bad) == std::string::npos);
  }
}

TEST_CASE("top shows what actors did between two looks") {
  auto look = [](int busy, int in, int id, std::string_view start) {
    return read(
      R"({"actors":[{"name":"a","node":"n","id":)" + std::to_string(id)
      + R"(,"state":"running","busy_ms":)" + std::to_string(busy)
      + R"(,"messages_in":)" + std::to_string(in)
      + R"(,"messages_out":0,"mailbox":3,"started_at":")" + std::string{start}
      + R"("},{"name":"b","node":"n","id":2,"busy_ms":1,"mailbox":9}],
          "nodes":[{"name":"m","state":"lost"}]})");
  };
  auto first = [](const shell_json& rows) { return rows["actors"][0]; };
  actor_window window;
  CHECK(window.rows("busy", 10).empty());
  // At first everything since its start.
  window.add(look(5'000, 100, 1, "2026-01-02T03:04:05.000Z"), at(10));
  CHECK(first(window.rows("busy", 10))["busy_percent"] == 50);
  CHECK(first(window.rows("busy", 10))["in_rate"] == 10);
  window.add(look(5'100, 300, 1, "2026-01-02T03:04:05.000Z"), at(12));
  CHECK(first(window.rows("busy", 10))["busy_percent"] == 5);
  CHECK(first(window.rows("messages", 10))["in_rate"] == 100);
  CHECK(first(window.rows("mailbox", 10))["name"] == "b");
  CHECK(window.rows("name", 1)["actors"].size() == 1);
  auto out = view_top(window.rows("busy", 10), {{}, at(12)});
  INFO(out);
  CHECK(out.find("a      n     running     5.0        3       -   100")
        != std::string::npos);
  CHECK(out.find("m: lost\n") != std::string::npos);
  // Started again, it counts anew.
  window.add(look(10, 4, 7, "2026-01-02T03:04:17.000Z"), at(14));
  CHECK(first(window.rows("messages", 10))["in_rate"] == 2);
}

TEST_CASE("metrics are taken apart, with blanks and braces in their labels") {
  auto found = parse_metrics("# HELP a b\n"
                             "a_total 5\n"
                             "a_jobs{queue=\"x} y\",state=\"ready\"} 7.5\n"
                             "broken\n"
                             "b 1\n",
                             "a_", 10);
  CHECK(found
        == shell_json::parse(
          R"([{"name":"a_total","labels":"","value":"5"},
              {"name":"a_jobs","labels":"queue=\"x} y\",state=\"ready\"",
               "value":"7.5"}])"));
  CHECK(parse_metrics("a 1\na 2\na 3\n", "", 2).size() == 2);
}
