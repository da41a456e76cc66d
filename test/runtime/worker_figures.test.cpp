#include "runtime/worker_figures.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>

using namespace muster;

namespace {

process_figures some(std::string incarnation, std::uint64_t n) {
  process_figures result;
  result.incarnation = std::move(incarnation);
  auto& all = result.counters;
  all.stuck_total = n;
  all.stuck = 1;
  all.outbox_bytes = 7;
  all.outcomes_acknowledged = 10 * n;
  handler_counters handler;
  handler.handler = "echo";
  handler.started = n;
  handler.released = 2;
  handler.run_us.sum = 100 * n;
  handler.run_us.buckets[3] = n;
  all.handlers.push_back(handler);
  return result;
}

} // namespace

TEST_CASE("figures are read as they were kept") {
  temp_dir dir;
  auto file = dir.path() / "figures.json";
  CHECK(read_figures(file).error().code == errc::io_error);
  REQUIRE(keep_figures(some("a", 1), file));
  REQUIRE(keep_figures(some("b", 5), file));
  auto got = read_figures(file);
  REQUIRE(got);
  CHECK(got->incarnation == "b");
  CHECK(got->counters.stuck_total == 5);
  CHECK(got->counters.stuck == 1);
  CHECK(got->counters.outbox_bytes == 7);
  CHECK(got->counters.outcomes_acknowledged == 50);
  REQUIRE(got->counters.handlers.size() == 1);
  auto& handler = got->counters.handlers[0];
  CHECK(handler.handler == "echo");
  CHECK(handler.started == 5);
  CHECK(handler.released == 2);
  CHECK(handler.run_us.sum == 500);
  CHECK(handler.run_us.buckets[3] == 5);
}

TEST_CASE("what is no file of figures is not read as one") {
  temp_dir dir;
  auto file = dir.path() / "figures.json";
  for (auto text : {"", "{", "[]", "{}", "{\"incarnation\":1}"}) {
    std::ofstream{file} << text;
    CHECK(read_figures(file).error().code == errc::malformed);
  }
}

TEST_CASE("sums over processes do not go back when one starts anew") {
  figure_sums sums;
  CHECK(sums.total().handlers.empty());
  sums.update("w.1", some("a", 3));
  sums.update("w.2", some("x", 4));
  sums.update("w.1", some("a", 5));
  auto total = sums.total();
  REQUIRE(total.handlers.size() == 1);
  CHECK(total.handlers[0].started == 9);
  CHECK(total.handlers[0].run_us.buckets[3] == 9);
  CHECK(total.outcomes_acknowledged == 90);
  CHECK(total.stuck == 2);
  sums.update("w.1", some("b", 1));
  total = sums.total();
  CHECK(total.handlers[0].started == 10);
  CHECK(total.handlers[0].run_us.sum == 1'000);
  CHECK(total.stuck_total == 10);
  // What was stuck ended with its process.
  CHECK(total.stuck == 2);
  CHECK(total.outbox_bytes == 14);
}
