#include "runtime/job_input.hpp"

#include <catch2/catch_test_macros.hpp>
#include <msgpack.hpp>

#include <string>
#include <vector>

using namespace muster;
using namespace std::string_view_literals;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_payload = 1'000;

expected<std::unique_ptr<job_batch>> lines(std::string body) {
  return jobs_from_ndjson(std::move(body), "q", max_payload);
}

expected<std::unique_ptr<job_batch>> packed(const msgpack::sbuffer& body) {
  return jobs_from_msgpack({body.data(), body.size()}, "q", max_payload);
}

/// The sentence that refuses one line.
std::string refusal(const std::string& line) {
  auto batch = lines(line);
  INFO(line);
  REQUIRE(!batch);
  CHECK(batch.error().code == errc::invalid_argument);
  return batch.error().message;
}

struct packer : msgpack::packer<msgpack::sbuffer> {
  explicit packer(msgpack::sbuffer& out)
    : msgpack::packer<msgpack::sbuffer>(out) {
    // nop
  }

  packer& bytes(std::string_view text) {
    pack_bin(static_cast<std::uint32_t>(text.size()));
    pack_bin_body(text.data(), static_cast<std::uint32_t>(text.size()));
    return *this;
  }
};

} // namespace

// -- a query ------------------------------------------------------------------

TEST_CASE("a job's options come from the query, with defaults") {
  auto job = job_from_query(query_parameters{}, "letters");
  REQUIRE(job);
  CHECK(job->handler == "letters");
  CHECK(job->priority == 100);
  CHECK(job->max_attempts == 5);
  CHECK(job->delay == 0ms);
  CHECK(job->timeout == 60s);
  CHECK(job->ttl == 0ms);
  auto query = query_parameters::parse("handler=echo&priority=255&delay=250ms&"
                                       "max_attempts=1&timeout=2h&ttl=1d");
  REQUIRE(query);
  job = job_from_query(*query, "letters");
  REQUIRE(job);
  CHECK(job->handler == "echo");
  CHECK(job->priority == 255);
  CHECK(job->max_attempts == 1);
  CHECK(job->delay == 250ms);
  CHECK(job->timeout == 2h);
  CHECK(job->ttl == 24h);
}

TEST_CASE("a job's options are checked") {
  for (auto text : {"priority=256", "priority=-1", "priority=high",
                    "max_attempts=0", "max_attempts=1000001", "delay=5",
                    "timeout=soon", "ttl=-1s", "delay=", "delay=1000000d"}) {
    INFO(text);
    auto query = query_parameters::parse(text);
    REQUIRE(query);
    auto job = job_from_query(*query, "q");
    REQUIRE(!job);
    CHECK(job.error().code == errc::invalid_argument);
    auto name = std::string{text}.substr(0, std::string{text}.find('='));
    CHECK(job.error().message.starts_with(name));
  }
}

// -- lines of JSON ------------------------------------------------------------

TEST_CASE("a batch of lines becomes one command") {
  auto batch = lines(R"({"payload":"first","priority":7,"handler":"h"})"
                     "\n\n"
                     R"({"payload_base64":"AAEC","delay":"10s","ttl":"1h"})"
                     "\r\n"
                     R"(  {"max_attempts":2,"timeout":"5m","payload":"",)"
                     R"("idempotency_key":"k"}  )");
  REQUIRE(batch);
  auto& command = (*batch)->command;
  CHECK(command.queue == "q");
  REQUIRE(command.jobs.size() == 3);
  CHECK(command.jobs[0].payload == "first");
  CHECK(command.jobs[0].priority == 7);
  CHECK(command.jobs[0].handler == "h");
  CHECK(command.jobs[1].payload == "\x00\x01\x02"s);
  CHECK(command.jobs[1].handler == "q");
  CHECK(command.jobs[1].delay == 10s);
  CHECK(command.jobs[1].ttl == 1h);
  CHECK(command.jobs[2].payload.empty());
  CHECK(command.jobs[2].max_attempts == 2);
  CHECK(command.jobs[2].timeout == 5min);
  CHECK(command.jobs[2].idempotency_key == "k");
}

TEST_CASE("text in lines may have escapes and outlives its line") {
  std::string body;
  for (int i = 0; i < 1'000; ++i)
    body += R"({"payload":"\u00e9\n\"\\ )" + std::to_string(i)
            + R"(","idempotency_key":"k)" + std::to_string(i) + "\"}\n";
  auto batch = lines(body);
  REQUIRE(batch);
  auto& jobs = (*batch)->command.jobs;
  REQUIRE(jobs.size() == 1'000);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    CHECK(jobs[i].payload == "\xC3\xA9\n\"\\ " + std::to_string(i));
    CHECK(jobs[i].idempotency_key == "k" + std::to_string(i));
  }
}

TEST_CASE("a broken line is named") {
  auto batch = lines("{\"payload\":\"a\"}\n\n{\"payload\":}\n");
  REQUIRE(!batch);
  CHECK(batch.error().message.starts_with("line 3: "));
  for (auto line :
       {"{", "}", "[]", "1", "\"text\"", "null", "{\"payload\":\"a\"",
        "{\"payload\":\"a}", "{payload:\"a\"}", "{\"payload\" \"a\"}",
        "{\"payload\":\"a\"}}", "{\"payload\":\"a\"} {\"payload\":\"b\"}",
        "{\"payload\":\"a\"} x", "{\"payload\":\"a\",}", "{,}",
        "{\"payload\":\"\xFF\"}", "{\"payload\":\"\\q\"}",
        "{\"payload\":\"\\ud800\"}", "\xEF\xBB\xBF"}) {
    INFO(line);
    CHECK(refusal(line).starts_with("line 1: "));
  }
}

TEST_CASE("a line's members are checked") {
  CHECK(refusal("{}") == "line 1: payload or payload_base64 is missing");
  CHECK(refusal(R"({"payload":"a","payload_base64":"AA=="})")
        == "line 1: give payload or payload_base64, once");
  CHECK(refusal(R"({"payload":"a","payload":"b"})")
        == "line 1: give payload or payload_base64, once");
  CHECK(refusal(R"({"payload":1})") == "line 1: payload must be a string");
  CHECK(refusal(R"({"payload_base64":"A"})")
        == "line 1: payload_base64 is not base64");
  CHECK(refusal(R"({"payload":"a","prio":1})")
        == "line 1: unknown member 'prio'");
  CHECK(refusal(R"({"payload":"a","priority":256})")
        == "line 1: priority must be a whole number from 0 to 255");
  CHECK(refusal(R"({"payload":"a","priority":"1"})")
        == "line 1: priority must be a whole number");
  CHECK(refusal(R"({"payload":"a","priority":-1})")
        == "line 1: priority must be a whole number");
  CHECK(refusal(R"({"payload":"a","priority":1.5})")
        == "line 1: priority must be a whole number");
  CHECK(refusal(R"({"payload":"a","max_attempts":0})")
          .starts_with("line 1: max_attempts"));
  CHECK(refusal(R"({"payload":"a","delay":10})")
        == "line 1: delay must be a string");
  CHECK(
    refusal(R"({"payload":"a","delay":"10"})").starts_with("line 1: delay: "));
  CHECK(refusal(R"({"payload":"a","handler":"no spaces"})")
          .starts_with("line 1: handler must be "));
  CHECK(refusal(R"({"payload":"a","idempotency_key":")" + std::string(256, 'k')
                + "\"}")
          .starts_with("line 1: idempotency_key must be "));
}

TEST_CASE("a payload in a batch has the limit of one that comes alone") {
  auto line = [](std::size_t size) {
    return R"({"payload":")" + std::string(size, 'x') + "\"}\n";
  };
  CHECK(lines(line(max_payload)));
  auto batch = lines(line(1) + line(max_payload + 1));
  REQUIRE(!batch);
  CHECK(batch.error().code == errc::payload_too_large);
  CHECK(batch.error().message.starts_with("line 2: "));
}

TEST_CASE("a batch has a limit of jobs") {
  std::string body;
  for (std::size_t i = 0; i < limits::jobs_per_batch; ++i)
    body += "{\"payload\":\"\"}\n";
  CHECK(lines(body));
  auto batch = lines(body + "{\"payload\":\"\"}");
  REQUIRE(!batch);
  CHECK(batch.error().message.starts_with("line 10001: a batch holds at most"));
}

TEST_CASE("an empty batch is a command without jobs") {
  for (auto body : {"", "\n\n", " \r\n"}) {
    auto batch = lines(body);
    REQUIRE(batch);
    CHECK((*batch)->command.jobs.empty());
  }
}

TEST_CASE("values inside values do no harm") {
  std::string deep(100'000, '[');
  CHECK(refusal(R"({"payload":)" + deep + "}").starts_with("line 1: "));
  CHECK(refusal(R"({"x":)" + deep + "}") == "line 1: unknown member 'x'");
  CHECK(refusal(deep).starts_with("line 1: "));
}

// -- msgpack ------------------------------------------------------------------

TEST_CASE("a msgpack array of maps becomes one command") {
  msgpack::sbuffer out;
  packer to{out};
  to.pack_array(2);
  to.pack_map(3);
  to.pack("payload"s), to.bytes("\x00\xFF"sv);
  to.pack("priority"s).pack(200);
  to.pack("handler"s).pack("echo"s);
  to.pack_map(2);
  to.pack("payload"s).pack("text"s);
  to.pack("delay"s).pack("1s"s);
  auto batch = packed(out);
  REQUIRE(batch);
  auto& jobs = (*batch)->command.jobs;
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].payload == "\x00\xFF"sv);
  CHECK(jobs[0].priority == 200);
  CHECK(jobs[0].handler == "echo");
  CHECK(jobs[1].payload == "text");
  CHECK(jobs[1].handler == "q");
  CHECK(jobs[1].delay == 1s);
}

TEST_CASE("payloads in msgpack are not copied") {
  msgpack::sbuffer out;
  packer to{out};
  to.pack_array(1);
  to.pack_map(1);
  to.pack("payload"s), to.bytes(std::string(500, 'x'));
  auto batch = packed(out);
  REQUIRE(batch);
  auto& body = (*batch)->body;
  auto payload = (*batch)->command.jobs.at(0).payload;
  CHECK(payload.data() >= body.data());
  CHECK(payload.data() + payload.size() <= body.data() + body.size());
}

TEST_CASE("an element that is no job is named") {
  auto refused = [](auto fill) {
    msgpack::sbuffer out;
    packer to{out};
    to.pack_array(2);
    to.pack_map(1);
    to.pack("payload"s).pack(""s);
    fill(to);
    auto batch = packed(out);
    REQUIRE(!batch);
    return batch.error().message;
  };
  CHECK(refused([](packer& to) { to.pack(1); }) == "element 1: expected a map");
  CHECK(refused([](packer& to) { to.pack_map(0); })
        == "element 1: payload or payload_base64 is missing");
  CHECK(refused([](packer& to) {
          to.pack_map(1);
          to.pack("payload"s).pack(1);
        })
        == "element 1: payload must be a string");
  CHECK(refused([](packer& to) {
          to.pack_map(1);
          to.pack(1).pack(1);
        })
        == "element 1: a member's name must be a string");
  CHECK(refused([](packer& to) {
          to.pack_map(2);
          to.pack("payload"s).pack(""s);
          to.pack("priority"s).pack(-1);
        })
        == "element 1: priority must be a whole number");
}

TEST_CASE("msgpack that claims more than it brings is refused") {
  auto refused = [](std::string_view bytes) {
    auto batch = jobs_from_msgpack(std::string{bytes}, "q", max_payload);
    REQUIRE(!batch);
    CHECK(batch.error().code == errc::invalid_argument);
    return batch.error().message;
  };
  CHECK(refused("") == "broken msgpack");
  // An array of 2^32 - 1 elements, then of one that is a map of as many.
  CHECK(refused("\xDD\xFF\xFF\xFF\xFF").starts_with("a batch holds at most"));
  CHECK(refused("\x91\xDF\xFF\xFF\xFF\xFF") == "broken msgpack");
  CHECK(refused("\x91\x81\xA7payload\xC6\xFF\xFF\xFF\xFF") == "broken msgpack");
  CHECK(refused("\x91\x81\xA7payload\xC6\x00\x00\x00\x09"
                "abc"sv)
        == "broken msgpack");
  CHECK(refused(std::string(100'000, '\x91')) == "broken msgpack");
  CHECK(refused("\x91\xC1") == "broken msgpack");
  CHECK(refused("\x80") == "expected one msgpack array of maps");
  CHECK(refused("\x90\x90") == "expected one msgpack array of maps");
}
