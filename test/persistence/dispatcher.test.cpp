#include "persistence/dispatcher.hpp"

#include <catch2/catch_test_macros.hpp>

#include <map>

using namespace muster;

namespace {

std::map<demand_id, std::uint32_t>
totals(const std::vector<dispatcher::choice>& choices) {
  std::map<demand_id, std::uint32_t> result;
  for (auto& choice : choices)
    result[choice.demand] += choice.max;
  return result;
}

constexpr demand_id a{1};
constexpr demand_id b{2};
constexpr demand_id c{3};

} // namespace

TEST_CASE("a dispatcher gives nothing to anybody without credit") {
  dispatcher d;
  d.open(a, {}, 0, false);
  CHECK_FALSE(d.wanted("q"));
  CHECK(d.choose("q", 10).empty());
}

TEST_CASE("a dispatcher never gives more than credit or than there is") {
  dispatcher d;
  d.open(a, {}, 3, false);
  CHECK(totals(d.choose("q", 10))
        == std::map<demand_id, std::uint32_t>{{a, 3}});
  CHECK(d.choose("q", 10).empty());
  d.add_credit(a, 5);
  CHECK(totals(d.choose("q", 2)) == std::map<demand_id, std::uint32_t>{{a, 2}});
  CHECK(totals(d.choose("q", 9)) == std::map<demand_id, std::uint32_t>{{a, 3}});
}

TEST_CASE("a dispatcher shares jobs evenly among demands") {
  dispatcher d;
  d.open(a, {}, 100, false);
  d.open(b, {}, 100, false);
  d.open(c, {}, 100, false);
  CHECK(totals(d.choose("q", 30))
        == std::map<demand_id, std::uint32_t>{{a, 10}, {b, 10}, {c, 10}});
}

TEST_CASE("what one demand cannot take goes to the others") {
  dispatcher d;
  d.open(a, {}, 2, false);
  d.open(b, {}, 100, false);
  CHECK(totals(d.choose("q", 30))
        == std::map<demand_id, std::uint32_t>{{a, 2}, {b, 28}});
}

TEST_CASE("demands take turns when single jobs come") {
  dispatcher d;
  d.open(a, {}, 10, false);
  d.open(b, {}, 10, false);
  std::map<demand_id, std::uint32_t> got;
  for (int i = 0; i < 8; ++i)
    for (auto& [id, n] : totals(d.choose("q", 1)))
      got[id] += n;
  CHECK(got == std::map<demand_id, std::uint32_t>{{a, 4}, {b, 4}});
}

TEST_CASE("a demand gets jobs only of the queues that it names") {
  dispatcher d;
  d.open(a, {"x", "y"}, 10, false);
  CHECK_FALSE(d.wanted("z"));
  CHECK(d.choose("z", 5).empty());
  CHECK(totals(d.choose("y", 5)) == std::map<demand_id, std::uint32_t>{{a, 5}});
  CHECK(totals(d.choose("x", 9)) == std::map<demand_id, std::uint32_t>{{a, 5}});
  CHECK_FALSE(d.wanted("x"));
  CHECK_FALSE(d.wanted("y"));
  d.add_credit(a, 1);
  CHECK(d.wanted("x"));
  CHECK(d.wanted("y"));
}

TEST_CASE("a demand that waits once is not chosen again until it got nothing") {
  dispatcher d;
  d.open(a, {}, 5, true);
  auto chosen = d.choose("q", 2);
  REQUIRE(chosen.size() == 1);
  CHECK(chosen.front().max == 2);
  CHECK(d.choose("q", 10).empty());
  d.settle(chosen.front(), 0);
  CHECK(totals(d.choose("q", 10))
        == std::map<demand_id, std::uint32_t>{{a, 5}});
}

TEST_CASE("credit that brought no job comes back") {
  dispatcher d;
  d.open(a, {}, 4, false);
  auto chosen = d.choose("q", 4);
  d.settle(chosen.front(), 1);
  CHECK(totals(d.choose("q", 10))
        == std::map<demand_id, std::uint32_t>{{a, 3}});
}

TEST_CASE("a closed demand gets nothing, and settling it does no harm") {
  dispatcher d;
  d.open(a, {"q"}, 4, false);
  auto chosen = d.choose("q", 2);
  d.close(a);
  CHECK_FALSE(d.wanted("q"));
  d.settle(chosen.front(), 0);
  d.add_credit(a, 3);
  CHECK(d.choose("q", 2).empty());
}

TEST_CASE("a thousand demands without credit do not stand in the way") {
  dispatcher d;
  for (std::uint64_t i = 10; i < 1010; ++i)
    d.open(demand_id{i}, {}, 1, false);
  CHECK(d.choose("q", 1000).size() == 1000);
  CHECK_FALSE(d.any_wanted());
  d.add_credit(demand_id{500}, 2);
  CHECK(totals(d.choose("q", 5))
        == std::map<demand_id, std::uint32_t>{{demand_id{500}, 2}});
}
