#include "persistence/typed_payload.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

using namespace muster;

namespace {

struct address {
  std::string city;
  std::uint16_t zip = 0;
  MSGPACK_DEFINE_MAP(city, zip)
};

struct order {
  std::string item;
  int count = 0;
  double weight = 0;
  bool fragile = false;
  std::vector<address> stops;
  std::map<std::string, int> extras;
  std::optional<std::string> note;
  MSGPACK_DEFINE_MAP(item, count, weight, fragile, stops, extras, note)
};

struct pair {
  int first = 0;
  std::string second;
  std::optional<int> third;
  MSGPACK_DEFINE(first, second, third)
};

struct first_only {
  int first = 0;
  MSGPACK_DEFINE(first)
};

template <class Map>
std::string packed(const Map& value) {
  return to_payload(value).value();
}

/// Why a payload is no `T`.
template <class T>
std::string problem(const std::string& bytes) {
  auto result = from_payload<T>(bytes);
  REQUIRE(!result);
  CHECK(result.error().code == errc::malformed);
  return result.error().message;
}

struct text_zip {
  std::string city;
  std::string zip;
  MSGPACK_DEFINE_MAP(city, zip)
};

struct large_zip {
  std::string city;
  int zip = 0;
  MSGPACK_DEFINE_MAP(city, zip)
};

struct city_only {
  std::string city;
  MSGPACK_DEFINE_MAP(city)
};

} // namespace

TEST_CASE("a struct comes back from its payload as it was") {
  order in{"tea", -3, 1.5, true, {{"Ulm", 8907}}, {{"milk", 2}}, "hot"};
  auto out = from_payload<order>(packed(in));
  REQUIRE(out);
  CHECK(out->item == "tea");
  CHECK(out->count == -3);
  CHECK(out->weight == 1.5);
  CHECK(out->fragile);
  CHECK(out->stops.at(0).city == "Ulm");
  CHECK(out->stops.at(0).zip == 8907);
  CHECK(out->extras == in.extras);
  CHECK(out->note == "hot");
  CHECK(from_payload<int>(packed(7)) == 7);
}

TEST_CASE("a field that is missing is named") {
  CHECK(problem<address>(packed(city_only{"Ulm"})) == "field 'zip' is missing");
  CHECK(problem<std::vector<address>>(
          packed(std::vector<city_only>{{"Ulm"}, {"Bonn"}}))
        == "field '1.zip' is missing");
  CHECK(problem<pair>(packed(first_only{1})) == "field '2' is missing");
}

TEST_CASE(
  "an optional field may be missing, and unknown ones are passed over") {
  auto short_pair = from_payload<pair>(packed(std::make_tuple(1, "two")));
  REQUIRE(short_pair);
  CHECK(!short_pair->third);
  auto narrow = from_payload<city_only>(packed(address{"Ulm", 1}));
  REQUIRE(narrow);
  CHECK(narrow->city == "Ulm");
  auto shorter = from_payload<first_only>(packed(pair{3, "x", 4}));
  REQUIRE(shorter);
  CHECK(shorter->first == 3);
}

TEST_CASE("a field of another type is named, with what it is") {
  CHECK(problem<address>(packed(text_zip{"Ulm", "8907"}))
        == "field 'zip' is text, not a whole number");
  CHECK(problem<address>(packed(7))
        == "the payload is a whole number, not a map");
  CHECK(problem<pair>(packed(std::make_tuple(1.5, "two")))
        == "field '1' is a number, not a whole number");
  // It fits in kind but not in size.
  CHECK(problem<address>(packed(large_zip{"Ulm", 70'000})).find("size")
        != std::string::npos);
}

TEST_CASE("bytes that are no msgpack are refused without harm") {
  CHECK(problem<address>("") == "the payload is not msgpack");
  CHECK(problem<address>("\xC1") == "the payload is not msgpack");
  CHECK(problem<int>(packed(1) + packed(2)).find("follow")
        != std::string::npos);
  // Claims four thousand million elements, and has none.
  CHECK(problem<std::vector<int>>("\xDD\xFF\xFF\xFF\xFF")
        == "the payload is not msgpack");
  // Nests deeper than any stack.
  CHECK(problem<address>(std::string(1'000'000, '\x91'))
        == "the payload is not msgpack");
}
