#include "fault_cluster.hpp"
#include "fault_history.hpp"
#include "fault_load.hpp"
#include "fault_network.hpp"
#include "fault_schedule.hpp"
#include "node_process.hpp"

#include "persistence/store.hpp"
#include "runtime/queue_client.hpp"
#include "test/support/store_checker.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>

// A manager, workers and workers outside under load and faults; see
// CONTRIBUTING.md for how to run it longer, or again.

using namespace muster;
using namespace muster::fault;

namespace {

constexpr std::size_t workers = 3;
constexpr std::size_t outside_workers = 2;
constexpr millis drain_limit{180'000};

std::string setting(const char* name) {
  auto* text = std::getenv(name);
  return text != nullptr ? text : "";
}

std::uint64_t chosen_seed() {
  auto text = setting("MUSTER_FAULT_SEED");
  return text.empty() ? std::random_device{}() : std::stoull(text);
}

/// How long faults are made.
millis chosen_length() {
  auto text = setting("MUSTER_FAULT_MINUTES");
  return text.empty()
           ? millis{40'000}
           : millis{static_cast<std::int64_t>(std::stod(text) * 60'000)};
}

/// All that this machine can do, or those that are asked for.
std::vector<fault_kind> chosen_kinds(bool network, bool disks) {
  auto result = parse_kinds(setting("MUSTER_FAULT_KINDS"));
  if (result.empty())
    for (std::size_t i = 0; i < fault_kinds; ++i)
      result.push_back(static_cast<fault_kind>(i));
  std::erase_if(result, [&](auto kind) {
    return (needs_network(kind) && !network)
           || (kind == fault_kind::fill_disk && !disks);
  });
  return result;
}

/// Does faults as planned, in the order of their begins and ends.
void carry_out(fault_cluster& cluster, const std::vector<planned_fault>& plan) {
  struct step {
    millis at;
    bool is_end;
    const planned_fault* fault;
  };
  std::vector<step> steps;
  for (auto& each : plan) {
    steps.push_back({each.at, false, &each});
    steps.push_back({each.at + each.duration, true, &each});
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](auto& x, auto& y) { return x.at < y.at; });
  auto begin = std::chrono::steady_clock::now();
  for (auto& each : steps) {
    std::this_thread::sleep_until(begin + each.at);
    if (!each.is_end) {
      cluster.begin(*each.fault);
    } else if (auto done = cluster.end(*each.fault); !done) {
      INFO(done.error().message);
      FAIL("a node did not start after " << to_string(each.fault->kind));
    }
  }
}

nlohmann::json get(http_client& manager, const std::string& target) {
  auto reply = manager.get(target);
  INFO(target);
  REQUIRE(reply);
  INFO(reply->body);
  REQUIRE(reply->status == 200);
  return nlohmann::json::parse(reply->body);
}

/// Jobs that failed often come back soon all the same.
void set_backoff(fault_cluster& cluster) {
  http_client manager{"127.0.0.1", cluster.http_port()};
  for (auto* queue : {"inside", "outside"}) {
    auto reply = manager.send("PATCH", std::string{"/v1/queues/"} + queue, {},
                              R"({"backoff":{"min":"100ms","max":"1s"}})");
    REQUIRE(reply);
    INFO(reply->body);
    REQUIRE(reply->ok());
  }
}

bool drained(fault_cluster& cluster) {
  http_client manager{"127.0.0.1", cluster.http_port()};
  for (auto* queue : {"inside", "outside"}) {
    auto depth = get(manager, std::string{"/v1/queues/"} + queue).at("depth");
    for (auto* state : {"ready", "leased", "scheduled"})
      if (depth.at(state) != 0)
        return false;
  }
  return true;
}

void ask_for_finals(http_client& manager, history& to) {
  for (auto& [id, job] : to.accepted) {
    auto reply = manager.get("/v1/jobs/" + id);
    REQUIRE(reply);
    if (reply->status == 404)
      continue;
    auto info = nlohmann::json::parse(reply->body);
    auto& last = to.finals[id];
    last.state = info.at("state");
    last.attempt = info.at("attempt");
    if (info.at("worker").is_string())
      last.worker = node_of_worker(info.at("worker"));
    auto result = manager.get("/v1/jobs/" + id + "/result");
    REQUIRE(result);
    if (result->status == 200)
      last.result = result->body;
  }
}

void ask_for_list(http_client& manager, history& to) {
  std::string after = "0";
  while (true) {
    auto page = get(manager, "/v1/completed?top=100&after=" + after);
    if (page.at("jobs").empty())
      return;
    for (auto& job : page.at("jobs"))
      ++to.listed[job.at("id")];
    after = page.at("next");
  }
}

/// Beside the nodes' logs and the log of runs, for whoever has to find out why.
void write_faults(const std::filesystem::path& file, const history& all) {
  std::ofstream out{file};
  for (auto& each : all.faults)
    out << fmt::format("{} {} {} {}\n", to_string(each.kind),
                       each.node.empty() ? "manager" : each.node,
                       each.begin.count(), each.end.count());
}

void print(const history& all) {
  auto figures = count(all);
  fmt::print("  {} jobs acknowledged; {} runs of commands, {} jobs ran again, "
             "{} beside an earlier attempt; {} late outcomes refused; {} "
             "stalls of the machine\n",
             all.accepted.size(), figures.runs, figures.run_again,
             figures.overlaps, figures.fenced, all.stalls.size());
  std::map<fault_kind, std::size_t> times;
  for (auto& each : all.faults)
    ++times[each.kind];
  for (auto& [kind, n] : times) {
    auto& recovery = figures.recovery[kind];
    std::sort(recovery.begin(), recovery.end());
    fmt::print("  {:3} {}", n, to_string(kind));
    if (!recovery.empty())
      fmt::print(": recovered {} times, median {:.3f} s, worst {:.3f} s",
                 recovery.size(), recovery[recovery.size() / 2].count() / 1e9,
                 recovery.back().count() / 1e9);
    fmt::print("\n");
  }
  std::cout.flush();
}

} // namespace

TEST_CASE("nothing acknowledged is lost or recorded twice, whatever fails "
          "between a manager and its workers") {
  auto seed = chosen_seed();
  fmt::print("faults from MUSTER_FAULT_SEED={}\n", seed);
  std::cout.flush();
  INFO("MUSTER_FAULT_SEED=" << seed);
  temp_dir temporary;
  auto kept = setting("MUSTER_FAULT_HOME");
  std::filesystem::path home
    = kept.empty() ? temporary.path()
                   : kept / std::filesystem::path{std::to_string(seed)};
  if (!kept.empty())
    std::filesystem::remove_all(home);
  std::filesystem::create_directories(home);
  auto network = fault_network::create(workers);
  if (!network)
    WARN("links are not cut: " << network.error().message);
  fault_cluster cluster{home, workers, network ? network->get() : nullptr};
  if (!cluster.has_disks())
    WARN("disks are not filled: no file system can be mounted here");
  auto started = cluster.start();
  INFO((started ? "" : started.error().message));
  REQUIRE(started);
  set_backoff(cluster);

  schedule_options options;
  options.seed = seed;
  options.length = chosen_length();
  options.workers = workers;
  options.kinds = chosen_kinds(network.has_value(), cluster.has_disks());
  options.node_timeout = node_timeout;
  options.lease_ttl = lease_ttl;
  history all;
  all.aftermath = lease_ttl;
  {
    fault_load load{seed, outside_workers,
                    [&cluster] { return cluster.http_port(); }};
    carry_out(cluster, plan_faults(options));
    CHECK(eventually([&] { return cluster.whole(); }));
    load.stop_enqueueing();
    CHECK(eventually([&] { return drained(cluster); }, drain_limit));
    load.stop();
    load.move_to(all);
  }
  http_client manager{"127.0.0.1", cluster.http_port()};
  ask_for_finals(manager, all);
  ask_for_list(manager, all);
  auto stopped = cluster.stop();
  INFO((stopped ? "" : stopped.error().message));
  CHECK(stopped);
  all.faults = cluster.faults();
  all.runs = parse_runs(cluster.run_log());
  print(all);
  write_faults(home / "faults.log", all);
  CHECK(find_violations(all) == std::vector<std::string>{});
  CHECK(all.accepted.size() > 100);
  store_options at;
  at.directory = cluster.manager_data();
  auto db = store::open(at);
  REQUIRE(db);
  CHECK(check_store(**db) == std::vector<std::string>{});
}
