#include "actors/lease_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace muster;

namespace {

lease_token token(std::uint64_t id, std::uint32_t attempt = 1) {
  return {job_id{id}, attempt};
}

std::vector<lease_token> sorted(std::vector<lease_token> tokens) {
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

using tokens = std::vector<lease_token>;

} // namespace

TEST_CASE("a book yields what a worker holds when it is gone") {
  lease_book book;
  book.add(1);
  book.add(2);
  book.grant(1, token(10));
  book.grant(1, token(11));
  book.grant(2, token(12));
  book.settle(1, token(10));
  CHECK(book.holds(1, token(11)));
  CHECK(!book.holds(1, token(10)));
  CHECK(!book.holds(1, token(12)));
  CHECK(book.take(1) == tokens{token(11)});
  CHECK(book.take(1).empty());
  CHECK(book.take(2) == tokens{token(12)});
}

TEST_CASE("a book ignores workers that it does not know") {
  lease_book book;
  book.grant(7, token(1));
  book.settle(7, token(1));
  CHECK(!book.holds(7, token(1)));
  CHECK(book.leases_of(7).empty());
}

TEST_CASE("settling an earlier attempt leaves the current one") {
  lease_book book;
  book.add(1);
  book.grant(1, token(10, 1));
  book.grant(1, token(10, 2));
  book.settle(1, token(10, 1));
  CHECK(book.leases_of(1) == tokens{token(10, 2)});
}

TEST_CASE("a lease that its worker does not name twice in a row is missing") {
  lease_book book;
  book.add(1);
  book.grant(1, token(10));
  book.grant(1, token(11));
  CHECK(book.compare(1, {token(10)}).empty());
  CHECK(book.compare(1, {token(10)}) == tokens{token(11)});
  CHECK(book.compare(1, {token(10)}) == tokens{token(11)});
  book.settle(1, token(11));
  CHECK(book.compare(1, {token(10)}).empty());
  CHECK(book.compare(2, {}).empty());
}

TEST_CASE("a lease that is named in between is not missing") {
  lease_book book;
  book.add(1);
  book.grant(1, token(10, 2));
  CHECK(book.compare(1, {}).empty());
  CHECK(book.compare(1, {token(10, 2)}).empty());
  CHECK(book.compare(1, {}).empty());
  // Another attempt does not count.
  CHECK(book.compare(1, {token(10, 1)}) == tokens{token(10, 2)});
}

TEST_CASE("orphans are those that a worker does not present") {
  lease_book book;
  for (std::uint64_t id : {1, 2, 3, 4})
    book.add_orphan("a", token(id));
  book.add_orphan("b", token(5));
  CHECK(sorted(book.take_orphans("a", {token(4), token(2), token(9)}))
        == tokens{token(1), token(3)});
  CHECK(book.take_orphans("a", {}).empty());
  CHECK(book.take_orphans("c", {}).empty());
  book.drop_orphans();
  CHECK(book.take_orphans("b", {}).empty());
}
