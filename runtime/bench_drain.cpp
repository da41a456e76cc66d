#include "runtime/bench_scenarios.hpp"
#include "runtime/process_usage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace muster {

namespace {

constexpr auto echo = "echo";
constexpr millis drain_limit{3'600'000};
constexpr millis lease_wait{30'000};
constexpr double mebibyte = 1'048'576;

tl::unexpected<error> failed(const error& why) {
  return tl::unexpected<error>{why};
}

void add_memory(bench_row& row, pid_t pid) {
  auto memory = memory_of(pid);
  if (!memory)
    return;
  row.facts.emplace_back("rss_anon_mib",
                         static_cast<double>(memory->anonymous) / mebibyte);
  row.facts.emplace_back("rss_mib",
                         static_cast<double>(memory->resident) / mebibyte);
}

/// Pauses a queue and fills it.
expected<void> prepare(bench_stage& stage, std::uint64_t jobs,
                       std::size_t payload) {
  if (auto paused = stage.queue().pause(true); !paused)
    return paused;
  return stage.fill(jobs, echo, payload);
}

} // namespace

// -- drain --------------------------------------------------------------------

expected<void> bench_session::drain() {
  auto stage = open_stage(
    fmt::format("drain, {} jobs, own workers", sizes_.drain_jobs), true);
  if (!stage)
    return failed(stage.error());
  if (auto done = drain_inside({"drain", "own workers, echo"}, **stage); !done)
    return done;
  stage->reset();
  if (target_) {
    on_progress_("not measured: outside workers, since the node's own may take "
                 "their jobs");
    return {};
  }
  return drain_outside();
}

expected<void> bench_session::drain_inside(const row_name& name,
                                           bench_stage& at) {
  auto jobs = sizes_.drain_jobs;
  if (auto ready = prepare(at, jobs, sizes_.payload); !ready)
    return ready;
  auto row = at.drain_inside(jobs);
  if (!row)
    return failed(row.error());
  row->scenario = name.scenario;
  row->variant = name.variant;
  row->missing = jobs - std::min(jobs, row->jobs);
  on_row_(*row);
  return {};
}

expected<void> bench_session::drain_outside() {
  auto jobs = sizes_.drain_jobs;
  auto stage
    = open_stage(fmt::format("drain, {} jobs, outside workers", jobs), false);
  if (!stage)
    return failed(stage.error());
  auto& at = **stage;
  if (auto ready = prepare(at, jobs, sizes_.payload); !ready)
    return ready;
  if (auto resumed = at.queue().pause(false); !resumed)
    return resumed;
  outside_worker_options what{at.queue().queue(), sizes_.outside_batch,
                              sizes_.payload, jobs};
  outside_worker_source source{what, sizes_.outside_workers};
  auto row = at.run(source, sizes_.outside_workers, millis{0}, drain_limit);
  if (!row)
    return failed(row.error());
  row->scenario = "drain";
  row->variant = fmt::format("HTTP workers, {} leases", what.batch);
  row->jobs = source.completed();
  row->latency = source.latencies().summary();
  row->errors += source.tally().errors();
  row->note = source.tally().first_error();
  auto depth = at.queue().wait_until(millis{10'000}, [jobs](const auto& now) {
    return now.in(job_state::succeeded) >= jobs;
  });
  if (!depth)
    row->missing += jobs - std::min(jobs, row->jobs);
  on_row_(*row);
  return {};
}

// -- deep queue ---------------------------------------------------------------

// How fast a queue drains must not depend on how much is in it; nor must the
// time that a start takes, nor the memory.
expected<void> bench_session::deep() {
  if (target_)
    return fail_with(errc::invalid_argument,
                     "a deep queue is measured on a private node only");
  auto shallow = drain_shallow();
  if (!shallow)
    return failed(shallow.error());
  auto jobs = sizes_.deep_jobs;
  auto stage
    = open_stage(fmt::format("filling a queue with {} jobs", jobs), true);
  if (!stage)
    return failed(stage.error());
  auto& at = **stage;
  auto began = load_clock::now();
  if (auto ready = prepare(at, jobs, sizes_.payload); !ready)
    return ready;
  bench_row row;
  row.scenario = "deep";
  row.variant = "fill, batches of 1000";
  row.jobs = jobs;
  row.seconds
    = std::chrono::duration<double>{load_clock::now() - began}.count();
  add_memory(row, at.pid());
  on_row_(row);
  if (auto done = drain_deep(at, *shallow); !done)
    return done;
  for (auto crash : {false, true})
    if (auto done = start_deep(at, crash); !done)
      return done;
  auto depth = at.queue().depth();
  if (!depth)
    return failed(depth.error());
  bench_row last;
  last.scenario = "deep";
  last.variant = "after all that";
  last.missing = jobs - std::min(jobs, depth->all());
  add_memory(last, at.pid());
  on_row_(last);
  return {};
}

// Fills and drains some times.
expected<double> bench_session::drain_shallow() {
  auto jobs = sizes_.shallow_jobs;
  auto stage
    = open_stage(fmt::format("draining queues of {} jobs", jobs), true);
  if (!stage)
    return failed(stage.error());
  auto& at = **stage;
  if (auto paused = at.queue().pause(true); !paused)
    return failed(paused.error());
  std::uint64_t in_all = 0;
  auto fill = [&]() -> expected<void> {
    in_all += jobs;
    if (auto filled = at.fill(jobs, echo, sizes_.payload); !filled)
      return filled;
    auto depth = at.queue().wait_until(
      millis{10'000}, [in_all](auto& now) { return now.all() >= in_all; });
    if (!depth)
      return failed(depth.error());
    return {};
  };
  auto row = drain_in_rounds(at, fill);
  if (!row)
    return failed(row.error());
  row->variant = fmt::format("drain, {} queued", jobs);
  on_row_(*row);
  return row->rate();
}

expected<void> bench_session::drain_deep(bench_stage& stage, double shallow) {
  auto row = drain_in_rounds(stage, [] { return expected<void>{}; });
  if (!row)
    return failed(row.error());
  row->variant = fmt::format("drain, {} queued", sizes_.deep_jobs);
  row->facts.emplace_back("ratio_to_shallow", row->rate() / shallow);
  on_row_(*row);
  return {};
}

// The median of some drains of the same number of jobs each, so that only what
// stays in the queue makes a difference.
expected<bench_row>
bench_session::drain_in_rounds(bench_stage& stage,
                               const std::function<expected<void>()>& before) {
  auto jobs = std::min(sizes_.shallow_jobs,
                       sizes_.deep_jobs / (2 * sizes_.drain_rounds));
  std::vector<bench_row> rows;
  for (std::size_t i = 0; i < sizes_.drain_rounds; ++i) {
    if (auto ready = before(); !ready)
      return failed(ready.error());
    on_progress_(fmt::format("draining {} jobs", jobs));
    auto row = stage.drain_inside(jobs);
    if (!row)
      return failed(row.error());
    row->missing = jobs - std::min(jobs, row->jobs);
    rows.push_back(*row);
  }
  std::sort(rows.begin(), rows.end(),
            [](auto& lhs, auto& rhs) { return lhs.rate() < rhs.rate(); });
  auto median = rows[rows.size() / 2];
  median.scenario = "deep";
  for (auto& row : rows)
    median.missing = std::max(median.missing, row.missing);
  median.note = fmt::format("median of {}, from {} to {} jobs/s", rows.size(),
                            render_number(rows.front().rate()),
                            render_number(rows.back().rate()));
  add_memory(median, stage.pid());
  return median;
}

// From the start of the process until a job is in an outside worker's hands.
expected<void> bench_session::start_deep(bench_stage& stage, bool crash) {
  std::string how = crash ? "a crash" : "SIGTERM";
  on_progress_("starting again after " + how);
  // Its own workers are to leave the queue alone.
  auto began = stage.restart(crash, {"--queues=none"});
  if (!began)
    return failed(began.error());
  auto ready = load_clock::now() - *began;
  auto& queue = stage.queue();
  if (auto resumed = queue.pause(false); !resumed)
    return resumed;
  auto lease = queue.lease(lease_wait);
  auto first = load_clock::now() - *began;
  if (!lease)
    return failed(lease.error());
  bench_row row;
  row.scenario = "deep";
  row.variant = "start after " + how;
  row.missing = *lease ? 0 : 1;
  row.facts
    = {{"ready_seconds", std::chrono::duration<double>{ready}.count()},
       {"first_lease_seconds", std::chrono::duration<double>{first}.count()}};
  add_memory(row, stage.pid());
  on_row_(row);
  return queue.pause(true);
}

} // namespace muster
