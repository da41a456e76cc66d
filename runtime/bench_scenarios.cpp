#include "runtime/bench_scenarios.hpp"

#include "runtime/bench_local.hpp"

#include <fmt/format.h>

#include <tuple>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr auto echo = "echo";
constexpr millis drain_limit{3'600'000};

tl::unexpected<error> failed(const error& why) {
  return tl::unexpected<error>{why};
}

} // namespace

bench_session::bench_session(bench_sizes sizes, scratch& where,
                             std::optional<bench_target> target,
                             row_sink on_row, progress_sink on_progress)
  : sizes_(std::move(sizes)),
    where_(where),
    target_(std::move(target)),
    on_row_(std::move(on_row)),
    on_progress_(std::move(on_progress)) {
  // nop
}

expected<std::unique_ptr<bench_stage>>
bench_session::open_stage(const std::string& purpose, bool inside) {
  on_progress_(purpose);
  auto number = ++stages_;
  if (target_) {
    auto queue = fmt::format("bench-{}-{}", ::getpid(), number);
    return std::make_unique<bench_stage>(*target_, queue);
  }
  return bench_stage::start(
    where_, number, inside ? bench_stage::inside_queue : "bench",
    {std::string{"--queues="} + bench_stage::inside_queue});
}

// -- disk and journal ---------------------------------------------------------

expected<void> bench_session::alone() {
  on_progress_("the disk alone");
  auto row = measure_disk(where_.path(), sizes_.warm_up, sizes_.window);
  if (!row)
    return failed(row.error());
  on_row_(*row);
  for (std::size_t outstanding : {1, 64}) {
    on_progress_(fmt::format("the journal alone, {} outstanding", outstanding));
    auto directory = where_.path() / fmt::format("journal-{}", outstanding);
    row = measure_journal(directory, outstanding, sizes_.payload,
                          sizes_.warm_up, sizes_.window);
    if (!row)
      return failed(row.error());
    on_row_(*row);
    std::filesystem::remove_all(directory);
  }
  return {};
}

// -- enqueue ------------------------------------------------------------------

expected<void> bench_session::enqueue_row(const std::string& scenario,
                                          const std::string& variant,
                                          enqueue_options what,
                                          std::size_t connections) {
  auto stage = open_stage(
    fmt::format("{}, {}, {} connections", scenario, variant, connections),
    false);
  if (!stage)
    return failed(stage.error());
  auto& at = **stage;
  // No worker is to take what is put in.
  if (auto paused = at.queue().pause(true); !paused)
    return failed(paused.error());
  what.queue = at.queue().queue();
  what.handler = echo;
  what.payload = sizes_.payload;
  enqueue_source source{what, connections};
  auto row = at.run(source, connections, sizes_.warm_up, sizes_.window);
  if (!row)
    return failed(row.error());
  row->scenario = scenario;
  row->variant = variant;
  row->jobs = source.measured();
  row->latency = source.latencies().summary();
  if (auto checked = at.check(*row, source.tally()); !checked)
    return checked;
  on_row_(*row);
  return {};
}

expected<void> bench_session::enqueue() {
  for (auto connections : sizes_.enqueue_connections)
    if (auto done
        = enqueue_row("enqueue", "one job a request", {}, connections);
        !done)
      return done;
  return {};
}

expected<void> bench_session::batch() {
  for (auto format : {batch_format::ndjson, batch_format::msgpack})
    for (auto connections : sizes_.batch_connections) {
      enqueue_options what;
      what.batch = sizes_.batch;
      what.format = format;
      auto name = format == batch_format::ndjson ? "ndjson" : "msgpack";
      auto variant = fmt::format("{} jobs, {}", what.batch, name);
      if (auto done = enqueue_row("batch", variant, what, connections); !done)
        return done;
    }
  return {};
}

// -- end to end ---------------------------------------------------------------

expected<void> bench_session::end_to_end() {
  auto connections = sizes_.end_to_end_connections;
  auto paced = fmt::format("{} jobs/s", sizes_.paced_rate);
  for (auto& [variant, rate] :
       {std::pair{std::string{"wait for each result"}, 0.0},
        std::pair{paced, sizes_.paced_rate}}) {
    auto stage = open_stage("end to end, " + variant, true);
    if (!stage)
      return failed(stage.error());
    if (auto done = round_trips({"e2e", variant}, **stage, connections, rate);
        !done)
      return done;
  }
  auto batches = fmt::format("batches of {}", sizes_.batch);
  for (auto& [variant, batch, over] :
       {std::tuple{std::string{"one job a request"}, std::size_t{1},
                   connections},
        std::tuple{batches, sizes_.batch,
                   sizes_.end_to_end_batch_connections}}) {
    auto stage = open_stage("end to end, " + variant, true);
    if (!stage)
      return failed(stage.error());
    if (auto done = through({"e2e", variant}, **stage, batch, over); !done)
      return done;
  }
  return {};
}

expected<void> bench_session::round_trips(const row_name& name, bench_stage& at,
                                          std::size_t connections,
                                          double rate) {
  round_trip_source source{{at.queue().queue(), echo, sizes_.payload, rate},
                           connections};
  auto row = at.run(source, connections, sizes_.warm_up, sizes_.window);
  if (!row)
    return failed(row.error());
  row->scenario = name.scenario;
  row->variant = name.variant;
  row->jobs = source.latencies().count();
  row->latency = source.latencies().summary();
  auto acknowledged = source.acknowledgements().summary();
  row->facts = {{"ack_p50_ms", acknowledged.p50.count() / 1e6},
                {"ack_p99_ms", acknowledged.p99.count() / 1e6}};
  if (auto checked = at.check(*row, source.tally()); !checked)
    return checked;
  row->missing += source.wrong();
  on_row_(*row);
  return {};
}

// Jobs go in as fast as they can, and are worked on meanwhile; over when the
// last one is done. Latencies are of all jobs and hold the time in the queue.
expected<void> bench_session::through(const row_name& name, bench_stage& at,
                                      std::size_t batch,
                                      std::size_t connections) {
  enqueue_options what;
  what.queue = at.queue().queue();
  what.handler = echo;
  what.payload = sizes_.payload;
  what.batch = batch;
  what.count = batch > 1 ? sizes_.end_to_end_batch_jobs : 0;
  enqueue_source source{what, connections};
  auto row = at.run(source, connections, millis{0},
                    batch > 1 ? drain_limit : sizes_.window);
  if (!row)
    return failed(row.error());
  auto enqueued = static_cast<double>(source.measured()) / row->seconds;
  if (auto checked = at.check(*row, source.tally()); !checked)
    return checked;
  auto done = at.queue().wait_until(
    drain_limit, [](const auto& depth) { return depth.unfinished() == 0; });
  if (!done)
    return failed(done.error());
  auto finished = at.read_finished(done->in(job_state::succeeded));
  if (!finished)
    return failed(finished.error());
  row->scenario = name.scenario;
  row->variant = name.variant;
  row->jobs = finished->succeeded;
  row->seconds = std::chrono::duration<double>{finished->last_finished
                                               - finished->first_enqueued}
                   .count();
  row->latency = finished->latencies.summary();
  row->facts = {{"enqueued_per_second", enqueued}};
  row->client_cpu = row->server_cpu = 0;
  auto acknowledged = source.tally().acknowledged();
  row->missing += acknowledged - std::min(acknowledged, finished->succeeded);
  on_row_(*row);
  return {};
}

} // namespace muster
