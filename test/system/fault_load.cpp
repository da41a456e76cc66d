#include "fault_load.hpp"

#include "runtime/http_text.hpp"
#include "runtime/queue_client.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <utility>

namespace muster::fault {

namespace {

constexpr millis retry_pause{20};
/// Mean time between two jobs of a queue, and how many may wait.
constexpr std::uint64_t mean_interval = 30;
constexpr std::uint64_t max_depth = 200;
constexpr millis depth_interval{500};
/// Of the leases of workers outside.
constexpr millis outside_ttl{1'500};
/// A pause that took so much longer is a stall.
constexpr millis clock_step{50};
constexpr millis stall_limit{500};

/// The monotonic time of a time stamp of the manager's.
std::optional<instant> to_instant(const nlohmann::json& answer) {
  auto pos = answer.find("deadline");
  if (pos == answer.end() || !pos->is_string())
    return std::nullopt;
  auto time = parse_time(pos->get<std::string>());
  if (!time)
    return std::nullopt;
  return now() + (*time - std::chrono::system_clock::now());
}

/// Most jobs are short, some take as long as a fault.
std::string make_payload(std::uint64_t number, std::uint64_t choice) {
  auto kind = choice % 100;
  auto length = choice / 100 % (kind < 80 ? 60 : kind < 97 ? 400 : 4'000);
  auto mode = kind == 0 ? "crash" : kind == 1 ? "exit" : "good";
  return fmt::format("{} {} {}", number, length, mode);
}

} // namespace

class fault_load::manager_client {
public:
  explicit manager_client(const fault_load& owner)
    : owner_(owner), client_(connect()) {
    // nop
  }

  expected<http_reply> send(std::string_view method, std::string_view target,
                            std::string_view body = {},
                            const http_headers& headers = {}) {
    if (owner_.port_() != port_)
      client_ = connect();
    return client_.send(method, target, headers, body);
  }

private:
  http_client connect() {
    port_ = owner_.port_();
    http_client_options limits;
    limits.connect_limit = millis{1'000};
    limits.read_limit = millis{5'000};
    return {"127.0.0.1", port_, limits};
  }

  const fault_load& owner_;
  std::uint16_t port_ = 0;
  http_client client_;
};

fault_load::fault_load(std::uint64_t seed, std::size_t outside_workers,
                       std::function<std::uint16_t()> port)
  : port_(std::move(port)) {
  std::mt19937_64 seeds{seed};
  for (auto* queue : {"inside", "outside"})
    enqueuers_.emplace_back(
      [this, queue, own = seeds()] { enqueue_to(queue, own); });
  for (std::size_t i = 0; i < outside_workers; ++i)
    workers_.emplace_back(
      [this, i, own = seeds()] { work(own, fmt::format("outside-{}", i)); });
  workers_.emplace_back([this] { watch_clock(); });
}

fault_load::~fault_load() {
  stop();
}

void fault_load::stop_enqueueing() {
  enqueueing_ = false;
  for (auto& thread : std::exchange(enqueuers_, {}))
    thread.join();
}

void fault_load::stop() {
  working_ = false;
  stop_enqueueing();
  for (auto& thread : std::exchange(workers_, {}))
    thread.join();
}

void fault_load::move_to(history& to) {
  std::lock_guard guard{mutex_};
  to.accepted = std::move(told_.accepted);
  to.grants = std::move(told_.grants);
  to.settlements = std::move(told_.settlements);
  to.stalls = std::move(told_.stalls);
}

// -- enqueueing ---------------------------------------------------------------

// Each job is sent until it is acknowledged, with a key against doing it twice.
// What `stop` interrupts is a job that nobody was promised.
void fault_load::enqueue_to(const std::string& queue, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  manager_client manager{*this};
  auto look_again = now();
  std::uint64_t depth = 0;
  for (std::uint64_t number = 1; enqueueing_; ++number) {
    auto payload = make_payload(number, random());
    auto key = fmt::format("{}-{}", queue, number);
    while (enqueueing_ || working_) {
      auto reply = manager.send(
        "POST",
        fmt::format("/v1/queues/{}/jobs?handler=logged&max_attempts=1000",
                    queue),
        payload, {{"Idempotency-Key", key}});
      if (reply && reply->ok()) {
        std::string id = nlohmann::json::parse(reply->body).at("id");
        std::lock_guard guard{mutex_};
        told_.accepted[id] = {queue, number, now()};
        break;
      }
      pause(retry_pause);
    }
    pause(millis{static_cast<std::int64_t>(random() % (2 * mean_interval))});
    do {
      if (now() < look_again)
        continue;
      look_again = now() + depth_interval;
      auto reply = manager.send("GET", "/v1/queues/" + queue);
      if (!reply || reply->status != 200)
        continue;
      auto states = nlohmann::json::parse(reply->body).at("depth");
      depth = 0;
      for (auto* state : {"ready", "leased", "scheduled"})
        depth += states.at(state).get<std::uint64_t>();
    } while (depth > max_depth && enqueueing_ && (pause(retry_pause), true));
  }
}

// -- working outside ----------------------------------------------------------

void fault_load::work(std::uint64_t seed, const std::string& name) {
  std::mt19937_64 random{seed};
  manager_client manager{*this};
  auto target
    = fmt::format("/v1/queues/outside/leases?max=4&wait=300ms&ttl={}ms&"
                  "worker={}",
                  outside_ttl.count(), name);
  while (working_) {
    auto reply = manager.send("POST", target);
    if (!reply || reply->status != 200) {
      pause(retry_pause);
      continue;
    }
    auto received = now();
    std::vector<std::pair<grant_record, std::uint64_t>> leases;
    auto answer = nlohmann::json::parse(reply->body);
    for (auto& each : answer.at("leases")) {
      grant_record lease;
      lease.job = each.at("id");
      lease.attempt = each.at("attempt");
      lease.received = received;
      lease.deadline = to_instant(each).value();
      auto text = each.at("payload_base64").get<std::string>();
      leases.emplace_back(lease,
                          std::stoull(base64_decode(text).value_or("0")));
      std::lock_guard guard{mutex_};
      told_.grants.push_back(lease);
    }
    for (auto& [lease, number] : leases)
      work_on(manager, random(), lease, number);
  }
}

void fault_load::work_on(manager_client& manager, std::uint64_t choice,
                         const grant_record& lease, std::uint64_t number) {
  auto result = fmt::format("{} {} {}", number, lease.job, lease.attempt);
  auto kind = choice % 100;
  pause(millis{static_cast<std::int64_t>(choice / 100 % 20)});
  if (kind < 2) // As one that was killed: it never tells.
    return;
  if (kind < 4) {
    settle(manager, request_kind::fail, lease, R"({"error":"so it goes"})");
    return;
  }
  if (kind < 6) {
    settle(manager, request_kind::release, lease, {});
    return;
  }
  if (kind < 8) // Comes back when its time is over.
    pause(outside_ttl + millis{static_cast<std::int64_t>(choice % 700)});
  if (kind < 12)
    settle(manager, request_kind::extend, lease,
           fmt::format(R"({{"ttl":"{}ms"}})", outside_ttl.count()));
  auto told = settle(manager, request_kind::complete, lease, result);
  if (told == verdict::unknown || kind < 16)
    settle(manager, request_kind::complete, lease, result);
}

verdict fault_load::settle(manager_client& manager, request_kind kind,
                           const grant_record& lease, std::string_view body) {
  constexpr std::array<const char*, 4> names{"complete", "fail", "release",
                                             "extend"};
  settle_record record;
  record.kind = kind;
  record.job = lease.job;
  record.attempt = lease.attempt;
  record.sent = now();
  auto reply
    = manager.send("POST",
                   fmt::format("/v1/leases/{}-{}/{}", lease.job, lease.attempt,
                               names.at(static_cast<std::size_t>(kind))),
                   body);
  if (reply && reply->ok()) {
    record.answer = verdict::accepted;
    if (kind == request_kind::extend)
      record.deadline = to_instant(nlohmann::json::parse(reply->body));
  } else if (reply && reply->status == 409) {
    record.answer = verdict::refused;
  }
  std::lock_guard guard{mutex_};
  told_.settlements.push_back(record);
  return record.answer;
}

// -- time ---------------------------------------------------------------------

void fault_load::watch_clock() {
  auto last = now();
  while (working_) {
    std::this_thread::sleep_for(clock_step);
    auto time = now();
    if (time - last > clock_step + stall_limit) {
      std::lock_guard guard{mutex_};
      told_.stalls.push_back({last, time});
    }
    last = time;
  }
}

void fault_load::pause(millis time) const {
  std::this_thread::sleep_for(time);
}

} // namespace muster::fault
