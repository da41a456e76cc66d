#include "persistence/command.hpp"

#include "persistence/backoff.hpp"
#include "persistence/record.hpp"
#include "persistence/token_bucket.hpp"

#include <catch2/catch_test_macros.hpp>

#include <random>
#include <set>

using namespace muster;

namespace {

std::string entry_of(const command& cmd) {
  std::string entry;
  begin_entry(entry, timestamp{millis{42}});
  entry += encode(cmd).bytes;
  return entry;
}

std::vector<command> samples() {
  return {
    enqueue_command{"queue",
                    {new_job{.handler = "h",
                             .payload = std::string_view{"a\0b", 3},
                             .priority = 7,
                             .delay = millis{5},
                             .max_attempts = 9,
                             .timeout = millis{77},
                             .ttl = millis{88},
                             .idempotency_key = "key",
                             .key_ttl = millis{99}},
                     new_job{.handler = "h2"}}},
    lease_command{"queue", "worker", 17, millis{1'000}},
    complete_command{{{{job_id{1}, 2}, "result"}, {{job_id{3}, 4}, ""}}},
    fail_command{{{{job_id{1}, 2}, failure_kind::lost, "why", false}}},
    extend_command{{{{job_id{1}, 2}, millis{3}, "half"},
                    {{job_id{4}, 5}, millis{6}, std::nullopt}}},
    release_command{{{job_id{1}, 2}, {job_id{~0ull}, ~0u}}},
    cancel_command{job_id{12}},
    retry_command{job_id{13}},
    tick_command{14},
    configure_command{.queue = "queue",
                      .paused = true,
                      .max_depth = 1,
                      .max_running = 2,
                      .rate = 0.5,
                      .retention = millis{3},
                      .backoff = backoff_policy{millis{1}, millis{2}, 3, 0.4},
                      .dead_letter = "dl"},
    configure_command{.queue = "queue"},
    purge_command{"queue", job_state::cancelled, 15},
  };
}

} // namespace

TEST_CASE("every command comes out of an entry as it went in") {
  for (auto& cmd : samples()) {
    auto entry = entry_of(cmd);
    auto reader = entry_reader::open(entry);
    REQUIRE(reader);
    CHECK(reader->now() == timestamp{millis{42}});
    auto read = reader->next();
    REQUIRE(read);
    CHECK(reader->done());
    // The same value encodes to the same bytes.
    CHECK(entry_of(*read) == entry);
    CHECK(read->index() == cmd.index());
  }
}

TEST_CASE("an encoded command tells what admission needs to know") {
  auto cmd = encode(enqueue_command{
    "q",
    {new_job{.handler = "h"}, new_job{.handler = "h", .delay = millis{1}}}});
  CHECK(cmd.queue == "q");
  CHECK(cmd.jobs == 2);
  CHECK(cmd.ready_jobs == 1);
}

TEST_CASE("an entry that is cut anywhere is refused, not misread") {
  for (auto& cmd : samples()) {
    auto entry = entry_of(cmd);
    for (std::size_t size = 0; size < entry.size(); ++size) {
      auto reader = entry_reader::open(std::string_view{entry}.substr(0, size));
      if (!reader)
        continue;
      if (!reader->done())
        CHECK_FALSE(reader->next());
    }
  }
}

TEST_CASE("random bytes never crash the readers of entries and records") {
  std::mt19937 random{7};
  auto inputs = samples();
  for (int i = 0; i < 20'000; ++i) {
    auto entry = entry_of(inputs[random() % inputs.size()]);
    for (auto n = 1 + random() % 4; n > 0; --n)
      entry[random() % entry.size()] = static_cast<char>(random());
    auto reader = entry_reader::open(entry);
    while (reader && !reader->done())
      if (!reader->next())
        break;
    std::string_view body{entry};
    job_record job;
    queue_record queue;
    meta_record meta;
    key_record key;
    (void)decode_record(body, job);
    (void)decode_record(body.substr(9), job);
    (void)decode_record(body.substr(9), queue);
    (void)decode_record(body.substr(9), meta);
    (void)decode_record(body.substr(9), key);
  }
}

TEST_CASE("an entry of a newer version is told from a damaged one") {
  auto entry = entry_of(tick_command{1});
  entry.front() = 2;
  CHECK(entry_reader::open(entry).error().code == errc::store_newer);
  entry.front() = 0;
  CHECK(entry_reader::open(entry).error().code == errc::malformed);
}

TEST_CASE("a record keeps every field") {
  job_record rec;
  rec.queue = 7;
  rec.handler = "h";
  rec.state = job_state::dead;
  rec.priority = 3;
  rec.attempt = 4;
  rec.failures = 2;
  rec.max_attempts = 5;
  rec.timeout = millis{6};
  rec.enqueued_at = timestamp{millis{1}};
  rec.due_at = timestamp{millis{2}};
  rec.started_at = timestamp{millis{3}};
  rec.finished_at = timestamp{millis{4}};
  rec.expires_at = timestamp{millis{5}};
  rec.ended = attempt_end::failed;
  rec.finish_sequence = 8;
  rec.worker = "w";
  rec.progress = "p";
  rec.error = "e";
  std::string bytes;
  encode_record(rec, bytes);
  job_record read;
  REQUIRE(decode_record(bytes, read));
  std::string again;
  encode_record(read, again);
  CHECK(again == bytes);
  CHECK_FALSE(read.lease_deadline);
  CHECK(read.due_at == rec.due_at);
}

TEST_CASE("the bytes of an attempt's record stay as they are") {
  attempt_record rec{attempt_status::timed_out, "w", timestamp{millis{1}},
                     timestamp{millis{2}}, "e"};
  std::string bytes;
  encode_record(rec, bytes);
  CHECK(bytes
        == std::string_view{"\x96\x01\x03\xA1w\x01\x02\xA1"
                            "e"});
  attempt_record read;
  REQUIRE(decode_record(bytes, read));
  std::string again;
  encode_record(read, again);
  CHECK(again == bytes);
  bytes[2] = 8;
  CHECK_FALSE(decode_record(bytes, read));
}

TEST_CASE("a record that lacks later fields is read with their defaults") {
  job_record rec;
  rec.queue = 7;
  rec.worker = "w";
  std::string bytes;
  encode_record(rec, bytes);
  // An array of 5 elements instead of 20: what an older version could write.
  REQUIRE(static_cast<unsigned char>(bytes[0]) == 0xDC);
  auto older = std::string{"\x95"} + bytes.substr(3);
  job_record read;
  REQUIRE(decode_record(older, read));
  CHECK(read.queue == 7);
  CHECK(read.worker.empty());
}

TEST_CASE("validation names the field and the rule") {
  auto text = [](const command& cmd) {
    auto result = validate(cmd);
    return result ? std::string{} : result.error().message;
  };
  CHECK(text(enqueue_command{"q", {new_job{.handler = "h"}}}).empty());
  CHECK(
    text(enqueue_command{"", {new_job{.handler = "h"}}}).starts_with("queue"));
  CHECK(text(enqueue_command{"a b", {new_job{.handler = "h"}}})
          .starts_with("queue"));
  CHECK(text(enqueue_command{"q", {new_job{.handler = ""}}})
          .starts_with("handler"));
  CHECK(text(enqueue_command{"q", {}}).starts_with("jobs"));
  CHECK(text(enqueue_command{"q", {new_job{.handler = "h", .max_attempts = 0}}})
          .starts_with("max_attempts"));
  CHECK(
    text(enqueue_command{"q", {new_job{.handler = "h", .delay = millis{-1}}}})
      .starts_with("delay"));
  CHECK(
    text(configure_command{.queue = "q", .rate = -1.0}).starts_with("rate"));
  CHECK(
    text(configure_command{
           .queue = "q", .backoff = backoff_policy{millis{5}, millis{4}, 2, 0}})
      .starts_with("backoff.min"));
  CHECK(text(configure_command{.queue = "q", .dead_letter = "q"})
          .starts_with("dead_letter"));
  CHECK(text(purge_command{"q", job_state::leased, 1}).starts_with("state"));
}

TEST_CASE("ids and tokens read back from their text, and from no other") {
  CHECK(parse_job_id("42") == job_id{42});
  CHECK(parse_lease_token("42-3") == lease_token{job_id{42}, 3});
  CHECK(to_string(lease_token{job_id{42}, 3}) == "42-3");
  for (auto text : {"", "0", "042", "-1", "4x", "18446744073709551616"})
    CHECK_FALSE(parse_job_id(text));
  for (auto text : {"42", "42-", "-3", "42-0", "42-03", "42-4294967296"})
    CHECK_FALSE(parse_lease_token(text));
}

TEST_CASE("back-off grows to its limit and spreads within its jitter") {
  backoff_policy policy{millis{100}, millis{1'000}, 2, 0.2};
  std::set<millis> pauses;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    auto first = backoff_after(policy, 1, {job_id{id}, 1});
    CHECK(first >= millis{80});
    CHECK(first <= millis{120});
    CHECK(first == backoff_after(policy, 1, {job_id{id}, 1}));
    pauses.insert(first);
    CHECK(backoff_after(policy, 50, {job_id{id}, 50}) <= millis{1'000});
    CHECK(backoff_after(policy, 50, {job_id{id}, 50}) >= millis{800});
  }
  CHECK(pauses.size() > 20);
  policy.jitter = 0;
  CHECK(backoff_after(policy, 3, {job_id{1}, 3}) == millis{400});
}

TEST_CASE("a token bucket saves up a second's worth and no more") {
  token_bucket bucket{0, timestamp{millis{0}}};
  bucket.refill(10, timestamp{millis{500}});
  CHECK(bucket.tokens == 5);
  bucket.refill(10, timestamp{millis{60'000}});
  CHECK(bucket.tokens == 10);
  bucket.tokens = 0;
  CHECK(bucket.next_token(10) == timestamp{millis{60'100}});
  // A clock that goes back takes nothing away.
  bucket.refill(10, timestamp{millis{1}});
  CHECK(bucket.at == timestamp{millis{60'000}});
}
