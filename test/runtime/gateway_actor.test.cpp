#include "runtime/gateway_actor.hpp"

#include "actors/local_node.hpp"
#include "actors/supervisor_actor.hpp"
#include "runtime/http_client.hpp"
#include "runtime/http_loop.hpp"
#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>

using namespace muster;
using namespace std::chrono_literals;

namespace {

caf::actor_system_config& config() {
  register_message_types();
  static caf::actor_system_config result;
  return result;
}

gateway_backend empty_backend() {
  gateway_backend backend;
  backend.journal = std::make_shared<journal_port>();
  backend.serving = [] { return true; };
  return backend;
}

// A gateway under a supervisor.
struct fixture {
  explicit fixture(gateway_actor_options options) {
    options.slot = slot;
    supervisor_options top;
    top.id = "top";
    top.directory = directory;
    top.supervision.backoff = {10ms, 100ms, 2.0, 0};
    top.children.push_back(gateway_child(std::move(options)));
    supervisor = spawn_actor<supervisor_state>(system, top);
    caf::scoped_actor self{system};
    self->request(supervisor, 30s, start_children{})
      .receive([] {},
               [this](const caf::error& err) { failure = from_caf(err); });
  }

  ~fixture() {
    caf::scoped_actor self{system};
    self->monitor(supervisor);
    self->send(supervisor, stop_children{});
    self->receive([](const caf::down_msg&) {});
  }

  [[nodiscard]] bool alive() const {
    http_client client{"127.0.0.1", slot->port()};
    auto reply = client.get("/healthz");
    return reply && reply->status == 200;
  }

  caf::actor_system system{config()};
  std::shared_ptr<child_directory> directory
    = std::make_shared<child_directory>();
  std::shared_ptr<gateway_slot> slot = std::make_shared<gateway_slot>();
  caf::actor supervisor;
  error failure;
};

gateway_actor_options local() {
  gateway_actor_options options;
  options.settings = gateway_fixture::local();
  options.backend = empty_backend();
  options.interval = 10ms;
  return options;
}

} // namespace

TEST_CASE("a gateway that is killed is back on the same port") {
  fixture fix{local()};
  REQUIRE(fix.failure == error{});
  auto port = fix.slot->port();
  CHECK(fix.alive());
  for (int i = 0; i < 3; ++i) {
    auto before = fix.directory->find("gateway");
    REQUIRE(before);
    ask_to_end(before, caf::exit_reason::kill);
    await_true([&] {
      auto now = fix.directory->find("gateway");
      return now && now != before;
    });
    CHECK(fix.slot->port() == port);
    CHECK(fix.alive());
  }
}

TEST_CASE("a gateway that cannot have its port does not start") {
  fixture first{local()};
  auto options = local();
  options.settings.port = first.slot->port();
  options.settings.strict_port = true;
  fixture second{options};
  CHECK(second.failure.code == errc::io_error);
}

TEST_CASE("a gateway that comes back while the node drains drains, too") {
  fixture fix{local()};
  fix.slot->drain();
  auto before = fix.directory->find("gateway");
  ask_to_end(before, caf::exit_reason::kill);
  await_true([&] {
    auto now = fix.directory->find("gateway");
    return now && now != before;
  });
  http_client client{"127.0.0.1", fix.slot->port()};
  auto reply = client.get("/readyz");
  REQUIRE(reply);
  CHECK(reply->status == 503);
}

TEST_CASE("a gateway whose thread does not come back is reported as stuck") {
  std::atomic<bool> stuck{false};
  std::atomic<bool> go_on{false};
  auto options = local();
  options.backend.serving = [&go_on] {
    while (!go_on)
      std::this_thread::sleep_for(1ms);
    return true;
  };
  options.patience = 60;
  options.interval = 50ms;
  options.on_stuck = [&](const error&) {
    stuck = true;
    go_on = true;
  };
  fixture fix{options};
  http_client client{"127.0.0.1", fix.slot->port()};
  CHECK(client.get("/readyz"));
  CHECK(stuck);
  // Without requests its threads still give signs of life.
  stuck = false;
  std::this_thread::sleep_for(4s);
  CHECK(!stuck);
}

TEST_CASE("a gateway thread that an exception ended tells why") {
  gateway_fixture gate;
  auto state = std::make_shared<gateway_state>(gateway_fixture::local(),
                                               empty_backend());
  http_loop loop{state, true};
  loop.start();
  await_true([&] { return loop.beats() > 1; });
  CHECK(!loop.fault());
  boost::asio::post(loop.io, [] { throw std::runtime_error{"a bug"}; });
  await_true([&] { return loop.fault().has_value(); });
  CHECK(loop.fault()->message == "a thread of the gateway failed: a bug");
}
