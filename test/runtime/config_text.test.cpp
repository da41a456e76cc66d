#include "runtime/config_text.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

namespace {

std::string expanded(std::string_view text) {
  auto result = expand_dotted_keys(text);
  return result ? *result : "refused: " + result.error().message;
}

} // namespace

TEST_CASE("a key with dots becomes nested groups on the same lines") {
  CHECK(expanded("a.b.c = [\"x\",\n \"y\"] # z\nd = 1\n")
        == "a { b { c = [\"x\",\n \"y\"] } } # z\nd = 1\n");
  CHECK(expanded("a.b { c.d = 1, e = 2 }") == "a { b { c { d = 1 }, e = 2 } }");
}

TEST_CASE("dots elsewhere than in keys stay as they are") {
  for (auto* text : {"a = \"b.c = {\"\n", "# a.b = {\n", "a = 1.5\n",
                     "a = [\"b.c\", \"]\"]\n", "a = <http://b.c/#d>\n", ""})
    CHECK(expanded(text) == text);
}

TEST_CASE("what is opened and not closed is refused with its line") {
  CHECK(expanded("a = 1\nb {\n") == "refused: line 2: '{' is not closed");
  CHECK(expanded("a = [1") == "refused: line 1: '[' is not closed");
  CHECK(expanded("a = \"b\n") == "refused: line 1: '\"' is not closed");
}
