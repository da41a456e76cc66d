#include "runtime/demo_run.hpp"
#include "test/runtime/script_server.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

using namespace muster;

namespace {

std::string reply_with(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n\r\n" + body;
}

template <class Predicate>
bool eventually(Predicate done) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end)
      return false;
    std::this_thread::sleep_for(millis{5});
  }
  return true;
}

demo_run::options one_job() {
  demo_run::options result;
  result.digests = 1;
  result.commands = 0;
  result.mean_iterations = 1;
  result.senders = 1;
  return result;
}

} // namespace

TEST_CASE("a demo whose job is refused for good says so and sends no more") {
  script_server server{[](const std::string&) -> scripted_reply {
    return {{reply_with(400, R"({"detail":"no such thing"})")}};
  }};
  demo_run run{one_job(), server.port()};
  REQUIRE(eventually([&run] { return run.refused().has_value(); }));
  CHECK(run.refused()->message.find("no such thing") != std::string::npos);
  CHECK(server.requests().size() == 1);
  CHECK(!run.complete());
}

TEST_CASE("a demo sends again what may be taken later") {
  std::atomic<int> calls{0};
  script_server server{[&calls](const std::string&) -> scripted_reply {
    constexpr int statuses[] = {503, 429, 408, 500};
    return {{reply_with(statuses[calls++ % 4], "{}")}};
  }};
  demo_run run{one_job(), server.port()};
  CHECK(eventually([&server] { return server.requests().size() >= 6; }));
  CHECK(!run.refused());
}
