#include "actors/credit_policy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace muster;
using std::chrono::microseconds;

TEST_CASE("a worker that knows nothing takes one lease for each thread") {
  CHECK(credit_target(1, std::nullopt) == 1);
  CHECK(credit_target(8, std::nullopt) == 8);
}

TEST_CASE("short jobs are stocked for 20 ms, long ones are not hoarded") {
  auto [threads, mean_us, target]
    = GENERATE(table<std::uint32_t, std::int64_t, std::uint32_t>({
      {2, 0, 1'024},
      {2, 1, 1'024},
      {2, 10, 1'024},
      {2, 100, 402},
      {2, 1'000, 42},
      {2, 10'000, 6},
      {2, 20'000, 4},
      {2, 40'000, 3},
      {2, 40'001, 2},
      {2, 10'000'000, 2},
      {64, 1'000'000, 65},
      {64, 10'000'000, 64},
      // More threads than the bound: still one lease for each.
      {2'000, 1, 2'000},
    }));
  CAPTURE(threads, mean_us);
  CHECK(credit_target(threads, microseconds{mean_us}) == target);
}

TEST_CASE("credit is granted when threads would idle or when it is worth it") {
  // target, held, granted; with 4 threads.
  auto [target, held, granted]
    = GENERATE(table<std::uint32_t, std::uint32_t, std::uint32_t>({
      {4, 0, 4},
      {4, 3, 1},
      {4, 4, 0},
      {4, 9, 0},
      {1'024, 0, 1'024},
      {1'024, 3, 1'021},
      {1'024, 769, 0},
      {1'024, 768, 256},
      {1'024, 1'024, 0},
      {7, 6, 1},
      {12, 10, 0},
      {0, 0, 0},
    }));
  CAPTURE(target, held);
  CHECK(credit_to_grant(4, target, held) == granted);
}

TEST_CASE("credit is taken back when attempts take longer than before") {
  // target, held, excessive; with 4 threads.
  auto [target, held, excessive]
    = GENERATE(table<std::uint32_t, std::uint32_t, bool>({
      {1'024, 1'024, false},
      {600, 1'024, false},
      {500, 1'024, true},
      {5, 10, false},
      {4, 4, false},
      {4, 5, true},
      {3, 4, true},
    }));
  CAPTURE(target, held);
  CHECK(is_excessive(4, target, held) == excessive);
}

TEST_CASE("the mean follows what was measured") {
  run_time_mean mean;
  CHECK(mean.value(microseconds{500}) == std::nullopt);
  mean.record(microseconds{0}, 0);
  CHECK(mean.value(microseconds{0}) == std::nullopt);
  mean.record(microseconds{1'000}, 10);
  CHECK(mean.value(microseconds{0}) == microseconds{100});
  // A batch of 32 and more replaces what was known.
  mean.record(microseconds{6'400}, 32);
  CHECK(mean.value(microseconds{0}) == microseconds{200});
}

TEST_CASE("one slow job among many ends the hoarding at once") {
  run_time_mean mean;
  mean.record(microseconds{1'000}, 100);
  CHECK(credit_target(2, mean.value(microseconds{0})) == 1'024);
  mean.record(microseconds{10'000'000}, 1);
  CHECK(credit_target(2, mean.value(microseconds{0})) == 2);
}

TEST_CASE("what runs already counts before it has ended") {
  run_time_mean mean;
  mean.record(microseconds{1'000}, 100);
  CHECK(credit_target(2, mean.value(microseconds{10'000'000})) == 2);
}
