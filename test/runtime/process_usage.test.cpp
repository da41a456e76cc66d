#include "runtime/process_usage.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace muster;

namespace {

// Linux gives no process this number.
constexpr pid_t nobody = 1 << 22;

} // namespace

TEST_CASE("work shows in a process's CPU time, and counts once for each "
          "process") {
  auto self = ::getpid();
  auto before = cpu_time(self);
  REQUIRE(before);
  while (cpu_time(self) == before)
    ;
  CHECK(*cpu_time(self) > *before);
  CHECK(*cpu_time(std::vector{self, self}) >= 2 * *before);
  CHECK(*cpu_time(std::vector{self, nobody}) >= *before);
  CHECK(!cpu_time(nobody));
  CHECK(!cpu_time(std::vector{nobody}));
}

TEST_CASE("a thread that waits is counted when it wakes") {
  auto before = wake_ups({::getpid()});
  REQUIRE(before);
  for (int i = 0; i < 10; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  CHECK(*wake_ups({::getpid()}) >= *before + 10);
  CHECK(!wake_ups({nobody}));
}

TEST_CASE("memory of a process is known, of none it is not") {
  auto usage = memory_of(::getpid());
  REQUIRE(usage);
  CHECK(usage->anonymous > 0);
  CHECK(usage->resident >= usage->anonymous);
  CHECK(!memory_of(nobody));
}
