#include "actors/utf8.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace muster;

TEST_CASE("text that is UTF-8 stays as it is") {
  auto text
    = GENERATE(as<std::string>{}, "", "abc\n\t", "\xC3\xBC", "\xE2\x82\xAC",
               "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF");
  CHECK(clean_utf8(text) == text);
}

TEST_CASE("what is not UTF-8 is replaced byte by byte") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(clean_utf8("a\xFFz") == "a" + mark + "z");
  CHECK(clean_utf8("\x80") == mark);
  // Cut short, overlong, a surrogate, beyond the last code point.
  CHECK(clean_utf8("\xE2\x82") == mark + mark);
  CHECK(clean_utf8("\xC0\xAF") == mark + mark);
  CHECK(clean_utf8("\xED\xA0\x80") == mark + mark + mark);
  CHECK(clean_utf8("\xF4\x90\x80\x80") == mark + mark + mark + mark);
  CHECK(clean_utf8("\xC3(") == mark + "(");
}

TEST_CASE("head and tail cut between characters") {
  const std::string text = "a\xE2\x82\xAC"
                           "b";
  CHECK(utf8_head(text, 5) == text);
  CHECK(utf8_head(text, 4) == "a\xE2\x82\xAC");
  CHECK(utf8_head(text, 3) == "a");
  CHECK(utf8_head(text, 0).empty());
  CHECK(utf8_tail(text, 5) == text);
  CHECK(utf8_tail(text, 3) == "b");
  CHECK(utf8_tail(text, 4)
        == "\xE2\x82\xAC"
           "b");
}
