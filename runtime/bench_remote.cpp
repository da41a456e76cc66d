#include "runtime/bench_cluster.hpp"
#include "runtime/bench_scenarios.hpp"
#include "runtime/process_usage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

// Workers in processes of their own.

namespace muster {

namespace {

constexpr auto variant_one = "one job a request";
/// Of the cluster that is worked with.
constexpr std::size_t working = 2;

// Of the rounds in which a worker is killed. A job runs long enough to be found
// running, and short enough not to be waited for.
constexpr std::size_t jobs_a_round = 8;
constexpr millis job_length{250};
constexpr millis result_limit{60'000};
constexpr unsigned round_tries = 5;
/// Room for the jobs of both on either worker.
constexpr auto roomy = "--concurrency=8";

tl::unexpected<error> failed(const error& why) {
  return tl::unexpected<error>{why};
}

timestamp wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

/// The worker that runs most of these jobs; empty if none runs.
std::string busiest(const std::vector<job_facts>& jobs) {
  std::map<std::string, std::size_t> running;
  for (auto& job : jobs)
    if (job.state == job_state::leased)
      ++running[job.worker];
  auto pos
    = std::max_element(running.begin(), running.end(),
                       [](auto& a, auto& b) { return a.second < b.second; });
  return pos != running.end() ? pos->first : std::string{};
}

expected<std::vector<job_facts>> look_at(queue_client& queue,
                                         const std::vector<std::string>& ids) {
  std::vector<job_facts> result;
  for (auto& id : ids) {
    auto job = queue.job(id);
    if (!job)
      return failed(job.error());
    result.push_back(std::move(*job));
  }
  return result;
}

} // namespace

expected<std::unique_ptr<bench_cluster>>
bench_session::open_cluster(const std::string& purpose, std::size_t workers,
                            std::vector<std::string> settings) {
  on_progress_(purpose);
  return bench_cluster::start(where_, ++stages_, workers, std::move(settings));
}

expected<void> bench_session::remote() {
  if (target_)
    return fail_with(errc::invalid_argument,
                     "remote workers are measured on private nodes only");
  for (auto step :
       {&bench_session::remote_alone, &bench_session::remote_through,
        &bench_session::remote_drain, &bench_session::remote_idle,
        &bench_session::remote_kills})
    if (auto done = (this->*step)(); !done)
      return done;
  return {};
}

// -- throughput and latency ---------------------------------------------------

expected<void> bench_session::remote_alone() {
  auto cluster = open_cluster("remote, one job at a time", working);
  if (!cluster)
    return failed(cluster.error());
  return round_trips({"remote", "one job at a time"}, (*cluster)->stage(), 1,
                     0);
}

expected<void> bench_session::remote_through() {
  auto connections = sizes_.end_to_end_connections;
  auto batches = fmt::format("batches of {}", sizes_.batch);
  for (auto& [variant, batch, over] :
       {std::tuple{std::string{variant_one}, std::size_t{1}, connections},
        std::tuple{batches, sizes_.batch,
                   sizes_.end_to_end_batch_connections}}) {
    auto cluster = open_cluster("remote, " + variant, working);
    if (!cluster)
      return failed(cluster.error());
    if (auto done
        = through({"remote", variant}, (*cluster)->stage(), batch, over);
        !done)
      return done;
  }
  return {};
}

expected<void> bench_session::remote_drain() {
  auto cluster = open_cluster(
    fmt::format("remote, drain of {} jobs", sizes_.drain_jobs), working);
  if (!cluster)
    return failed(cluster.error());
  return drain_inside({"remote", fmt::format("drain, {} workers", working)},
                      (*cluster)->stage());
}

// -- idle ---------------------------------------------------------------------

// What nodes cost that have nothing to do.
expected<void> bench_session::remote_idle() {
  auto workers = sizes_.idle_workers;
  auto cluster = open_cluster(fmt::format("{} idle workers", workers), workers);
  if (!cluster)
    return failed(cluster.error());
  auto pids = (*cluster)->pids();
  std::this_thread::sleep_for(sizes_.idle_settle);
  auto began = load_clock::now();
  auto cpu = cpu_time(pids);
  auto wakes = wake_ups(pids);
  std::this_thread::sleep_for(sizes_.idle_window);
  std::chrono::duration<double> length = load_clock::now() - began;
  auto cpu_after = cpu_time(pids);
  auto wakes_after = wake_ups(pids);
  if (!cpu || !cpu_after || !wakes || !wakes_after)
    return fail_with(errc::io_error, "cannot read what the nodes use");
  bench_row row;
  row.scenario = "remote";
  row.variant = fmt::format("idle, {} workers", workers);
  std::chrono::duration<double> used = *cpu_after - *cpu;
  row.facts = {{"cpu_percent_of_a_core", used / length * 100},
               {"wake_ups_per_second",
                static_cast<double>(*wakes_after - *wakes) / length.count()},
               {"idle_seconds", length.count()}};
  on_row_(row);
  return {};
}

// -- killed workers -----------------------------------------------------------

// How long the jobs of a worker that is killed stand still.
expected<void> bench_session::remote_kills() {
  auto rounds = sizes_.kill_rounds;
  auto cluster = open_cluster("killing workers", working, {roomy});
  if (!cluster)
    return failed(cluster.error());
  bench_row row;
  row.scenario = "remote";
  row.variant = "worker killed, job moved";
  latency_record latencies;
  for (std::size_t i = 0; i < rounds; ++i) {
    on_progress_(fmt::format("killing workers, {} of {}", i + 1, rounds));
    auto done = kill_one(**cluster, row, latencies);
    if (!done)
      return failed(done.error());
  }
  row.latency = latencies.summary();
  row.note = fmt::format("{} rounds; the slowest job of each", rounds);
  on_row_(row);
  return {};
}

// Enqueues some jobs, kills the worker that runs most of them, and waits until
// all have run. What counts is the time from the kill until a job that the dead
// worker had runs again: until its result is recorded, less the time for which
// it runs.
expected<void> bench_session::kill_one(bench_cluster& cluster, bench_row& row,
                                       latency_record& latencies) {
  auto& queue = cluster.stage().queue();
  for (unsigned tries = 0; tries < round_tries; ++tries) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < jobs_a_round; ++i) {
      auto id = queue.enqueue("sleep", fmt::format("{}ms", job_length.count()));
      if (!id)
        return failed(id.error());
      ids.push_back(*id);
    }
    auto before = look_at(queue, ids);
    if (!before)
      return failed(before.error());
    auto victim = busiest(*before);
    if (victim.empty())
      continue;
    auto killed_at = wall_clock();
    if (auto killed = cluster.kill_worker(victim); !killed)
      return killed;
    for (auto& id : ids)
      if (auto waited = queue.wait_for_result(id, result_limit); !waited)
        return failed(waited.error());
    auto after = look_at(queue, ids);
    if (!after)
      return failed(after.error());
    auto slowest = millis{0};
    std::uint64_t moved = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      row.missing += (*after)[i].state != job_state::succeeded;
      if ((*before)[i].worker != victim || (*after)[i].attempt < 2)
        continue;
      ++moved;
      slowest
        = std::max(slowest, (*after)[i].finished_at - killed_at - job_length);
    }
    row.jobs += moved;
    if (auto added = cluster.add_worker(); !added)
      return added;
    if (moved == 0)
      continue;
    latencies.add(slowest);
    return {};
  }
  return fail_with(errc::timed_out, "no worker was killed while it ran a job");
}

} // namespace muster
