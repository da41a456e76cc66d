#include "fault_history.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

// The checker of the test with faults, fed with histories that are wrong: a
// test that cannot fail proves nothing.

using namespace muster;
using namespace muster::fault;

namespace {

constexpr instant second = std::chrono::seconds{1};

/// Job 1 ran twice on workers, since the first one was killed; job 2 was done
/// outside, by a second worker after the first one's time was over.
history good() {
  history all;
  all.accepted["1"] = {"inside", 10, 1 * second};
  all.accepted["2"] = {"outside", 20, 1 * second};
  all.runs = {{"1", 1, "worker-0", 2 * second, {}},
              {"1", 2, "worker-1", 4 * second, 5 * second}};
  all.faults = {{fault_kind::kill_worker, "worker-0", 3 * second, 6 * second}};
  all.grants
    = {{"2", 1, 2 * second, 3 * second}, {"2", 2, 4 * second, 7 * second}};
  all.settlements
    = {{request_kind::complete, "2", 1, 5 * second, verdict::refused, {}},
       {request_kind::complete, "2", 2, 5 * second, verdict::accepted, {}}};
  all.finals["1"] = {"succeeded", 2, "worker-1", "10 1 2"};
  all.finals["2"] = {"succeeded", 2, "outside-1", "20 2 2"};
  all.listed = {{"1", 1}, {"2", 1}};
  all.aftermath = second;
  return all;
}

/// Whether exactly that is found.
bool finds(const history& all, std::string_view text) {
  auto found = find_violations(all);
  for (auto& each : found)
    UNSCOPED_INFO(each);
  return found.size() == 1 && found.front().find(text) != std::string::npos;
}

} // namespace

TEST_CASE("a history with kills and expired leases is in order") {
  CHECK(find_violations(good()) == std::vector<std::string>{});
  CHECK(find_violations(history{}) == std::vector<std::string>{});
}

TEST_CASE("a history with a lost job is told") {
  auto all = good();
  all.finals.erase("2");
  all.settlements.clear();
  CHECK(finds(all, "job 2 was acknowledged and is lost"));
  all = good();
  all.finals["2"].state = "ready";
  CHECK(finds(all, "job 2 was acknowledged and is ready"));
  all = good();
  all.listed.erase("1");
  CHECK(finds(all, "job 1 is not in the list"));
}

TEST_CASE("a history with a job that is recorded twice is told") {
  auto all = good();
  all.listed["1"] = 2;
  CHECK(finds(all, "job 1 was recorded 2 times"));
}

TEST_CASE("a history with a job that nobody was promised is told") {
  auto all = good();
  all.listed["3"] = 1;
  CHECK(finds(all, "job 3 is completed and was never acknowledged"));
  all = good();
  all.runs.push_back({"3", 1, "worker-0", 2 * second, 3 * second});
  CHECK(finds(all, "job 3 ran and was never acknowledged"));
}

TEST_CASE("a history with the result of another attempt or job is told") {
  auto all = good();
  all.finals["1"].result = "10 1 1";
  CHECK(finds(all, "has the result '10 1 1' instead of '10 1 2'"));
  all = good();
  all.finals["1"].result = "20 2 2";
  CHECK(finds(all, "has the result '20 2 2'"));
}

TEST_CASE("a history with an attempt that ran twice is told") {
  auto all = good();
  all.runs.push_back({"1", 2, "worker-2", 5 * second, 6 * second});
  CHECK(finds(all, "attempt 2 of job 1 ran on worker-1 and on worker-2"));
}

TEST_CASE("a history with a run after the recorded one is told") {
  auto all = good();
  all.runs.push_back({"1", 3, "worker-2", 6 * second, 7 * second});
  CHECK(finds(all, "attempt 3 of job 1 ran after attempt 2 was recorded"));
}

TEST_CASE("a history with a result that nobody computed is told") {
  auto all = good();
  all.runs.back().end.reset();
  CHECK(finds(all, "did not run on worker-1 to its end"));
  all = good();
  all.finals["1"].worker = "worker-0";
  CHECK(finds(all, "did not run on worker-0 to its end"));
}

TEST_CASE("a history with two attempts at once is told unless the first one's "
          "worker could not be reached") {
  auto all = good();
  all.runs.front().end = 5 * second;
  CHECK(find_violations(all).empty());
  CHECK(count(all).overlaps == 1);
  auto reached = "began while attempt 1 ran on worker-0";
  auto otherwise = all;
  otherwise.faults.clear();
  CHECK(finds(otherwise, reached));
  otherwise = all;
  otherwise.faults.front().node = "worker-1";
  CHECK(finds(otherwise, reached));
  otherwise = all;
  otherwise.faults.front().begin = otherwise.faults.front().end = second / 2;
  CHECK(finds(otherwise, reached));
  // A manager that was killed must find its workers' leases again.
  otherwise = all;
  otherwise.faults.front()
    = {fault_kind::kill_manager, "", 3 * second, 3 * second};
  CHECK(finds(otherwise, reached));
  otherwise.stalls = {{2 * second, 4 * second}};
  CHECK(find_violations(otherwise).empty());
  // An attempt that begins behind its successor is beside it, too.
  otherwise = all;
  otherwise.faults.clear();
  otherwise.runs.front().start = otherwise.runs.front().end.emplace(9 * second);
  CHECK(finds(otherwise, reached));
}

TEST_CASE("a history with a lease that two held is told") {
  auto all = good();
  all.grants[1].received = 2 * second + second / 2;
  auto held = "the lease 2-2 was given out while 2-1 was good";
  CHECK(finds(all, held));
  // Unless the first one gave it back.
  all.settlements.push_back(
    {request_kind::release, "2", 1, 2 * second, verdict::accepted, {}});
  CHECK(find_violations(all).empty());
  // An extension that was promised holds.
  all = good();
  all.settlements.push_back(
    {request_kind::extend, "2", 1, 2 * second, verdict::accepted, 5 * second});
  CHECK(finds(all, held));
  all = good();
  all.grants.push_back(all.grants.back());
  CHECK(finds(all, "the lease 2-2 was given out twice"));
}

TEST_CASE("a history with an outcome that was not fenced off is told") {
  auto all = good();
  all.settlements[0].answer = verdict::accepted;
  CHECK(finds(all, "the result of 2-1 was accepted, recorded is that of "
                   "attempt 2"));
  all = good();
  all.settlements[1].answer = verdict::refused;
  CHECK(finds(all, "the result of 2-2 was refused and is recorded"));
  all = good();
  all.settlements.push_back(
    {request_kind::extend, "2", 1, 5 * second, verdict::accepted, {}});
  CHECK(finds(all, "the lease 2-1 was extended when a later one was out"));
}

TEST_CASE("the log of runs is read, and what is no line of it is told") {
  auto runs = parse_runs("start 1 1 worker-0 100 7\n"
                         "start 2 1 worker-0 150 8\n"
                         "end 1 1 worker-0 200 7\n");
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].job == "1");
  CHECK(runs[0].attempt == 1);
  CHECK(runs[0].node == "worker-0");
  CHECK(runs[0].start == instant{100});
  CHECK(runs[0].end == instant{200});
  CHECK(!runs[1].end);
  for (auto* wrong : {"start 1\n", "begin 1 1 w 1 1\n", "end 1 1 w 1 1\n",
                      "start 1 1 w 1 1"}) {
    history all;
    all.runs = parse_runs(wrong);
    CHECK(finds(all, "a line that cannot be read"));
  }
}

TEST_CASE("recovery is the time from a fault to the next attempt") {
  auto all = good();
  all.faults.push_back({fault_kind::kill_manager, "", 7 * second, 8 * second});
  all.accepted["2"].accepted = 10 * second;
  auto figures = count(all);
  CHECK(figures.runs == 2);
  CHECK(figures.run_again == 1);
  CHECK(figures.overlaps == 0);
  CHECK(figures.fenced == 1);
  CHECK(figures.recovery[fault_kind::kill_worker] == std::vector{second});
  CHECK(figures.recovery[fault_kind::kill_manager] == std::vector{2 * second});
}
