#include "node_process.hpp"

#include "test/support/temp_dir.hpp"
#include "test/support/test_certificates.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <memory>

// HTTPS, and nodes that show each other certificates.

using namespace muster;

namespace {

std::vector<std::string> node_tls(const tls_files& files) {
  return {"--node-ca=" + files.ca, "--node-certificate=" + files.certificate,
          "--node-key=" + files.key};
}

std::unique_ptr<node_process> start(const temp_dir& home,
                                    std::vector<std::string> settings,
                                    const std::vector<std::string>& more) {
  settings.insert(settings.end(), more.begin(), more.end());
  return std::make_unique<node_process>(home.path(), std::move(settings));
}

std::string join(const node_process& node) {
  return fmt::format("--join=127.0.0.1:{}", node.facts().node.port);
}

bool has_worker(node_process& manager, std::string_view name) {
  auto reply = manager.send(200, "GET", "/v1/workers");
  auto answer = nlohmann::json::parse(reply.body);
  for (auto& worker : answer.at("workers"))
    if (worker.at("name") == name)
      return true;
  return false;
}

} // namespace

TEST_CASE("jobs run on a worker that is reached over TLS") {
  temp_dir certs;
  temp_dir home;
  temp_dir worker_home;
  test_certificates authority{certs.path()};
  auto manager
    = start(home, {"--roles=manager"}, node_tls(authority.issue("first")));
  auto worker
    = start(worker_home, {"--roles=worker", "--name=other", join(*manager)},
            node_tls(authority.issue("second")));
  REQUIRE(eventually([&] { return has_worker(*manager, "other"); }));
  // Larger than what fits into TLS's records and the sockets' buffers.
  std::string large(5'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 997)
    large[i] = static_cast<char>(i);
  for (int i = 0; i < 4; ++i) {
    auto id = manager->enqueue("echo", large);
    auto reply
      = manager->send(200, "GET", "/v1/jobs/" + id + "/result?wait=60s");
    CHECK((reply.body == large));
  }
  for (int i = 0; i < 200; ++i)
    manager->enqueue("echo", std::to_string(i));
  REQUIRE(eventually([&] {
    auto reply = manager->send(200, "GET", "/v1/queues/echo");
    return nlohmann::json::parse(reply.body)["depth"]["succeeded"] == 204;
  }));
  CHECK(worker->stop() == exit_status{});
  CHECK(manager->stop() == exit_status{});
}

TEST_CASE("a node without a good certificate cannot join") {
  temp_dir certs;
  temp_dir home;
  test_certificates authority{certs.path()};
  test_certificates stranger{certs.path(), "stranger"};
  auto manager
    = start(home, {"--roles=manager"}, node_tls(authority.issue("first")));
  auto refused
    = [&](const std::vector<std::string>& settings, std::string_view part) {
        temp_dir worker_home;
        auto worker
          = start(worker_home,
                  {"--roles=worker", "--name=other", join(*manager)}, settings);
        CHECK(eventually(
          [&] { return worker->log().find(part) != std::string::npos; }));
        INFO(worker->log());
        CHECK(!has_worker(*manager, "other"));
        CHECK(worker->client().get("/readyz")->status == 503);
      };
  // Of another authority, which does not trust ours either.
  refused(node_tls(stranger.issue("second")), "TLS: ");
  // It trusts ours, but ours does not trust it.
  auto half = stranger.issue("third");
  half.ca = authority.ca();
  refused(node_tls(half), "TLS: ");
  // No certificate at all.
  refused({}, "does not answer");
  // An old one. (Certificates begin an hour before they are made.)
  refused(node_tls(authority.issue("old", {}, 0)), "TLS: ");
}

TEST_CASE("noise at the node port does not disturb nodes") {
  temp_dir certs;
  temp_dir home;
  temp_dir worker_home;
  test_certificates authority{certs.path()};
  test_certificates stranger{certs.path(), "stranger"};
  auto manager
    = start(home, {"--roles=manager"}, node_tls(authority.issue("first")));
  auto worker
    = start(worker_home, {"--roles=worker", "--name=other", join(*manager)},
            node_tls(authority.issue("second")));
  REQUIRE(eventually([&] { return has_worker(*manager, "other"); }));
  auto connected_since = [&] {
    auto reply = manager->send(200, "GET", "/v1/nodes");
    auto answer = nlohmann::json::parse(reply.body);
    for (auto& node : answer.at("nodes"))
      if (node.at("name") == "other" && node.at("state") == "connected")
        return node.at("since").dump();
    return std::string{"gone"};
  };
  auto before = connected_since();
  for (int i = 0; i < 50; ++i) {
    http_client noise{"127.0.0.1", manager->facts().node.port};
    CHECK(!noise.get("/"));
    http_client_options options;
    options.tls = *tls_context::client(authority.ca());
    http_client no_certificate{"127.0.0.1", manager->facts().node.port,
                               options};
    CHECK(!no_certificate.get("/"));
    auto id = manager->enqueue("echo", "text");
    manager->send(200, "GET", "/v1/jobs/" + id + "/result?wait=60s");
  }
  CHECK(connected_since() == before);
}

TEST_CASE("TLS settings are checked at the start") {
  temp_dir dir;
  test_certificates authority{dir.path()};
  auto files = authority.issue("node");
  auto other = authority.issue("other");
  auto refused = [&dir](std::vector<std::string> settings,
                        std::string_view part) {
    settings.insert(settings.begin(), "node");
    auto result = run_program(dir.path(), settings);
    INFO(result.errors);
    CHECK(result.status == exit_status{false, 2});
    CHECK(result.errors.find(part) != std::string::npos);
    CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
  };
  refused({"--node-ca=" + files.ca}, "go together");
  refused({"--http-key=" + files.key}, "go together");
  files.key = other.key;
  refused(node_tls(files), "not the key");
  files.key = "absent";
  refused(node_tls(files), "'absent'");
  refused({"--http-certificate=" + other.certificate, "--http-key=absent"},
          "'absent'");
}

TEST_CASE("commands use a node over HTTPS with a token") {
  temp_dir dir;
  test_certificates authority{dir.path()};
  auto files = authority.issue("node");
  const std::string secret = "a-secret-of-the-https-tests";
  for (auto& [name, text] :
       {std::pair{"tokens", "ci " + secret + " read,enqueue,work,admin\n"},
        {"token", secret}}) {
    std::ofstream{dir.path() / name} << text;
    std::filesystem::permissions(dir.path() / name,
                                 std::filesystem::perms::owner_read
                                   | std::filesystem::perms::owner_write);
  }
  node_process node{dir.path(),
                    {"--http-certificate=" + files.certificate,
                     "--http-key=" + files.key, "--http-token-file=tokens"}};
  CHECK(node.facts().https);
  auto at = "--http=https://" + to_string(node.facts().http);
  auto ca = "--ca-file=" + files.ca;
  auto token = std::string{"--token-file=token"};
  auto run = [&dir](std::vector<std::string> words) {
    return run_program(dir.path(), words, "hello");
  };
  auto result = run({"enqueue", "--wait", at, ca, token, "echo"});
  INFO(result.errors);
  CHECK(result.out == "hello\n");
  // By what node.json says.
  result = run({"enqueue", "--wait", ca, token, "echo"});
  INFO(result.errors);
  CHECK(result.out == "hello\n");
  result = run({"enqueue", "--wait", at, token, "echo"});
  CHECK(result.status.code == 1);
  CHECK(result.errors.find("TLS: ") != std::string::npos);
  result = run({"backup", ca, token, "copy"});
  INFO(result.errors);
  CHECK(result.status.ok());
  result = run({"bench", "--only=enqueue,drain,e2e", "--quick", at, ca, token});
  INFO(result.out << result.errors);
  CHECK(result.status.ok());
}

TEST_CASE("'muster certs' makes what nodes and commands need, for its owner") {
  temp_dir dir;
  auto run = [&dir](std::vector<std::string> words) {
    return run_program(dir.path(), words, "hello");
  };
  auto result = run({"certs", "--hosts=127.0.0.1,::1", "node1"});
  INFO(result.errors);
  REQUIRE(result.status.ok());
  auto made = dir.path() / "muster-certs";
  auto path = [&made](const char* name) { return (made / name).string(); };
  for (auto* name : {"ca.pem", "ca-key.pem", "node1.pem", "node1-key.pem"}) {
    CHECK(result.out.find(name) != std::string::npos);
    CHECK(std::filesystem::status(path(name)).permissions()
          == (std::filesystem::perms::owner_read
              | std::filesystem::perms::owner_write));
  }
  {
    tls_files files{path("ca.pem"), path("node1.pem"), path("node1-key.pem")};
    temp_dir worker_home;
    auto manager
      = start(dir, node_tls(files),
              {"--roles=manager", "--http-certificate=" + files.certificate,
               "--http-key=" + files.key});
    // Of the same authority, made later.
    REQUIRE(run({"certs", "--hosts=127.0.0.1", "node2"}).status.ok());
    files = {path("ca.pem"), path("node2.pem"), path("node2-key.pem")};
    auto worker
      = start(worker_home, node_tls(files), {"--roles=worker", join(*manager)});
    result = run({"enqueue", "--wait", "--ca-file=" + files.ca, "echo"});
    INFO(result.errors);
    CHECK(result.out == "hello\n");
  }
  // None is replaced, and none is made if one cannot be.
  result = run({"certs", "node3", "node1"});
  CHECK(result.status.code == 1);
  CHECK(result.errors.find("node1.pem' is there already") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(path("node3.pem")));
  for (auto* wrong : {"../node4", "ca", "a b"})
    CHECK(run({"certs", wrong}).status.code == 2);
  CHECK(run({"certs", "--days=0", "node4"}).status.code == 2);
}
