#include "runtime/http_tokens.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;
using verdict = token_table::verdict;

namespace {

const std::string secret = "correct-horse-battery";
/// Of the secret, by sha256sum.
const std::string hash
  = "62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d";

std::string why(const expected<void>& result) {
  return result ? std::string{} : result.error().message;
}

} // namespace

TEST_CASE("a token gives the scopes that it has and no other") {
  token_table table;
  REQUIRE(table.add("ci", secret, {"enqueue,read"}));
  auto header = "Bearer " + secret;
  CHECK(table.check(header, scope::enqueue) == verdict::granted);
  CHECK(table.check(header, scope::read) == verdict::granted);
  CHECK(table.check(header, scope::work) == verdict::missing_scope);
  CHECK(table.check(header, scope::admin) == verdict::missing_scope);
}

TEST_CASE("of several tokens each has its own scopes") {
  token_table table;
  for (int i = 0; i < 100; ++i)
    REQUIRE(table.add("t" + std::to_string(i), secret + std::to_string(i),
                      {i % 2 == 0 ? "read" : "work"}));
  for (int i = 0; i < 100; ++i) {
    auto header = "Bearer " + secret + std::to_string(i);
    auto even = i % 2 == 0;
    CHECK(table.check(header, scope::read)
          == (even ? verdict::granted : verdict::missing_scope));
    CHECK(table.check(header, scope::work)
          == (even ? verdict::missing_scope : verdict::granted));
  }
}

TEST_CASE("admin does not include the other scopes") {
  token_table table;
  REQUIRE(table.add("boss", secret, {"admin"}));
  for (auto other : {scope::read, scope::enqueue, scope::work})
    CHECK(table.check("Bearer " + secret, other) == verdict::missing_scope);
}

TEST_CASE("a header that is not exactly a token's is unknown") {
  token_table table;
  REQUIRE(table.add("ci", secret, {"read"}));
  for (auto& header : std::vector<std::string>{
         "", "Bearer", "Bearer ", "Bearer  ", secret, "Basic " + secret,
         "Bearer" + secret, "Bearer " + secret + "x",
         "Bearer " + secret.substr(1), "Bearer x" + secret,
         "Bearer " + secret + " " + secret, "Bearer " + secret + '\0',
         "Bearer " + std::string(100'000, 'x'), "Bearer sha256:" + hash}) {
    INFO(header.substr(0, 60));
    CHECK(table.check(header, scope::read) == verdict::unknown);
  }
  // The scheme's case and blanks are HTTP's business.
  for (auto& header :
       {"bearer " + secret, "BEARER   " + secret, "Bearer " + secret + "  "})
    CHECK(table.check(header, scope::read) == verdict::granted);
}

TEST_CASE("a token can be given as its hash") {
  token_table by_hash;
  REQUIRE(by_hash.add("ci", "sha256:" + hash, {"read"}));
  CHECK(by_hash.check("Bearer " + secret, scope::read) == verdict::granted);
  CHECK(by_hash.check("Bearer " + hash, scope::read) == verdict::unknown);
}

TEST_CASE("a token that breaks a rule is refused without quoting it") {
  token_table table;
  REQUIRE(table.add("first", secret, {"read"}));
  auto refused
    = [&table](std::string_view name, const std::string& text,
               const std::vector<std::string>& scopes, std::string_view part) {
        auto told = why(table.add(name, text, scopes));
        INFO(told);
        CHECK(told.find(part) != std::string::npos);
        CHECK(told.find(text) == std::string::npos);
        CHECK(table.size() == 1);
      };
  const std::string other = "another-secret-of-ours";
  refused("short", "fifteen-letters", {"read"}, "16 to 512");
  refused("blank", "with blanks in the text", {"read"}, "16 to 512");
  refused("long", std::string(513, 'x'), {"read"}, "16 to 512");
  refused("hash", "sha256:1234", {"read"}, "64 hexadecimal");
  refused("hash", "sha256:" + std::string(64, 'g'), {"read"}, "64 hex");
  refused("none", other, {}, "needs scopes");
  refused("none", other, {","}, "needs scopes");
  refused("word", other, {"read", "write"}, "scopes are");
  refused("open", other, {"open"}, "scopes are");
  // A secret that stands where a scope should.
  refused("swapped", other, {other}, "scopes are");
  refused("first", other, {"read"}, "two tokens");
  refused("again", secret, {"work"}, "same as first");
  refused("a name", other, {"read"}, "name must");
}

TEST_CASE("tokens are read from lines") {
  token_table table;
  REQUIRE(table.add_lines("# who\tmay what\n\n"
                          "ci correct-horse-battery enqueue,read\r\n"
                          "  box\tsha256:"
                          + std::string(64, 'a') + "  work"));
  CHECK(table.size() == 2);
  CHECK(table.check("Bearer " + secret, scope::enqueue) == verdict::granted);
  auto refused = [](const std::string& text, std::string_view part) {
    token_table other;
    auto told = why(other.add_lines(text));
    INFO(told);
    CHECK(told.find(part) != std::string::npos);
    CHECK(told.find(secret) == std::string::npos);
  };
  refused("a " + secret, "line 1: a token is NAME SECRET SCOPES");
  refused("#\n\na " + secret + " read work", "line 3: a token is");
  refused("a " + secret + " write", "line 1: a: scopes are");
}
