#include "test/runtime/gateway_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace muster {

namespace {

constexpr int read_limit_ms = 20'000;

} // namespace

gateway_fixture::gateway_fixture(gateway_options options) {
  journal_options store;
  store.directory = dir.path();
  store.map_size = std::size_t{256} << 20;
  store.segment_size = std::size_t{1} << 20;
  store.disk_reserve = 1;
  auto opened = journal::open(store);
  REQUIRE(opened);
  log = std::move(*opened);
  port->attach(log);
  options.port = 0;
  gateway_backend backend;
  backend.journal = port;
  backend.workers = [] {
    worker_info info;
    info.name = "w1";
    info.queues = {"a", "b"};
    info.concurrency = 3;
    return std::vector{info};
  };
  backend.serving = [this] { return serving; };
  backend.metrics = [] { return std::string{"muster_test 1\n"}; };
  auto started = gateway::start(options, backend);
  REQUIRE(started);
  server = std::move(*started);
  http = std::make_unique<http_client>(client());
}

gateway_fixture::~gateway_fixture() {
  server->stop(std::chrono::milliseconds{0});
  port->detach();
  log->close();
}

http_client gateway_fixture::client() const {
  return http_client{"127.0.0.1", server->port()};
}

http_reply gateway_fixture::send(std::string_view method,
                                 std::string_view target, std::string_view body,
                                 const http_headers& headers) {
  INFO(method << ' ' << target);
  auto reply = http->send(method, target, headers, body);
  REQUIRE(reply);
  return std::move(*reply);
}

nlohmann::json gateway_fixture::json(int status, std::string_view method,
                                     std::string_view target,
                                     std::string_view body,
                                     const http_headers& headers) {
  INFO(method << ' ' << target);
  auto reply = send(method, target, body, headers);
  INFO(reply.body);
  REQUIRE(reply.status == status);
  auto type = reply.header("Content-Type").value_or("");
  CHECK(type == (status < 400 ? "application/json" : "application/problem+json"));
  auto result = nlohmann::json::parse(reply.body, nullptr, false);
  REQUIRE_FALSE(result.is_discarded());
  if (status >= 400) {
    CHECK(result.at("status") == status);
    CHECK_FALSE(result.at("title").get<std::string>().empty());
    CHECK_FALSE(result.at("detail").get<std::string>().empty());
  }
  return result;
}

std::string gateway_fixture::enqueue(std::string_view queue,
                                     std::string_view payload,
                                     std::string_view query) {
  auto target = "/v1/queues/" + std::string{queue} + "/jobs";
  if (!query.empty())
    target += "?" + std::string{query};
  return json(201, "POST", target, payload).at("id").get<std::string>();
}

std::string gateway_fixture::lease(std::string_view queue,
                                   std::string_view query) {
  auto target = "/v1/queues/" + std::string{queue} + "/leases";
  if (!query.empty())
    target += "?" + std::string{query};
  auto leases = json(200, "POST", target).at("leases");
  REQUIRE(leases.size() == 1);
  return leases.at(0).at("token").get<std::string>();
}

std::string gateway_fixture::state_of(const std::string& id) {
  return json(200, "GET", "/v1/jobs/" + id).at("state").get<std::string>();
}

raw_connection::raw_connection(std::uint16_t port)
  : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
}

raw_connection::~raw_connection() {
  ::close(fd_);
}

void raw_connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void raw_connection::shut_down_writing() {
  ::shutdown(fd_, SHUT_WR);
}

bool raw_connection::read_some(std::string& into) {
  pollfd wait{fd_, POLLIN, 0};
  if (::poll(&wait, 1, read_limit_ms) <= 0)
    return false;
  std::array<char, 65'536> buffer;
  auto got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got <= 0)
    return false;
  into.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

std::string raw_connection::read_until(std::string_view text, int times) {
  std::string result;
  auto count = [&] {
    int found = 0;
    for (auto pos = result.find(text); pos != std::string::npos;
         pos = result.find(text, pos + 1))
      ++found;
    return found;
  };
  while (count() < times && read_some(result)) {
    // nop
  }
  return result;
}

std::string raw_connection::read_all() {
  std::string result;
  while (read_some(result)) {
    // nop
  }
  return result;
}

} // namespace muster
