#include "runtime/http_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace muster;

TEST_CASE("percent escapes are decoded, and broken ones refused") {
  CHECK(percent_decode("a%20b%2Fc+d") == "a b/c+d");
  CHECK(percent_decode("%00") == std::string(1, '\0'));
  for (auto text : {"%", "%2", "%zz", "abc%"})
    CHECK_FALSE(percent_decode(text));
}

TEST_CASE("a JSON string holds any bytes as valid UTF-8") {
  auto render = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  CHECK(render("a\"b\\c\n\x01") == R"("a\"b\\c\n\u0001")");
  CHECK(render("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80")
        == "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  // Overlong, surrogate, cut, stray.
  for (auto bad : {"\xC0\x80", "\xED\xA0\x80", "\xE2\x82", "\x80"})
    CHECK(render(bad).find("\xEF\xBF\xBD") != std::string::npos);
}

TEST_CASE("base64 goes there and back") {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  CHECK(base64_encode("Man") == "TWFu");
  CHECK(base64_encode("M") == "TQ==");
  for (auto text : {"A", "AB", "A===", "AB=C", "A B=", "====", "AA==AAAA"})
    CHECK_FALSE(base64_decode(text));
}

TEST_CASE("times are written as RFC 3339 and RFC 9110 want them") {
  timestamp at{millis{1'700'000'000'007}};
  CHECK(format_time(at) == "2023-11-14T22:13:20.007Z");
  CHECK(format_http_date(at) == "Tue, 14 Nov 2023 22:13:20 GMT");
}
