#include "actors/cluster_actor.hpp"

#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <caf/io/middleman.hpp>

#include <atomic>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;
using muster::test::next;

namespace {

node_hello hello_of_peer() {
  node_hello result;
  result.identity.node = {"w1", {false, true}, {}};
  result.identity.incarnation = "1";
  return result;
}

/// Of a system that has an id.
struct networked_config : test::system_config {
  networked_config() {
    load<caf::io::middleman>();
  }
};

// One side of a connection; the test plays the other.
struct fixture {
  explicit fixture(millis answer_limit) {
    cluster_options options;
    options.identity.node = {"m1", {true, false}, {}};
    options.identity.incarnation = "0";
    options.board = board;
    options.gate = gate;
    options.own_manager = [] { return caf::actor{}; };
    options.hello_interval = 10ms;
    options.answer_limit = answer_limit;
    options.log = [this](const node_event& event) {
      if (event.text.find("is lost") != std::string::npos)
        complaint = event.text;
    };
    cluster = spawn_actor<cluster_state>(system, options);
    self->request(cluster, 10s, start_child{})
      .receive([] {}, [](const caf::error& err) { FAIL(to_string(err)); });
  }

  ~fixture() {
    for (auto& each : {cluster, gate}) {
      self->monitor(each);
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
      CHECK(next<caf::down_msg>(self));
    }
  }

  // A hello whose sender takes hellos at `peer`.
  bool greet(const caf::actor& peer, const node_hello& hello) {
    auto answered = false;
    self->request(cluster, 10s, encode_hello(hello, peer, {}))
      .receive([&](std::string&, std::uint32_t, std::string&, std::string&,
                   caf::strong_actor_ptr&,
                   caf::strong_actor_ptr&) { answered = true; },
               [](const caf::error&) {});
    return answered;
  }

  bool greet(const caf::actor& peer) {
    return greet(peer, hello_of_peer());
  }

  std::string state_of_peer() {
    for (auto& node : board->nodes())
      if (node.node.name == "w1")
        return node.state;
    return {};
  }

  networked_config config;
  caf::actor_system system{config};
  std::shared_ptr<cluster_board> board = std::make_shared<cluster_board>();
  caf::actor gate = spawn_gate(system, board);
  caf::scoped_actor self{system};
  caf::actor cluster;
  /// Written by the actor before the board.
  std::string complaint;
};

// How many hellos there are, none of which is answered.
int count_hellos(caf::scoped_actor& peer) {
  auto n = 0;
  auto more = true;
  while (more)
    peer->receive([&](std::string&, std::uint32_t, std::string&, std::string&,
                      caf::strong_actor_ptr&, caf::strong_actor_ptr&) { ++n; },
                  caf::after(0ms) >> [&] { more = false; });
  return n;
}

} // namespace

TEST_CASE("a node that leaves hellos unanswered is lost though its connection "
          "lives, and is back with its own hello") {
  fixture fix{100ms};
  caf::scoped_actor peer{fix.system};
  auto census = actor_census::of(fix.system);
  auto name = [&] {
    return census->name_of(
      caf::actor_cast<caf::strong_actor_ptr>(peer.address()));
  };
  CHECK(fix.greet(peer));
  CHECK(fix.state_of_peer() == "connected");
  CHECK(name().ends_with(" of w1"));
  REQUIRE(eventually([&] { return fix.state_of_peer() == "lost"; }));
  CHECK(fix.complaint == "node w1 is lost: it does not answer");
  CHECK_FALSE(name().ends_with(" of w1"));
  CHECK(count_hellos(peer) == 3);
  CHECK(fix.greet(peer));
  CHECK(fix.state_of_peer() == "connected");
}

TEST_CASE("a node that answers, or tells of itself, is not lost") {
  std::atomic<int> hellos{0};
  fixture fix{10s};
  // Answers every third hello only.
  auto peer = fix.system.spawn([&hellos](caf::event_based_actor* self) {
    return caf::behavior{
      [self, &hellos](std::string&, std::uint32_t, std::string&, std::string&,
                      caf::strong_actor_ptr&,
                      caf::strong_actor_ptr&) -> caf::result<caf::message> {
        if (++hellos % 3 == 0)
          return encode_hello(hello_of_peer(), caf::actor{self}, {});
        return caf::make_error(caf::sec::runtime_error);
      },
      [self](start_child) { self->quit(); },
    };
  });
  CHECK(fix.greet(peer));
  CHECK(eventually([&] { return hellos > 12; }));
  CHECK(fix.state_of_peer() == "connected");
  CHECK(fix.complaint.empty());
  tell_anonymously(peer, start_child{});
}

TEST_CASE("a node that says that it ends is gone, and nothing is amiss") {
  fixture fix{100ms};
  caf::scoped_actor peer{fix.system};
  CHECK(fix.greet(peer));
  auto goodbye = hello_of_peer();
  goodbye.leaving = true;
  // One of an earlier process, which was long on its way.
  goodbye.identity.incarnation = "0.5";
  CHECK(fix.greet(peer, goodbye));
  CHECK(fix.state_of_peer() == "connected");
  goodbye.identity.incarnation = "1";
  CHECK(fix.greet(peer, goodbye));
  CHECK(fix.state_of_peer().empty());
  CHECK(fix.greet(peer, goodbye));
  CHECK(fix.state_of_peer().empty());
  CHECK(fix.complaint.empty());
  // It may come back.
  CHECK(fix.greet(peer));
  CHECK(fix.state_of_peer() == "connected");
}

TEST_CASE("a node that ends tells the others, and waits for none for long") {
  std::atomic<int> told{0};
  fixture fix{10s};
  auto answers = GENERATE(true, false);
  auto peer = fix.system.spawn([&told, answers](caf::event_based_actor* self) {
    return caf::behavior{
      [&told, answers,
       self](std::string& tag, std::uint32_t version, std::string& fingerprint,
             std::string& body, caf::strong_actor_ptr& gate,
             caf::strong_actor_ptr& manager) -> caf::result<caf::message> {
        auto hello = decode_hello({tag, version, fingerprint, body,
                                   std::move(gate), std::move(manager)});
        if (hello && hello->hello.leaving)
          ++told;
        if (!answers)
          return self->make_response_promise<caf::message>();
        return encode_hello(hello_of_peer(), caf::actor{self}, {});
      },
      [self](start_child) { self->quit(); },
    };
  });
  CHECK(fix.greet(peer));
  auto ended = false;
  fix.self->request(fix.cluster, 10s, leave_cluster{50ms})
    .receive([&] { ended = true; }, [](const caf::error&) {});
  CHECK(ended);
  CHECK(told == 1);
  // Who says hello now is told as well.
  CHECK(fix.greet(peer));
  tell_anonymously(peer, start_child{});
}
