#include "persistence/stall_detector.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("a process that ticks in time, or a little late, has not stalled") {
  stall_detector::time_point now{};
  stall_detector uut{{1s, 5s}, now};
  CHECK(!uut.stalled(now));
  for (int i = 0; i < 10; ++i) {
    uut.on_tick(now, 500ms);
    now += 1'400ms;
    CHECK(!uut.stalled(now));
  }
}

TEST_CASE("a process that stood still knows it before and after the tick") {
  stall_detector::time_point now{};
  stall_detector uut{{1s, 5s}, now};
  uut.on_tick(now, 500ms);
  now += 1'600ms;
  CHECK(uut.stalled(now));
  uut.on_tick(now, 500ms);
  for (int i = 0; i < 10; ++i) {
    CHECK(uut.stalled(now));
    now += 500ms;
    uut.on_tick(now, 500ms);
  }
  CHECK(!uut.stalled(now));
}
