#include "actors/worker_ends.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr lease_token ran{job_id{1}, 1};
constexpr lease_token waited{job_id{2}, 1};
constexpr lease_token done{job_id{3}, 4};
constexpr lease_token other{job_id{9}, 1};
const std::vector leases{done, ran, waited};

const worker_ends::time_point start{};

worker_end crash() {
  return {"worker died: signal 11", {other, ran}, {done}, true};
}

void check_verdict(const std::optional<worker_ends::verdict>& got) {
  REQUIRE(got);
  CHECK(got->reason == "worker died: signal 11");
  CHECK(got->failed == std::vector{ran});
  CHECK(got->not_begun == std::vector{waited});
  CHECK(got->kept == std::vector{done});
}

} // namespace

TEST_CASE("only what ran when a worker died has failed") {
  worker_ends ends;
  SECTION("the connection is gone first") {
    CHECK(!ends.on_gone("w", "1", leases, start));
    check_verdict(ends.on_told("w", "1", crash(), start + 999ms));
  }
  SECTION("the parent is first") {
    CHECK(!ends.on_told("w", "1", crash(), start));
    check_verdict(ends.on_gone("w", "1", leases, start + 999ms));
  }
  CHECK(ends.take_overdue(start + 10s).empty());
}

TEST_CASE("news of another worker or another incarnation is not mixed up") {
  worker_ends ends;
  CHECK(!ends.on_gone("w", "1", leases, start));
  CHECK(!ends.on_told("w", "2", crash(), start));
  CHECK(!ends.on_told("v", "1", crash(), start));
  CHECK(ends.on_told("w", "1", crash(), start));
}

TEST_CASE("a worker of whose end nobody tells has failed with all it held") {
  worker_ends ends;
  CHECK(!ends.on_gone("w", "1", leases, start));
  CHECK(ends.take_overdue(start + worker_ends::patience - 1ms).empty());
  auto late = ends.take_overdue(start + worker_ends::patience);
  REQUIRE(late.size() == 1);
  CHECK(late[0].failed == leases);
  CHECK(late[0].reason.empty());
  CHECK(ends.take_overdue(start + 10s).empty());
}

TEST_CASE("what was told of a worker that held nothing is forgotten") {
  worker_ends ends;
  CHECK(!ends.on_told("w", "1", crash(), start));
  CHECK(ends.take_overdue(start + 10s).empty());
  // Not from then.
  CHECK(!ends.on_gone("w", "1", leases, start + 10s));
}

TEST_CASE("where it is not known what ran, all has failed but what is kept") {
  worker_ends ends;
  auto end = crash();
  end.complete = false;
  end.running.clear();
  CHECK(!ends.on_gone("w", "1", leases, start));
  auto got = ends.on_told("w", "1", end, start);
  REQUIRE(got);
  CHECK(got->failed == std::vector{ran, waited});
  CHECK(got->kept == std::vector{done});
}
