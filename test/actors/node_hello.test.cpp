#include "actors/node_hello.hpp"
#include "actors/caf_helpers.hpp"
#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace muster;

namespace {

node_hello sample() {
  node_hello result;
  result.identity.node = {"m1", {true, false}, {{"10.0.0.1", 8421}}};
  result.identity.incarnation = "abc";
  result.identity.started = timestamp{millis{1'000}};
  result.load = 1.5;
  result.leaving = true;
  result.others.push_back({"w1", {false, true}, {{"::1", 1}, {"host", 2}}});
  return result;
}

struct fixture {
  test::system_config config;
  caf::actor_system system{config};
  caf::actor gate = system.spawn([](caf::event_based_actor* self) {
    return caf::behavior{[self](start_child) { self->quit(); }};
  });

  ~fixture() {
    tell_anonymously(gate, start_child{});
  }

  hello_parts parts() const {
    return to_parts(encode_hello(sample(), gate, gate));
  }

  static hello_parts to_parts(const caf::message& msg) {
    REQUIRE(
      msg.match_elements<std::string, std::uint32_t, std::string, std::string,
                         caf::strong_actor_ptr, caf::strong_actor_ptr>());
    return {msg.get_as<std::string>(0),
            msg.get_as<std::uint32_t>(1),
            msg.get_as<std::string>(2),
            msg.get_as<std::string>(3),
            msg.get_as<caf::strong_actor_ptr>(4),
            msg.get_as<caf::strong_actor_ptr>(5)};
  }
};

} // namespace

TEST_CASE("a hello is read as it was written") {
  fixture fix;
  auto read = decode_hello(fix.parts());
  REQUIRE(read);
  auto want = sample();
  CHECK(read->hello.identity.node == want.identity.node);
  CHECK(read->hello.identity.incarnation == "abc");
  CHECK(read->hello.identity.started == want.identity.started);
  CHECK(read->hello.load == 1.5);
  CHECK(read->hello.leaving);
  CHECK(read->hello.others == want.others);
  CHECK(read->gate == fix.gate);
  CHECK(read->manager == fix.gate);
}

TEST_CASE("a hello of another wire version is refused with both versions") {
  fixture fix;
  auto parts = fix.parts();
  std::get<1>(parts) = 77;
  std::get<3>(parts) = "unreadable";
  auto read = decode_hello(parts);
  REQUIRE(!read);
  CHECK(read.error().code == errc::version_mismatch);
  CHECK(read.error().message.find("version 77") != std::string::npos);
  CHECK(read.error().message.find("version " + std::to_string(wire_version))
        != std::string::npos);
}

TEST_CASE("a hello of a node with other message types is refused") {
  fixture fix;
  auto parts = fix.parts();
  std::get<2>(parts) = "0123456789abcdef";
  auto read = decode_hello(parts);
  REQUIRE(!read);
  CHECK(read.error().code == errc::version_mismatch);
  CHECK(read.error().message.find("0123456789abcdef") != std::string::npos);
}

TEST_CASE("a refusal is read with its reason, from whatever version") {
  auto parts = fixture::to_parts(encode_refusal("no room"));
  std::get<1>(parts) = 99;
  std::get<2>(parts) = "other";
  auto read = decode_hello(parts);
  REQUIRE(!read);
  CHECK(read.error() == error{errc::refused, "no room"});
}

TEST_CASE("a hello that is cut short or tells nothing is malformed") {
  fixture fix;
  auto whole = fix.parts();
  for (std::size_t size = 0; size < std::get<3>(whole).size(); ++size) {
    auto parts = whole;
    std::get<3>(parts).resize(size);
    auto read = decode_hello(parts);
    REQUIRE(!read);
    CHECK(read.error().code == errc::malformed);
  }
  auto parts = whole;
  std::get<3>(parts) += 'x';
  CHECK(!decode_hello(parts));
  parts = whole;
  std::get<4>(parts) = nullptr;
  CHECK(!decode_hello(parts));
  parts = whole;
  std::get<0>(parts) = "somebody";
  CHECK(!decode_hello(parts));
}

TEST_CASE("the fingerprint of the message types is the same in every call") {
  CHECK(message_fingerprint().size() == 16);
  CHECK(message_fingerprint() == message_fingerprint());
}

TEST_CASE("a node refuses itself and another with its own name") {
  auto self = sample().identity;
  auto other = self;
  CHECK(reason_to_refuse(self, other));
  other.incarnation = "def";
  CHECK(reason_to_refuse(self, other)->find("m1") != std::string::npos);
  other.node.name = "m2";
  CHECK(!reason_to_refuse(self, other));
}
