#include "runtime/remote_client.hpp"

#include "runtime/runtime.hpp"
#include "test/runtime/script_server.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct text {
  std::string value;
  MSGPACK_DEFINE_MAP(value)
};

/// A node in this process, on a port of its own or on the one given.
runtime serve(const temp_dir& dir, std::uint16_t port = 0) {
  runtime_options options;
  options.directory = dir.path() / "data";
  options.queues = {"double", "fails"};
  options.handlers["double"] = typed_handler<text>(
    [](const text& x) { return text{x.value + x.value}; });
  options.handlers["fails"]
    = typed_handler<text>([](const text&) -> expected<text> {
        return fail_with(errc::invalid_argument, "no luck");
      });
  options.http = http_access{.port = port, .strict_port = port != 0};
  auto result = runtime::open(std::move(options));
  if (!result)
    FAIL(result.error().message);
  return std::move(*result);
}

remote_client client_of(std::uint16_t port, millis limit = 30s) {
  auto result = remote_client::make({.port = port, .limit = limit});
  REQUIRE(result);
  return std::move(*result);
}

template <class T>
T get(std::future<T> future) {
  REQUIRE(future.wait_for(60s) == std::future_status::ready);
  return future.get();
}

std::string key_of(const std::string& request) {
  for (auto& [name, value] : parse_headers(request))
    if (same_token(name, "idempotency-key"))
      return value;
  return {};
}

} // namespace

TEST_CASE("a remote client enqueues typed jobs and waits for typed results") {
  temp_dir dir;
  auto node = serve(dir);
  auto client = client_of(node.http_port());
  auto id = client.enqueue("double", text{"ab"}, {.priority = 3});
  REQUIRE(id);
  auto done = client.wait<text>(*id, 30s);
  REQUIRE(done);
  CHECK(done->value == "abab");
  CHECK(node.job(*parse_job_id(*id))->priority == 3);
  auto same = client.enqueue("double", text{"x"}, {.idempotency_key = "k"});
  CHECK(same == client.enqueue("double", text{"y"}, {.idempotency_key = "k"}));
}

TEST_CASE("a remote client tells what is wrong with a job") {
  temp_dir dir;
  auto node = serve(dir);
  auto client = client_of(node.http_port());
  auto failing = client.enqueue("fails", text{});
  REQUIRE(failing);
  auto why = client.wait<text>(*failing, 30s);
  REQUIRE(!why);
  CHECK(why.error().code == errc::handler_failed);
  CHECK(why.error().message.find("no luck") != std::string::npos);
  auto later = client.enqueue("double", text{}, {.delay = 1h});
  REQUIRE(later);
  CHECK(client.wait_bytes(*later, 50ms).error().code == errc::timed_out);
  CHECK(client.wait_bytes(*later, 0ms).error().code == errc::timed_out);
  CHECK(client.cancel(*later));
  CHECK(client.cancel("4711").error().code == errc::job_not_found);
  CHECK(client.wait_bytes("4711", 1s).error().code == errc::job_not_found);
  CHECK(client.wait_bytes("../nodes", 1s).error().code == errc::job_not_found);
  CHECK(client.enqueue_bytes("no name", "").error().code
        == errc::invalid_argument);
  CHECK(client.enqueue_bytes("q", "", {.max_attempts = 0}).error().code
        == errc::invalid_argument);
}

TEST_CASE("a remote client runs jobs itself") {
  temp_dir dir;
  auto node = serve(dir);
  auto client = client_of(node.http_port());
  CHECK(client.lease("mail", {.wait = 0ms})->empty());
  auto first = client.enqueue_bytes("mail", std::string{"a\0b", 3}).value();
  auto second = client.enqueue_bytes("mail", "2").value();
  auto third = client.enqueue_bytes("mail", "3").value();
  auto leases = client.lease("mail", {.max = 3, .worker = "me"});
  REQUIRE(leases);
  REQUIRE(leases->size() == 3);
  auto& mine = leases->front();
  CHECK(mine.id == first);
  CHECK(mine.payload == std::string{"a\0b", 3});
  CHECK(mine.handler == "mail");
  CHECK(mine.attempt == 1);
  CHECK(client.extend(mine, 1min, "half of it")->cancelled == false);
  CHECK(node.job(*parse_job_id(first))->progress == "half of it");
  CHECK(client.complete(mine, "sent"));
  // Once more: the answer may have been lost.
  CHECK(client.complete(mine, "sent"));
  CHECK(client.wait_bytes(first, 30s) == "sent");
  CHECK(client.fail((*leases)[1], "no \"such\" person", false));
  CHECK(node.job(*parse_job_id(second))->error == "no \"such\" person");
  CHECK(client.release((*leases)[2]));
  auto again = client.lease("mail");
  REQUIRE(again);
  REQUIRE(again->size() == 1);
  CHECK(again->front().id == third);
  CHECK(client.complete((*leases)[2], "late").error().code
        == errc::stale_lease);
  CHECK(client.cancel(third));
  CHECK(client.extend(again->front(), 1min)->cancelled);
}

TEST_CASE("calls that nobody waits for share a few threads") {
  temp_dir dir;
  auto node = serve(dir);
  auto client = client_of(node.http_port());
  // More waits than threads, and the first of them the longest.
  auto lease = client.lease_async("mail", {.wait = 60s});
  std::vector<std::future<expected<std::string>>> waits;
  auto last = client.enqueue_bytes("double", "none of it", {.delay = 1h});
  waits.push_back(client.wait_bytes_async(*last, 60s));
  for (int i = 0; i < 6; ++i) {
    auto id = get(client.enqueue_bytes_async(
      "double", to_payload(text{std::to_string(i)}).value()));
    REQUIRE(id);
    waits.push_back(client.wait_bytes_async(*id, 60s));
  }
  for (int i = 0; i < 6; ++i) {
    auto bytes = get(std::move(waits[static_cast<std::size_t>(i) + 1]));
    REQUIRE(bytes);
    auto number = std::to_string(i);
    CHECK(from_payload<text>(*bytes)->value == number + number);
  }
  auto mail = get(client.enqueue_bytes_async("mail", "x"));
  auto got = get(std::move(lease));
  REQUIRE(got);
  REQUIRE(got->size() == 1);
  CHECK(get(client.complete_async(got->front(), "y")));
  CHECK(client.wait_bytes(*mail, 30s) == "y");
  // What is under way at the end is told so.
  { auto gone = std::move(client); }
  CHECK(get(std::move(waits.front())).error().code == errc::shutting_down);
}

TEST_CASE("a result is not held up by many that are waited for as well") {
  temp_dir dir;
  auto node = serve(dir);
  auto client = client_of(node.http_port());
  auto never = client.enqueue_bytes("double", "", {.delay = 1h});
  REQUIRE(never);
  std::vector<std::future<expected<std::string>>> waits;
  // Half a second for each of them would be more than is waited for below.
  for (int i = 0; i < 300; ++i)
    waits.push_back(client.wait_bytes_async(*never, 10min));
  auto id = client.enqueue("double", text{"ab"});
  REQUIRE(id);
  auto bytes = get(client.wait_bytes_async(*id, 10min));
  REQUIRE(bytes);
  CHECK(from_payload<text>(*bytes)->value == "abab");
  auto lease = client.lease_async("mail", {.wait = 10min});
  REQUIRE(get(client.enqueue_bytes_async("mail", "x")));
  CHECK(get(std::move(lease))->size() == 1);
}

TEST_CASE("a remote client outlasts its node's restart") {
  temp_dir dir;
  std::optional<runtime> node = serve(dir);
  auto port = node->http_port();
  auto client = client_of(port, 60s);
  auto before = client.enqueue("double", text{"a"}, {.delay = 300ms});
  REQUIRE(before);
  node.reset();
  auto during
    = client.enqueue_bytes_async("double", to_payload(text{"b"}).value());
  auto waiting = client.wait_bytes_async(*before, 60s);
  CHECK(during.wait_for(50ms) == std::future_status::timeout);
  node = serve(dir, port);
  auto id = get(std::move(during));
  REQUIRE(id);
  CHECK(client.wait<text>(*id, 30s)->value == "bb");
  CHECK(from_payload<text>(get(std::move(waiting)).value())->value == "aa");
}

TEST_CASE("a job whose answer is lost is sent again under the same key") {
  std::atomic<int> calls{0};
  script_server server{[&calls](const std::string&) -> scripted_reply {
    // The script is asked when the head is there, and again with the body.
    if (++calls < 3)
      return {{}, true};
    std::string body = R"({"id":"7","queue":"q","state":"ready"})";
    return {{"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size())
             + "\r\n\r\n" + body}};
  }};
  auto client = client_of(server.port());
  CHECK(client.enqueue_bytes("q", "") == "7");
  auto requests = server.requests();
  REQUIRE(requests.size() == 3);
  std::set<std::string> keys;
  for (auto& request : requests)
    keys.insert(key_of(request));
  CHECK(keys.size() == 1);
  CHECK(keys.begin()->size() == 32);
}

TEST_CASE("a remote client gives up at its limit") {
  // Takes every request, and answers none.
  script_server silent{[](const std::string&) {
    return scripted_reply{{}, false};
  }};
  auto waits = client_of(silent.port(), 200ms);
  CHECK(waits.enqueue_bytes("q", "").error().code == errc::timed_out);
  std::uint16_t closed = 0;
  {
    script_server gone{[](const std::string&) { return scripted_reply{}; }};
    closed = gone.port();
  }
  auto nobody = client_of(closed, 200ms);
  CHECK(nobody.enqueue_bytes("q", "").error().code == errc::unavailable);
  CHECK(nobody.lease("q", {.wait = 0ms}).error().code == errc::unavailable);
}

TEST_CASE("a remote client does not wait for a worker to keep queues") {
  script_server worker{[](const std::string&) -> scripted_reply {
    return {{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 21\r\n\r\n"
             R"({"code":"not_leader"})"}};
  }};
  auto client = client_of(worker.port());
  CHECK(client.enqueue_bytes("q", "").error().code == errc::not_leader);
  CHECK(worker.requests().size() == 1);
}

TEST_CASE("a remote client refuses options that cannot be") {
  CHECK(!remote_client::make({.host = ""}));
  CHECK(!remote_client::make({.token = "two words"}));
  CHECK(!remote_client::make({.limit = 0ms}));
  CHECK(!remote_client::make({.threads = 0}));
  CHECK(!remote_client::make({.https = true, .ca_file = "/absent"}));
}
