#include "runtime/job_sender.hpp"

#include "test/runtime/script_server.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

std::vector<millis> all_of(retry_pauses pauses, millis asked) {
  std::vector<millis> result;
  while (auto pause = pauses.next(asked))
    result.push_back(*pause);
  return result;
}

using list = std::vector<millis>;

/// How often a sender asks a server that always answers this, at most thrice.
std::size_t requests_for(const std::string& answer) {
  script_server server{
    [&answer](const std::string&) -> scripted_reply { return {{answer}}; }};
  job_sender::settings settings;
  settings.queue = "q";
  settings.tries = 3;
  settings.first_pause = 1ms;
  job_sender sender{{{"127.0.0.1", server.port()}, {}}, settings};
  REQUIRE(sender.add("payload"));
  REQUIRE(!sender.flush());
  return server.requests().size();
}

std::string refusal(const std::string& code) {
  auto body = R"({"code":")" + code + R"("})";
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace

TEST_CASE("pauses between tries double, up to a bound") {
  CHECK(all_of({5, 100ms}, 0ms) == list{100ms, 200ms, 400ms, 800ms});
  CHECK(all_of({4, 7s}, 0ms) == list{7s, 10s, 8s});
  CHECK(all_of({1, 100ms}, 0ms).empty());
}

TEST_CASE("a node may ask for longer pauses, and not for more in all") {
  CHECK(all_of({9, 100ms}, 5s) == list{5s, 5s, 5s, 5s, 5s});
  CHECK(all_of({9, 100ms}, 1h) == list{25s});
  CHECK(all_of({9, 6s}, 5s) == list{6s, 10s, 9s});
}

TEST_CASE("tries that take long leave less for others") {
  retry_pauses pauses{9, 100ms};
  CHECK(pauses.next(0ms, 10s) == 100ms);
  CHECK(pauses.next(0ms, 10s) == 200ms);
  CHECK(!pauses.next(0ms, 10s));
}

TEST_CASE("a node that takes jobs and hangs is not asked for ever") {
  script_server hung{[](const std::string&) { return scripted_reply{}; }};
  job_sender::settings settings;
  settings.queue = "q";
  settings.tries = 2;
  settings.first_pause = 1ms;
  settings.answer_limit = 50ms;
  job_sender sender{{{"127.0.0.1", hung.port()}, {}}, settings};
  REQUIRE(sender.add("payload"));
  auto sent = sender.flush();
  REQUIRE(!sent);
  CHECK(sent.error().code == errc::timed_out);
}

TEST_CASE("what may pass is tried again, and nothing else") {
  CHECK(requests_for(refusal("unavailable")) == 3);
  CHECK(requests_for(refusal("store_full")) == 3);
  // The node is a worker.
  CHECK(requests_for(refusal("not_leader")) == 1);
  // A node's port for other nodes, say.
  CHECK(requests_for("hello\r\n\r\n") == 1);
}
