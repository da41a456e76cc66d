#include "runtime/http_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <string>

using namespace muster;
using namespace std::string_literals;
using namespace std::chrono_literals;

TEST_CASE("percent escapes are decoded and broken ones refused") {
  CHECK(percent_decode("plain") == "plain");
  CHECK(percent_decode("") == "");
  CHECK(percent_decode("a%20b%2Fc%2fd") == "a b/c/d");
  CHECK(percent_decode("%00") == "\0"s);
  CHECK(percent_decode("%E2%82%AC") == "\xE2\x82\xAC");
  CHECK(percent_decode("a+b") == "a+b");
  for (auto text : {"%", "%4", "a%", "%zz", "%4g", "%%41"})
    CHECK(!percent_decode(text));
}

TEST_CASE("a query is taken apart") {
  auto query = query_parameters::parse("a=1&b=x%26y&c&&d=");
  REQUIRE(query);
  CHECK(query->find("a") == "1");
  CHECK(query->find("b") == "x&y");
  CHECK(query->find("c") == "");
  CHECK(query->find("d") == "");
  CHECK(!query->find("e"));
  CHECK(query_parameters::parse("")->allow_only({}));
}

TEST_CASE("a query's mistakes are named") {
  auto twice = query_parameters::parse("a=1&b=2&%61=3");
  REQUIRE(!twice);
  CHECK(twice.error().code == errc::invalid_argument);
  CHECK(twice.error().message == "the query parameter 'a' is given twice");
  CHECK(!query_parameters::parse("a=%4"));
  CHECK(!query_parameters::parse("%=1"));
  auto query = query_parameters::parse("wiat=1");
  REQUIRE(query);
  CHECK(query->allow_only({"wait"}).error().message
        == "unknown query parameter 'wiat'");
}

TEST_CASE("a query has a bounded number of parameters") {
  std::string text;
  for (std::size_t i = 0; i < query_parameters::max_count; ++i)
    text += "&p" + std::to_string(i) + "=1";
  CHECK(query_parameters::parse(text));
  CHECK(!query_parameters::parse(text + "&one_more=1"));
}

TEST_CASE("numbers in a query are whole and within bounds") {
  auto number = [](std::string text) {
    auto query = query_parameters::parse("n=" + text);
    REQUIRE(query);
    return query->number("n", 7, 1, 100);
  };
  CHECK(number("1") == 1u);
  CHECK(number("100") == 100u);
  CHECK(query_parameters{}.number("n", 7, 1, 100) == 7u);
  for (auto text : {"", "0", "101", "-1", "+1", "1.5", "1e2", "0x10", " 1",
                    "1 ", "99999999999999999999999"}) {
    INFO(text);
    auto value = number(text);
    REQUIRE(!value);
    CHECK(value.error().message == "n must be a whole number from 1 to 100");
  }
}

TEST_CASE("durations in a query need a unit") {
  auto query = query_parameters::parse("a=250ms&b=5m&c=10&d=0");
  REQUIRE(query);
  CHECK(query->duration("a", 1s) == 250ms);
  CHECK(query->duration("b", 1s) == 5min);
  CHECK(query->duration("d", 1s) == 0ms);
  CHECK(query->duration("x", 1s) == 1s);
  auto broken = query->duration("c", 1s);
  REQUIRE(!broken);
  CHECK(broken.error().message.starts_with("c: "));
}

TEST_CASE("any bytes become a JSON string") {
  auto quoted = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  CHECK(quoted("") == R"("")");
  CHECK(quoted("a\"b\\c/d") == R"("a\"b\\c/d")");
  CHECK(quoted("\n\r\t\x01\x1f\x7f") == R"("\n\r\t\u0001\u001f\u007f")");
  CHECK(quoted("\0"s) == R"("\u0000")");
  CHECK(quoted("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8D\x89")
        == "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8D\x89\"");
}

TEST_CASE("bytes that are not UTF-8 are replaced in a JSON string") {
  const std::string mark = "\xEF\xBF\xBD";
  auto replaced = [&mark](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    std::size_t count = 0;
    for (auto pos = out.find(mark); pos != std::string::npos;
         pos = out.find(mark, pos + mark.size()))
      ++count;
    return count;
  };
  CHECK(replaced("\xFF") == 1);
  CHECK(replaced("\x80") == 1);
  // Overlong, a surrogate, beyond U+10FFFF, cut short.
  CHECK(replaced("\xC0\xAF") == 2);
  CHECK(replaced("\xE0\x80\xAF") == 3);
  CHECK(replaced("\xED\xA0\x80") == 3);
  CHECK(replaced("\xF4\x90\x80\x80") == 4);
  CHECK(replaced("\xE2\x82") == 2);
  CHECK(replaced("\xE2\x82") == 2);
  CHECK(replaced("\xF0\x9F\x8D") == 3);
  CHECK(replaced("a\xE2z") == 1);
}

TEST_CASE("times are written in UTC with milliseconds") {
  CHECK(format_time(timestamp{}) == "1970-01-01T00:00:00.000Z");
  CHECK(format_time(timestamp{1'700'000'000'042ms})
        == "2023-11-14T22:13:20.042Z");
  CHECK(format_time(timestamp{951'782'400'999ms})
        == "2000-02-29T00:00:00.999Z");
  CHECK(format_http_date(timestamp{784'111'777'000ms})
        == "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_CASE("base64 is written and read back") {
  const std::array<std::pair<std::string, std::string>, 7> examples{{
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
  }};
  for (auto& [plain, encoded] : examples) {
    CHECK(base64_encode(plain) == encoded);
    CHECK(base64_decode(encoded) == plain);
  }
  std::string all;
  for (int i = 0; i < 256; ++i)
    all.push_back(static_cast<char>(i));
  CHECK(base64_decode(base64_encode(all)) == all);
}

TEST_CASE("what is not base64 is refused") {
  for (auto text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zm9v=",
                    "Zm=v", "Zg==Zg==", "Zm9-", "Zm9_", "Zm 9", "Zm9v\n"}) {
    INFO(text);
    CHECK(!base64_decode(text));
  }
}

TEST_CASE("hex is lower-case") {
  CHECK(hex_encode("") == "");
  CHECK(hex_encode("\x00\x01\xAB\xFF"s) == "0001abff");
}

TEST_CASE("whole numbers have no sign and no decoration") {
  CHECK(parse_unsigned("0") == 0u);
  CHECK(parse_unsigned("18446744073709551615") == UINT64_MAX);
  for (auto text : {"", "-1", "+1", " 1", "1 ", "1.0", "18446744073709551616"})
    CHECK(!parse_unsigned(text));
}
