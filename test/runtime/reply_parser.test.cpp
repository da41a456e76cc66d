#include "runtime/reply_parser.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

namespace {

using framing = reply_head::framing;

reply_head head_of(std::string_view bytes) {
  auto head = parse_reply_head(bytes);
  REQUIRE(head);
  REQUIRE(*head);
  return **head;
}

} // namespace

TEST_CASE("a reply's head says how long its body is") {
  auto head = head_of("HTTP/1.1 201 Created\r\nServer: x\r\n"
                      "content-LENGTH:  17 \r\n\r\n{\"id\"");
  CHECK(head.status == 201);
  CHECK(head.size == 57);
  CHECK(head.body == framing::sized);
  CHECK(head.length == 17);
  CHECK(head.keep_alive);
}

TEST_CASE("a reply's head says how its body ends") {
  CHECK(head_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body
        == framing::chunked);
  auto open = head_of("HTTP/1.1 200 OK\r\n\r\n");
  CHECK(open.body == framing::until_close);
  CHECK(!open.keep_alive);
  auto none = head_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  CHECK(none.body == framing::sized);
  CHECK(none.length == 0);
}

TEST_CASE("a reply's head says whether the connection stays open") {
  auto sized = std::string{"Content-Length: 0\r\n\r\n"};
  CHECK(head_of("HTTP/1.1 200 OK\r\n" + sized).keep_alive);
  CHECK(
    !head_of("HTTP/1.1 200 OK\r\nConnection: Close\r\n" + sized).keep_alive);
  CHECK(!head_of("HTTP/1.0 200 OK\r\n" + sized).keep_alive);
  CHECK(head_of("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + sized)
          .keep_alive);
}

TEST_CASE("every beginning of a reply's head is an incomplete one") {
  std::string_view whole = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    auto head = parse_reply_head(whole.substr(0, n));
    REQUIRE(head);
    CHECK(!*head);
  }
}

TEST_CASE("what is not a reply's head is refused") {
  for (auto text :
       {"GET / HTTP/1.1\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: "
        "99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"}) {
    INFO(text);
    auto head = parse_reply_head(text);
    REQUIRE(!head);
    CHECK(head.error().code == errc::malformed);
  }
  CHECK(
    !parse_reply_head("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x'), 64));
}

TEST_CASE("headers are read with their blanks removed") {
  auto headers = parse_headers("HTTP/1.1 200 OK\r\nA: 1\r\nB:\t two \r\n\r\n");
  CHECK(headers == http_headers{{"A", "1"}, {"B", "two"}});
  CHECK(parse_headers("HTTP/1.1 200 OK\r\n\r\n").empty());
  CHECK(parse_headers("").empty());
}

TEST_CASE("a chunked body is the same however it is cut") {
  std::string_view whole
    = "5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nTrailer: x\r\n\r\nNEXT";
  for (std::size_t step = 1; step <= whole.size(); ++step) {
    chunk_decoder decoder;
    std::string out;
    std::size_t used = 0;
    for (auto rest = whole; !rest.empty() && !decoder.done();) {
      auto part = rest.substr(0, step);
      auto n = decoder.feed(part, out, 100);
      REQUIRE(n);
      used += *n;
      rest.remove_prefix(part.size());
    }
    CHECK(decoder.done());
    CHECK(out == "hello, world");
    CHECK(whole.substr(used) == "NEXT");
  }
}

TEST_CASE("a broken chunked body is refused") {
  for (auto text : {"x\r\n", "\r\n", "2\r\nabc\r\n", "-1\r\n"}) {
    INFO(text);
    chunk_decoder decoder;
    std::string out;
    CHECK(!decoder.feed(text, out, 100));
  }
  chunk_decoder decoder;
  std::string out;
  CHECK(!decoder.feed(std::string(10'000, '1'), out, 100));
}
