#include "actors/tls_socket.hpp"
#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/raw_connection.hpp"
#include "test/support/test_certificates.hpp"

#include <catch2/catch_test_macros.hpp>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <fstream>
#include <string>

using namespace muster;
using namespace std::chrono_literals;

namespace {

const std::string health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

tls_context client_of(const std::string& ca) {
  auto result = tls_context::client(ca);
  REQUIRE(result);
  return *result;
}

/// A gateway with a certificate of an authority of its own.
struct secure_gateway {
  explicit secure_gateway(const std::string& host = {},
                          std::chrono::seconds handshake = 10s)
    : gate(options(host, handshake), {}, client()) {
    // nop
  }

  gateway_options options(const std::string& host,
                          std::chrono::seconds handshake) {
    auto result = gateway_fixture::local();
    auto files = authority.issue("gate", host);
    result.certificate = files.certificate;
    result.key = files.key;
    result.handshake_timeout = handshake;
    return result;
  }

  http_client_options client() {
    http_client_options result;
    result.tls = client_of(authority.ca());
    return result;
  }

  raw_connection connect() {
    return raw_connection{gate.port(), client_of(authority.ca())};
  }

  /// What a client that trusts `ca` is told.
  std::string refusal(const std::string& ca) {
    http_client_options trusting;
    trusting.tls = client_of(ca);
    http_client other{"127.0.0.1", gate.port(), trusting};
    auto reply = other.get("/healthz");
    REQUIRE(!reply);
    CHECK(reply.error().code == errc::refused);
    return reply.error().message;
  }

  temp_dir dir;
  test_certificates authority{dir.path()};
  gateway_fixture gate;
};

} // namespace

TEST_CASE("over TLS many requests go through one connection") {
  secure_gateway at;
  auto id = at.gate.enqueue("letters", "text");
  at.gate.finish("letters", "done");
  CHECK(at.gate.send("GET", "/v1/jobs/" + id + "/result").body == "done");
  CHECK(at.gate.send("HEAD", "/v1/queues").body.empty());
  CHECK(at.gate.metric("muster_http_connections_total") == 1);
}

TEST_CASE("over TLS large bodies go both ways") {
  secure_gateway at;
  std::string large(9'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 1'001)
    large[i] = static_cast<char>(i);
  auto id = at.gate.enqueue("letters");
  at.gate.finish("letters", large);
  auto reply = at.gate.send("GET", "/v1/jobs/" + id + "/result");
  CHECK(reply.body == large);
  // In between sizes: header and body in one piece, or not.
  for (std::size_t size : {1, 11'000, 12'287, 12'288, 12'289, 16'384, 70'000}) {
    id = at.gate.enqueue("letters");
    at.gate.finish("letters", large.substr(0, size));
    CHECK(at.gate.send("GET", "/v1/jobs/" + id + "/result").body
          == large.substr(0, size));
  }
}

TEST_CASE("over TLS requests may be sent before answers to earlier ones") {
  secure_gateway at;
  auto client = at.connect();
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += health;
  REQUIRE(client.send(many));
  for (int i = 0; i < 100; ++i) {
    auto reply = client.reply();
    REQUIRE(reply);
    CHECK(reply->status == 200);
  }
}

TEST_CASE("over TLS requests may come byte by byte") {
  secure_gateway at;
  auto client = at.connect();
  REQUIRE(client.trickle(health));
  auto reply = client.reply();
  REQUIRE(reply);
  CHECK(reply->status == 200);
}

TEST_CASE("over TLS a body that is not wanted is answered before it is sent") {
  secure_gateway at;
  auto reply = at.gate.send("POST", "/v1/queues/q/jobs",
                            std::string(std::size_t{17} << 20, 'x'));
  CHECK(reply.status == 413);
  CHECK(at.gate.send("GET", "/healthz").status == 200);
}

TEST_CASE("over TLS a connection ends with notice") {
  secure_gateway at;
  auto client = at.connect();
  REQUIRE(client.send(
    "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  REQUIRE(client.reply());
  CHECK(client.ended());
}

TEST_CASE("over TLS draining answers those who wait, and connections end") {
  secure_gateway at;
  at.gate.enqueue("q");
  auto client = at.connect();
  REQUIRE(client.send("GET /v1/jobs/1?wait=5m HTTP/1.1\r\nHost: x\r\n\r\n"));
  at.gate.await_metric("muster_http_connections", 2);
  at.gate.server->drain();
  auto reply = client.reply();
  REQUIRE(reply);
  CHECK(reply->header("Connection") == "close");
  CHECK(client.ended());
}

TEST_CASE("over TLS a client that goes while it waits takes no job with it") {
  secure_gateway at;
  CHECK(at.gate.send("GET", "/healthz").status == 200);
  {
    auto client = at.connect();
    REQUIRE(client.send(
      "POST /v1/queues/q/leases?wait=5m HTTP/1.1\r\nHost: x\r\n\r\n"));
    at.gate.await_metric("muster_http_connections", 2);
    client.close();
  }
  at.gate.await_metric("muster_http_connections", 1);
  at.gate.enqueue("q", "kept");
  CHECK(at.gate.lease("q").at("id") == "1");
}

TEST_CASE("a certificate of an authority that is not trusted is refused") {
  secure_gateway at;
  temp_dir elsewhere;
  test_certificates other{elsewhere.path()};
  CHECK(at.refusal(other.ca()).find("certificate") != std::string::npos);
}

TEST_CASE("a certificate for another host is refused") {
  secure_gateway named{"muster.example"};
  auto told = named.refusal(named.authority.ca());
  INFO(told);
  CHECK(told.find("mismatch") != std::string::npos);
  secure_gateway numbered{"127.0.0.2"};
  told = numbered.refusal(numbered.authority.ca());
  INFO(told);
  CHECK(told.find("mismatch") != std::string::npos);
}

TEST_CASE("over TLS a client is told that a server speaks plain HTTP") {
  temp_dir dir;
  test_certificates authority{dir.path()};
  gateway_fixture plain;
  http_client_options options;
  options.tls = client_of(authority.ca());
  auto reply = http_client{"127.0.0.1", plain.port(), options}.get("/healthz");
  REQUIRE(!reply);
  CHECK(reply.error().code == errc::refused);
  CHECK(reply.error().message.find("does not speak TLS") != std::string::npos);
}

TEST_CASE("over TLS an end amid the handshake is no refusal") {
  temp_dir dir;
  test_certificates authority{dir.path()};
  auto engine = tls_engine::connecting(client_of(authority.ca()), {});
  REQUIRE(engine);
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  descriptor here{ends[0]};
  descriptor there{ends[1]};
  ::shutdown(there.get(), SHUT_WR);
  auto met
    = shake_hands(here.get(), *engine, std::chrono::steady_clock::now() + 30s);
  REQUIRE(!met);
  CHECK(met.error().code == errc::unavailable);
}

TEST_CASE("TLS before 1.2 is refused") {
  secure_gateway at;
  auto context = client_of(at.authority.ca());
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
  CHECK_THROWS(raw_connection{at.gate.port(), context});
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  raw_connection good{at.gate.port(), context};
  REQUIRE(good.send(health));
  CHECK(good.reply());
}

TEST_CASE("a client that does not shake hands holds up nobody and is cut off") {
  secure_gateway at{{}, 1s};
  raw_connection silent{at.gate.port()};
  raw_connection halfway{at.gate.port()};
  // The beginning of a long record of a handshake.
  REQUIRE(halfway.send({"\x16\x03\x01\x02\x00\x01\x00", 7}));
  at.gate.await_metric("muster_http_connections", 2);
  CHECK(at.gate.send("GET", "/healthz").status == 200);
  CHECK(silent.ended());
  CHECK(halfway.ended());
  at.gate.await_metric("muster_http_connections", 1);
}

TEST_CASE("a stop does not wait for a handshake") {
  secure_gateway at;
  raw_connection silent{at.gate.port()};
  at.gate.await_metric("muster_http_connections", 1);
  at.gate.server->stop(1h);
  CHECK(silent.ended());
}

TEST_CASE("what is not TLS is cut off, and plain HTTP is told why") {
  secure_gateway at;
  raw_connection lost{at.gate.port()};
  REQUIRE(lost.send(health));
  auto reply = lost.reply();
  REQUIRE(reply);
  CHECK(reply->status == 400);
  CHECK(nlohmann::json::parse(reply->body).at("detail")
        == "This port speaks HTTPS, not HTTP.");
  std::uint64_t total = 1;
  for (std::string noise : {"\r\n\r\n", "hello", "\x16\x03\x01"}) {
    raw_connection other{at.gate.port()};
    REQUIRE(other.send(noise + std::string(5'000, 'x')));
    at.gate.await_metric("muster_http_connections_total", ++total);
    at.gate.await_metric("muster_http_connections", 0);
  }
  CHECK(at.gate.send("GET", "/healthz").status == 200);
}

TEST_CASE("a certificate and a key must be there and fit together") {
  temp_dir dir;
  test_certificates authority{dir.path()};
  auto first = authority.issue("first");
  auto second = authority.issue("second");
  auto why = [](const std::string& certificate, const std::string& key) {
    auto context = tls_context::server(certificate, key);
    REQUIRE(!context);
    return context.error().message;
  };
  CHECK(why(first.certificate, second.key).find("not the key")
        != std::string::npos);
  CHECK(why("absent", first.key).find("cannot read 'absent'")
        != std::string::npos);
  CHECK(why(first.certificate, "absent").find("cannot read 'absent'")
        != std::string::npos);
  CHECK(why(first.key, first.key).find("no certificate") != std::string::npos);
  std::filesystem::permissions(first.key, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  CHECK(why(first.certificate, first.key).find("chmod 600")
        != std::string::npos);
  auto options = gateway_fixture::local();
  options.certificate = second.certificate;
  CHECK(!validate(options));
}
