#include "runtime/job_sender.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

std::vector<millis> all_of(retry_pauses pauses, millis asked) {
  std::vector<millis> result;
  while (auto pause = pauses.next(asked))
    result.push_back(*pause);
  return result;
}

using list = std::vector<millis>;

} // namespace

TEST_CASE("pauses between tries double, up to a bound") {
  CHECK(all_of({5, 100ms}, 0ms) == list{100ms, 200ms, 400ms, 800ms});
  CHECK(all_of({4, 7s}, 0ms) == list{7s, 10s, 8s});
  CHECK(all_of({1, 100ms}, 0ms).empty());
}

TEST_CASE("a node may ask for longer pauses, and not for more in all") {
  CHECK(all_of({9, 100ms}, 5s) == list{5s, 5s, 5s, 5s, 5s});
  CHECK(all_of({9, 100ms}, 1h) == list{25s});
  CHECK(all_of({9, 6s}, 5s) == list{6s, 10s, 9s});
}
