#include "actors/handler.hpp"

#include "actors/sha512_chain.hpp"
#include "handler_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <cstdio>
#include <poll.h>
#include <thread>

using namespace muster;
using muster::test::attempt;
using muster::test::builtin;
using muster::test::eventually;

namespace {

std::string hex(std::string_view bytes) {
  std::string result;
  for (unsigned char c : bytes) {
    char text[3];
    std::snprintf(text, sizeof(text), "%02x", c);
    result += text;
  }
  return result;
}

// msgpack: a map of two, iterations as a 32-bit integer, buffer as a short bin.
std::string sha512_payload(std::uint32_t iterations, std::string_view buffer) {
  std::string result = "\x82\xAAiterations\xCE";
  for (int shift = 24; shift >= 0; shift -= 8)
    result += static_cast<char>(iterations >> shift);
  result += "\xA6"
            "buffer\xC4";
  result += static_cast<char>(buffer.size());
  return result.append(buffer);
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

} // namespace

TEST_CASE("a registry finds handlers by name and refuses bad ones") {
  handler_registry registry;
  auto nothing = [](job_context&) -> expected<std::string> { return ""; };
  CHECK(registry.add("resize", nothing));
  CHECK(registry.find("resize") != nullptr);
  CHECK(registry.find("resiz") == nullptr);
  CHECK(registry.add("resize", nothing).error().code == errc::invalid_argument);
  CHECK(!registry.add("no spaces", nothing));
  CHECK(!registry.add("", nothing));
  CHECK(!registry.add("empty", nullptr));
  CHECK(registry.names() == std::vector<std::string>{"resize"});
}

TEST_CASE("a handler of one's own replaces a built-in one of its name") {
  handler_registry registry;
  auto mine = [](job_context&) -> expected<std::string> { return "mine"; };
  REQUIRE(registry.add("echo", mine));
  add_builtin_handlers(registry);
  CHECK(attempt{"x"}.run(*registry.find("echo")) == "mine");
  CHECK(registry.names()
        == std::vector<std::string>{"echo", "fail", "sha512", "sleep"});
}

TEST_CASE("echo returns its payload") {
  std::string binary{"\0\xFF x", 4};
  CHECK(attempt{binary}.run(builtin("echo")) == binary);
}

TEST_CASE("fail fails as often as its payload says") {
  attempt job{"2"};
  for (std::uint32_t number : {1u, 2u}) {
    job.job.token.attempt = number;
    auto result = job.run(builtin("fail"));
    REQUIRE(!result);
    CHECK(result.error().code == errc::handler_failed);
  }
  job.job.token.attempt = 3;
  CHECK(job.run(builtin("fail")));
}

TEST_CASE("fail without a number always fails, with nonsense for good") {
  CHECK(!attempt{""}.run(builtin("fail")));
  auto text = GENERATE(as<std::string>{}, "x", "-1", "1x", "99999999999");
  CHECK(attempt{text}.run(builtin("fail")).error().code
        == errc::invalid_argument);
}

TEST_CASE("sha512 matches the published digests") {
  CHECK(hex(*attempt{sha512_payload(1, "abc")}.run(builtin("sha512")))
        == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  CHECK(hex(*attempt{sha512_payload(1, "")}.run(builtin("sha512")))
        == "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
           "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
}

TEST_CASE("sha512 hashes each digest in turn") {
  auto once = attempt{sha512_payload(1, "abc")}.run(builtin("sha512"));
  REQUIRE(once);
  auto twice = attempt{sha512_payload(1, *once)}.run(builtin("sha512"));
  CHECK(attempt{sha512_payload(2, "abc")}.run(builtin("sha512")) == twice);
  auto many = attempt{sha512_payload(10'000, "abc")}.run(builtin("sha512"));
  auto rest = attempt{sha512_payload(9'999, *once)}.run(builtin("sha512"));
  CHECK(many == rest);
}

TEST_CASE("sha512 refuses payloads that are not as agreed") {
  auto payload
    = GENERATE(as<std::string>{}, "", "nonsense", "\x80", "\x93\x01\x02\x03",
               // Only one of the two keys.
               "\x81\xAAiterations\x01",
               "\x81\xA6"
               "buffer\xA1x",
               // No integer of at least 1; a float; no bytes.
               "\x82\xAAiterations\xFF\xA6"
               "buffer\xA1x",
               "\x82\xAAiterations\xA1x\xA6"
               "buffer\xA1x",
               "\x82\xAAiterations\x01\xA6"
               "buffer\x01",
               // Bytes behind the end, bytes missing.
               "\x82\xAAiterations\x01\xA6"
               "buffer\xA1xy",
               "\x82\xAAiterations\x01\xA6"
               "buffer\xA9x");
  auto result = attempt{payload}.run(builtin("sha512"));
  REQUIRE(!result);
  CHECK(result.error().code == errc::malformed);
}

TEST_CASE("sha512 takes a text buffer and keys in any order") {
  std::string payload = "\x83\xA6"
                        "buffer\xA3"
                        "abc\xA1x\xC0\xAAiterations\x01";
  CHECK(attempt{payload}.run(builtin("sha512"))
        == attempt{sha512_payload(1, "abc")}.run(builtin("sha512")));
}

TEST_CASE("sha512 does not nest deeper than it has to") {
  CHECK(!parse_sha512_work(std::string(100'000, '\x91')));
}

TEST_CASE("sha512 and sleep end when they are asked to") {
  auto [name, payload] = GENERATE(table<std::string, std::string>(
    {{"sha512", sha512_payload(UINT32_MAX, "abc")}, {"sleep", "2h"}}));
  attempt job{payload};
  std::thread canceller{[&job] {
    std::this_thread::sleep_for(millis{20});
    job.control.request_stop(stop_reason::cancelled);
  }};
  auto result = job.run(builtin(name));
  canceller.join();
  REQUIRE(!result);
  CHECK(result.error().code == errc::cancelled);
}

TEST_CASE("sha512 and sleep end when their time is over") {
  auto [name, payload] = GENERATE(table<std::string, std::string>(
    {{"sha512", sha512_payload(UINT32_MAX, "abc")}, {"sleep", "2h"}}));
  auto result = attempt{payload, millis{30}}.run(builtin(name));
  REQUIRE(!result);
  CHECK(result.error().code == errc::timed_out);
}

TEST_CASE("sleep reports how long it slept") {
  attempt job{"100ms"};
  CHECK(job.run(builtin("sleep")) == "100ms");
  CHECK(job.control.take_progress() == "100ms of 100ms");
  CHECK(job.control.take_progress() == std::nullopt);
}

TEST_CASE("fail and sleep read their payload without the end of its line") {
  CHECK(attempt{"50ms\n"}.run(builtin("sleep")) == "50ms");
  CHECK(attempt{"0\r\n"}.run(builtin("fail")));
}

TEST_CASE("sleep refuses what is no duration") {
  CHECK(attempt{"soon"}.run(builtin("sleep")).error().code
        == errc::invalid_argument);
}

TEST_CASE("the first reason to stop stays") {
  attempt job{""};
  CHECK(job.control.reason() == stop_reason::none);
  job.control.request_stop(stop_reason::shutting_down);
  job.control.request_stop(stop_reason::cancelled);
  CHECK(job.control.reason() == stop_reason::shutting_down);
}

TEST_CASE("a stop makes the descriptor readable until the next attempt") {
  attempt job{""};
  CHECK(!readable(job.control.stop_descriptor()));
  job.control.request_stop(stop_reason::cancelled);
  CHECK(readable(job.control.stop_descriptor()));
  job.control.begin(attempt_control::clock::now() + std::chrono::hours{1});
  CHECK(!readable(job.control.stop_descriptor()));
  CHECK(job.control.reason() == stop_reason::none);
}

TEST_CASE("a descriptor that is asked for after the stop is readable") {
  attempt job{""};
  job.control.request_stop(stop_reason::cancelled);
  CHECK(readable(job.control.stop_descriptor()));
}

TEST_CASE("progress is made fit for the store") {
  attempt job{""};
  job_context ctx{job.job, job.control};
  ctx.progress("50 \xFF");
  CHECK(job.control.take_progress() == "50 \xEF\xBF\xBD");
  ctx.progress(std::string(10'000, '\xFF'));
  auto text = job.control.take_progress();
  REQUIRE(text);
  CHECK(text->size() <= limits::text);
  CHECK(text->ends_with("\xEF\xBF\xBD"));
}

TEST_CASE("progress of one attempt does not show in the next") {
  attempt job{""};
  job.control.set_progress("half");
  job.control.begin(attempt_control::clock::now() + std::chrono::hours{1});
  CHECK(job.control.take_progress() == std::nullopt);
}
