#include "actors/address_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;
using namespace std::chrono_literals;

namespace {

const endpoint a{"10.0.0.1", 8421};
const endpoint b{"10.0.0.2", 8421};
const endpoint c{"10.0.0.3", 8421};
const auto start = address_book::time_point{} + 1h;

using places = std::vector<endpoint>;

known_node manager(std::string name, places at) {
  return {std::move(name), {true, false}, std::move(at)};
}

known_node worker(std::string name, places at) {
  return {std::move(name), {false, true}, std::move(at)};
}

address_book worker_book(places given) {
  address_book::options opts;
  opts.self = {false, true};
  opts.given = std::move(given);
  return {opts, start};
}

address_book manager_book(std::vector<known_node> remembered) {
  address_book::options opts;
  opts.self = {true, false};
  opts.remembered = std::move(remembered);
  return {opts, start};
}

} // namespace

TEST_CASE("addresses that were given are tried at once, each one time") {
  auto book = worker_book({a, b});
  CHECK(book.take_due(start) == places{a, b});
  CHECK(book.take_due(start + 1h).empty());
}

TEST_CASE("an address that fails is left alone, longer each time, up to a "
          "bound") {
  auto book = worker_book({a});
  auto now = start;
  for (auto pause : {100, 200, 400, 800, 1'600, 2'000, 2'000}) {
    CHECK(book.take_due(now) == places{a});
    book.on_failed(a, now, 0);
    CHECK(book.take_due(now + millis{pause - 1}).empty());
    now += millis{pause};
  }
}

TEST_CASE("the pause of an address is shortened by chance") {
  auto book = worker_book({a});
  (void)book.take_due(start);
  book.on_failed(a, start, 1);
  CHECK(book.take_due(start + 69ms).empty());
  CHECK(book.take_due(start + 70ms) == places{a});
}

TEST_CASE("a node that is connected is not looked for until it is lost") {
  auto book = worker_book({a});
  (void)book.take_due(start);
  book.join(manager("m", {a, b}), start);
  book.on_connected(a, "m");
  CHECK(book.is_connected("m"));
  CHECK(!book.next_due());
  CHECK(book.take_due(start + 1h).empty());
  book.part("m", start + 1h, 0);
  CHECK(!book.is_connected("m"));
  CHECK(book.take_due(start + 1h).empty());
  CHECK(book.next_due() == start + 1h + 100ms);
  CHECK(book.take_due(start + 1h + 100ms) == places{a, b});
}

TEST_CASE("a worker looks for managers that it was told of, not for workers") {
  auto book = worker_book({});
  book.learn(manager("m", {a}), start);
  book.learn(worker("w", {b}), start);
  CHECK(book.take_due(start) == places{a});
}

TEST_CASE("a manager looks for everybody that it knew before") {
  auto book = manager_book({worker("v", {a}), worker("w", {b})});
  CHECK(book.take_due(start) == places{a, b});
}

TEST_CASE("a node that moved is looked for at its new address only") {
  auto book = worker_book({});
  book.join(manager("m", {a}), start);
  book.join(manager("m", {b}), start);
  book.part("m", start, 0);
  CHECK(book.take_due(start + 1s) == places{b});
}

TEST_CASE("an address that was given is tried whoever was found there") {
  auto book = worker_book({a});
  (void)book.take_due(start);
  book.join(worker("w", {c}), start);
  book.on_connected(a, "w");
  CHECK(book.take_due(start + 1s).empty());
  book.part("w", start + 1s, 0);
  CHECK(book.take_due(start + 2s) == places{a});
}

TEST_CASE("what a connected node says of itself counts more than gossip") {
  auto book = worker_book({});
  book.join(manager("m", {a}), start);
  book.learn(manager("m", {b}), start);
  book.part("m", start, 0);
  CHECK(book.take_due(start + 1s) == places{a});
}

TEST_CASE("a node's own address is not tried again") {
  auto book = worker_book({a});
  (void)book.take_due(start);
  book.on_self(a);
  CHECK(book.take_due(start + 1h).empty());
}

TEST_CASE("a bounded number of attempts is under way") {
  places many;
  for (std::uint16_t port = 1; port <= 100; ++port)
    many.push_back({"10.0.0.1", port});
  auto book = worker_book(many);
  auto first = book.take_due(start);
  CHECK(first.size() == 16);
  CHECK(book.take_due(start).empty());
  for (auto& at : first)
    book.on_failed(at, start, 0);
  auto second = book.take_due(start);
  CHECK(second.size() == 16);
  CHECK(std::find(second.begin(), second.end(), first[0]) == second.end());
}

TEST_CASE("nodes that were lost for long are forgotten, given addresses not") {
  auto book = worker_book({a});
  book.join(manager("m", {a, b}), start);
  book.part("m", start, 0);
  CHECK(book.nodes().size() == 1);
  CHECK(book.take_due(start + 25h) == places{a});
  CHECK(book.nodes().empty());
}

TEST_CASE("a worker that has left is forgotten until it comes by itself, and a "
          "manager is looked for") {
  auto book = manager_book({});
  auto w = worker("w", {a, c});
  auto m = manager("m", {b});
  for (auto& each : {w, m}) {
    book.join(each, start);
    book.leave(each.name, start, 0);
  }
  CHECK(book.nodes() == std::vector{m});
  // Somebody has not heard of it.
  book.learn(w, start + 1s);
  CHECK(book.nodes() == std::vector{m});
  CHECK(book.take_due(start + 1s) == places{b});
  book.join(w, start + 26h);
  CHECK(book.is_connected("w"));
  book.part("w", start + 26h, 0);
  CHECK(book.take_due(start + 26h + 1s) == places{a, c});
}

TEST_CASE("an address that was given is tried though the worker there left") {
  auto book = worker_book({a});
  (void)book.take_due(start);
  book.join(worker("w", {a, c}), start);
  book.on_connected(a, "w");
  book.leave("w", start, 0);
  CHECK(book.take_due(start + 1s) == places{a});
}

TEST_CASE("nodes that have left make room for others") {
  address_book::options opts;
  opts.self = {true, false};
  opts.max_nodes = 2;
  address_book book{opts, start};
  for (auto* name : {"1", "2"}) {
    book.join(worker(name, {a}), start);
    book.leave(name, start, 0);
  }
  book.learn(worker("3", {b}), start);
  CHECK(book.nodes().size() == 1);
}
