#include "runtime/bench_stage.hpp"

#include "runtime/process_usage.hpp"

#include <algorithm>
#include <thread>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t fill_batch = 1'000;
constexpr std::size_t fill_connections = 2;
// Of fills and drains; only a node that hangs needs as long.
constexpr millis long_time{3'600'000};
// Lists are as old as the node's last commit.
constexpr millis settle_time{10'000};
constexpr std::size_t page_size = 10'000;

double seconds_between(timestamp from, timestamp to) {
  return std::chrono::duration<double>{std::max(to - from, millis{1})}.count();
}

} // namespace

bench_stage::bench_stage(const bench_target& target, std::string queue)
  : target_(target) {
  if (target_.pid > 0)
    measured_ = {target_.pid};
  queue_.emplace(target.host, target.port, std::move(queue), target.http);
}

expected<std::unique_ptr<bench_stage>>
bench_stage::start(scratch& where, unsigned number, std::string queue,
                   std::vector<std::string> settings) {
  std::unique_ptr<bench_stage> result{new bench_stage};
  result->where_ = &where;
  result->name_ = "node-" + std::to_string(number);
  result->queue_.emplace("", 0, std::move(queue));
  // What earlier rows have written is none of this one's business.
  ::sync();
  auto launched = result->launch(std::move(settings));
  if (!launched)
    return tl::unexpected<error>{launched.error()};
  return result;
}

bench_stage::~bench_stage() {
  if (node_) {
    node_->kill();
    std::error_code ignored;
    std::filesystem::remove_all(where_->path() / name_, ignored);
  } else if (where_ == nullptr) {
    for (auto state : {job_state::ready, job_state::succeeded})
      static_cast<void>(queue_->purge(state));
  }
}

expected<void> bench_stage::launch(std::vector<std::string> settings) {
  private_node_options options;
  options.name = name_;
  options.settings = std::move(settings);
  auto started = private_node::start(*where_, std::move(options));
  if (!started)
    return tl::unexpected<error>{started.error()};
  node_.emplace(std::move(*started));
  target_ = {node_->host(), node_->port(), node_->pid(), {}};
  measured_ = {target_.pid};
  queue_.emplace(target_.host, target_.port, queue_->queue());
  return {};
}

expected<bench_row> bench_stage::run(load_source& source,
                                     std::size_t connections, millis warm_up,
                                     millis window) {
  load_options options;
  options.host = target_.host;
  options.port = target_.port;
  options.token = target_.http.token;
  options.tls = target_.http.tls;
  options.connections = connections;
  options.warm_up = warm_up;
  options.window = window;
  options.servers = measured_;
  auto report = run_load(options, source);
  if (!report)
    return tl::unexpected<error>{report.error()};
  bench_row row;
  row.connections = connections;
  row.jobs = report->replies;
  row.seconds = report->seconds;
  row.client_cpu = report->client_cpu_seconds;
  row.server_cpu = report->server_cpu_seconds;
  row.errors = report->unanswered;
  return row;
}

expected<void> bench_stage::fill(std::uint64_t jobs, const std::string& handler,
                                 std::size_t payload) {
  auto in_batches = jobs - jobs % fill_batch;
  for (auto [count, batch] : {std::pair{in_batches, fill_batch},
                              std::pair{jobs - in_batches, std::size_t{1}}}) {
    if (count == 0)
      continue;
    enqueue_options what{queue_->queue(),       handler, payload, batch,
                         batch_format::msgpack, count};
    enqueue_source source{what, fill_connections};
    auto row = run(source, fill_connections, millis{0}, long_time);
    if (!row)
      return tl::unexpected<error>{row.error()};
    auto& tally = source.tally();
    if (tally.errors() + row->errors > 0)
      return fail_with(errc::unavailable,
                       "could not fill the queue: "
                         + (tally.errors() > 0 ? tally.first_error()
                                               : "connections were lost"));
  }
  return queue_
    ->wait_until(
      settle_time,
      [jobs](const queue_depth& depth) { return depth.all() >= jobs; })
    .map([](const queue_depth&) {});
}

expected<void> bench_stage::check(bench_row& row, const job_tally& tally) {
  auto acknowledged = tally.acknowledged();
  auto depth
    = queue_->wait_until(settle_time, [acknowledged](const queue_depth& now) {
        return now.all() >= acknowledged;
      });
  if (!depth && depth.error().code == errc::timed_out)
    depth = queue_->depth();
  if (!depth)
    return tl::unexpected<error>{depth.error()};
  row.errors += tally.errors();
  row.missing += acknowledged - std::min(acknowledged, depth->all());
  row.missing += tally.repeated();
  if (tally.errors() > 0)
    row.note = "first error: " + tally.first_error();
  return {};
}

expected<finished_jobs>
bench_stage::read_finished(std::uint64_t expected_jobs) {
  finished_jobs result;
  auto until = load_clock::now() + settle_time;
  while (true) {
    auto page = queue_->finished(cursor_, page_size);
    if (!page)
      return tl::unexpected<error>{page.error()};
    if (page->jobs.empty()) {
      if (result.succeeded >= expected_jobs || load_clock::now() >= until)
        return result;
      std::this_thread::sleep_for(millis{10});
    }
    cursor_ = page->next;
    for (auto& job : page->jobs) {
      if (!job.succeeded)
        continue;
      ++result.succeeded;
      result.first_enqueued = std::min(result.first_enqueued, job.enqueued_at);
      result.first_started = std::min(result.first_started, job.started_at);
      result.last_finished = std::max(result.last_finished, job.finished_at);
      result.latencies.add(job.finished_at - job.enqueued_at);
    }
  }
}

expected<bench_row> bench_stage::drain_inside(std::uint64_t jobs) {
  auto before = queue_->depth();
  if (!before)
    return tl::unexpected<error>{before.error()};
  auto goal = before->in(job_state::succeeded) + jobs;
  auto cpu = cpu_time(measured_);
  if (auto resumed = queue_->pause(false); !resumed)
    return tl::unexpected<error>{resumed.error()};
  auto drained = queue_->wait_until(long_time, [goal](const auto& depth) {
    return depth.in(job_state::succeeded) >= goal;
  });
  if (!drained)
    return tl::unexpected<error>{drained.error()};
  auto cpu_after = cpu_time(measured_);
  if (auto paused = queue_->pause(true); !paused)
    return tl::unexpected<error>{paused.error()};
  auto quiet = queue_->wait_until(long_time, [](const auto& depth) {
    return depth.in(job_state::leased) == 0;
  });
  if (!quiet)
    return tl::unexpected<error>{quiet.error()};
  auto finished = read_finished(
    quiet->in(job_state::succeeded)-before->in(job_state::succeeded));
  if (!finished)
    return tl::unexpected<error>{finished.error()};
  bench_row row;
  row.jobs = finished->succeeded;
  row.seconds
    = seconds_between(finished->first_started, finished->last_finished);
  if (cpu && cpu_after)
    row.server_cpu = std::chrono::duration<double>{*cpu_after - *cpu}.count();
  return row;
}

expected<load_clock::time_point>
bench_stage::restart(bool crash, std::vector<std::string> settings) {
  if (crash) {
    node_->kill();
  } else if (auto stopped = node_->stop(); !stopped) {
    return tl::unexpected<error>{stopped.error()};
  }
  node_.reset();
  auto started = load_clock::now();
  if (auto launched = launch(std::move(settings)); !launched)
    return tl::unexpected<error>{launched.error()};
  return started;
}

} // namespace muster
