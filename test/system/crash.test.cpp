#include "node_process.hpp"

#include "persistence/store.hpp"
#include "runtime/http_text.hpp"
#include "test/support/store_checker.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

using namespace muster;

namespace {

/// How often the node is killed; MUSTER_KILLS says otherwise.
int kills() {
  auto* text = std::getenv("MUSTER_KILLS");
  return text != nullptr ? std::max(std::atoi(text), 1) : 10;
}

/// Two clients that enqueue, and a worker outside the node, for as long as the
/// test wants, through whatever happens to the node. They keep what the node
/// has acknowledged.
class load {
public:
  load() {
    for (auto* queue : {"inside", "outside"})
      threads_.emplace_back([this, queue] { enqueue_to(queue); });
    threads_.emplace_back([this] { work(); });
  }

  ~load() {
    stop();
  }

  /// Where the node is from now on.
  void move_to(std::uint16_t port) {
    port_ = port;
  }

  /// No more new jobs.
  void stop_enqueueing() {
    enqueueing_ = false;
  }

  void stop() {
    enqueueing_ = false;
    working_ = false;
    for (auto& thread : threads_)
      if (thread.joinable())
        thread.join();
  }

  // Valid once stopped.
  /// Payloads of acknowledged jobs by queue and id.
  std::map<std::string, std::map<std::string, std::string>> accepted;
  /// Results that the outside worker was told are recorded, by job.
  std::map<std::string, std::string> completed;
  /// How many jobs were sent, acknowledged or not, by queue.
  std::map<std::string, std::size_t> sent;

private:
  void enqueue_to(const std::string& queue) {
    std::map<std::string, std::string> mine;
    std::size_t number = 0;
    auto port = port_.load();
    http_client client{"127.0.0.1", port, limits()};
    while (enqueueing_) {
      if (auto now = port_.load(); std::exchange(port, now) != now)
        client = http_client{"127.0.0.1", now, limits()};
      auto key = fmt::format("{}-{}", queue, number);
      auto reply = client.post(
        fmt::format("/v1/queues/{}/jobs?handler=echo&max_attempts=100", queue),
        "payload of " + key, {{"Idempotency-Key", key}});
      if (reply && (reply->status == 201 || reply->status == 200)) {
        mine[nlohmann::json::parse(reply->body).at("id")] = "payload of " + key;
        ++number;
      } else {
        // The same job again, to whoever answers next.
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
      }
    }
    std::lock_guard guard{mutex_};
    accepted[queue] = std::move(mine);
    sent[queue] = number + 1;
  }

  void work() {
    std::map<std::string, std::string> mine;
    auto port = port_.load();
    http_client client{"127.0.0.1", port, limits()};
    while (working_) {
      if (auto now = port_.load(); std::exchange(port, now) != now)
        client = http_client{"127.0.0.1", now, limits()};
      auto reply = client.post(
        "/v1/queues/outside/leases?max=8&wait=100ms&ttl=2s&worker=outsider");
      if (!reply || reply->status != 200) {
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
        continue;
      }
      auto answer = nlohmann::json::parse(reply->body);
      for (auto& lease : answer.at("leases")) {
        auto text = lease.at("payload_base64").get<std::string>();
        auto result = "done: " + base64_decode(text).value_or("?");
        auto told
          = client.post(fmt::format("/v1/leases/{}/complete",
                                    lease.at("token").get<std::string>()),
                        result);
        if (told && told->ok())
          mine[lease.at("id")] = result;
      }
    }
    std::lock_guard guard{mutex_};
    completed = std::move(mine);
  }

  static http_client_options limits() {
    http_client_options result;
    result.connect_limit = millis{1'000};
    result.read_limit = millis{10'000};
    return result;
  }

  std::atomic<std::uint16_t> port_{0};
  std::atomic<bool> enqueueing_{true};
  std::atomic<bool> working_{true};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

bool all_done(node_process& node, const char* queue) {
  auto reply = node.send(200, "GET", std::string{"/v1/queues/"} + queue);
  auto depth = nlohmann::json::parse(reply.body).at("depth");
  return depth.at("ready") == 0 && depth.at("leased") == 0
         && depth.at("scheduled") == 0;
}

/// Compares what is in the store with what was acknowledged.
void check_against(const store& db, const load& work) {
  auto reading = db.read();
  REQUIRE(reading);
  auto view = reading->view();
  for (auto& [queue, jobs] : work.accepted) {
    INFO(queue);
    std::size_t lost = 0;
    std::size_t wrong = 0;
    for (auto& [text, payload] : jobs) {
      auto id = parse_job_id(text);
      REQUIRE(id);
      auto job = view.job(*id);
      auto result = view.result(*id);
      if (!job || job->queue != queue || view.payload(*id) != payload)
        ++lost;
      else if (job->state != job_state::succeeded || !result
               || !result->ends_with(payload))
        ++wrong;
    }
    CHECK(lost == 0);
    CHECK(wrong == 0);
    auto info = view.queue(queue);
    REQUIRE(info);
    // A job that was sent again was not put in again.
    CHECK(info->enqueued_total >= jobs.size());
    CHECK(info->enqueued_total <= work.sent.at(queue));
    CHECK(info->count(job_state::succeeded) == info->enqueued_total);
    CHECK(info->dead_total == 0);
  }
  std::size_t forgotten = 0;
  for (auto& [text, result] : work.completed)
    if (view.result(*parse_job_id(text)) != result)
      ++forgotten;
  CHECK(forgotten == 0);
}

} // namespace

TEST_CASE(
  "nothing acknowledged is lost when a node is killed again and again") {
  temp_dir dir;
  const std::vector<std::string> settings{
    "--queues=inside", "--lease-ttl=2s", "--log-level=warning",
    "--segment-size=1MiB", "--snapshot-bytes=1MiB"};
  std::random_device device;
  auto seed = device();
  INFO("seed " << seed);
  std::minstd_rand random{seed};
  std::uniform_int_distribution<int> moment{0, 400};
  auto node = std::make_unique<node_process>(dir.path(), settings);
  load work;
  work.move_to(node->facts().http.port);
  for (int i = 0; i < kills(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{moment(random)});
    node->kill();
    node = std::make_unique<node_process>(dir.path(), settings);
    work.move_to(node->facts().http.port);
  }
  work.stop_enqueueing();
  CHECK(eventually(
    [&] { return all_done(*node, "inside") && all_done(*node, "outside"); }));
  work.stop();
  CHECK(node->stop().ok());
  CHECK(work.accepted["inside"].size() > 0);
  CHECK(work.completed.size() > 0);
  store_options options;
  options.directory = dir.path() / "muster-data";
  auto db = store::open(options);
  REQUIRE(db);
  CHECK(check_store(**db) == std::vector<std::string>{});
  check_against(**db, work);
}
