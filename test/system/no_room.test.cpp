#include "node_process.hpp"
#include "small_disk.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>

using namespace muster;

namespace {

constexpr int plenty = 4'000;

/// Enqueues until it is refused; fails the test unless that is for want of
/// room. Returns the accepted jobs.
std::vector<std::string> fill(node_process& node, std::string_view code) {
  std::vector<std::string> ids;
  std::string payload(60'000, 'x');
  auto client = node.client();
  for (int i = 0; i < plenty; ++i) {
    auto reply
      = client.post("/v1/queues/heap/jobs?handler=echo&delay=1h", payload);
    REQUIRE(reply);
    auto body = nlohmann::json::parse(reply->body);
    if (reply->status != 201) {
      INFO(reply->body);
      CHECK(reply->status == 503);
      CHECK(body.at("code") == code);
      return ids;
    }
    ids.push_back(body.at("id"));
  }
  FAIL("the store was never full");
  return ids;
}

} // namespace

TEST_CASE("a full store refuses jobs, keeps those it has, and goes on") {
  temp_dir dir;
  std::vector<std::string> settings{"--map-size=16MiB", "--segment-size=1MiB",
                                    "--snapshot-bytes=1MiB"};
  node_process node{dir.path(), settings};
  auto running = node.enqueue("heap", "hello", "handler=echo");
  auto ids = fill(node, "store_full");
  REQUIRE(ids.size() > 20);
  for (auto& id : ids)
    REQUIRE(node.state_of(id) == "scheduled");
  // Completions have room of their own.
  CHECK(node.send(200, "GET", "/v1/jobs/" + running + "/result?wait=30s").body
        == "hello");
  node.send(200, "GET", "/readyz");
  for (auto& id : ids)
    node.send(200, "DELETE", "/v1/jobs/" + id);
  node.send(200, "DELETE", "/v1/queues/heap/jobs?state=cancelled");
  // What was purged is free from the next commit on.
  std::string next;
  CHECK(eventually([&] {
    auto reply = node.client().post("/v1/queues/heap/jobs?handler=echo", "on");
    REQUIRE(reply);
    if (reply->status != 201)
      return false;
    next = nlohmann::json::parse(reply->body).at("id");
    return true;
  }));
  CHECK(node.send(200, "GET", "/v1/jobs/" + next + "/result?wait=30s").body
        == "on");
  CHECK(node.stop().ok());
}

TEST_CASE("a full disk refuses jobs, keeps those it has, and goes on") {
  temp_dir dir;
  small_disk disk{dir.path() / "disk", "96m"};
  if (!disk.mounted())
    SKIP("no file system can be mounted here: " << std::strerror(errno));
  auto ballast = disk.path() / "ballast";
  std::ofstream{ballast} << std::string(40u << 20, 'x');
  std::vector<std::string> settings{
    "--segment-size=1MiB", "--snapshot-bytes=1MiB", "--disk-reserve=16MiB"};
  std::vector<std::string> ids;
  {
    node_process node{disk.path(), settings};
    ids = fill(node, "disk_full");
    REQUIRE(ids.size() > 20);
    node.send(200, "GET", "/readyz");
    std::filesystem::remove(ballast);
    CHECK(eventually([&] {
      auto reply
        = node.client().post("/v1/queues/heap/jobs?handler=echo", "on");
      return reply && reply->status == 201;
    }));
    CHECK(node.stop().ok());
  }
  node_process node{disk.path(), settings};
  for (auto& id : ids)
    REQUIRE(node.state_of(id) == "scheduled");
}
