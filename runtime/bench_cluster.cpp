#include "runtime/bench_cluster.hpp"

#include <nlohmann/json.hpp>

#include <set>
#include <thread>
#include <utility>

namespace muster {

namespace {

constexpr millis join_limit{60'000};
constexpr millis ask_interval{10};

} // namespace

bench_cluster::bench_cluster(scratch& where, unsigned number,
                             std::vector<std::string> settings)
  : where_(where),
    name_("cluster-" + std::to_string(number)),
    settings_(std::move(settings)) {
  // nop
}

bench_cluster::~bench_cluster() {
  for (auto& [name, worker] : workers_)
    worker.kill();
  std::error_code ignored;
  for (unsigned i = 1; i <= started_; ++i)
    std::filesystem::remove_all(
      where_.path() / (name_ + "-worker-" + std::to_string(i)), ignored);
}

expected<std::unique_ptr<bench_cluster>>
bench_cluster::start(scratch& where, unsigned number, std::size_t workers,
                     std::vector<std::string> settings) {
  std::unique_ptr<bench_cluster> result{
    new bench_cluster{where, number, std::move(settings)}};
  auto stage
    = bench_stage::start(where, number, queue_name, {"--roles=manager"});
  if (!stage)
    return tl::unexpected<error>{stage.error()};
  result->stage_ = std::move(*stage);
  for (std::size_t i = 0; i < workers; ++i)
    if (auto launched = result->launch_worker(); !launched)
      return tl::unexpected<error>{launched.error()};
  if (auto joined = result->wait_for_workers(); !joined)
    return tl::unexpected<error>{joined.error()};
  return result;
}

expected<void> bench_cluster::add_worker() {
  if (auto launched = launch_worker(); !launched)
    return launched;
  return wait_for_workers();
}

expected<void> bench_cluster::kill_worker(const std::string& name) {
  auto pos = workers_.find(name);
  if (pos == workers_.end())
    return fail_with(errc::invalid_argument, "there is no worker " + name);
  pos->second.kill();
  workers_.erase(pos);
  stage_->measure(pids());
  return {};
}

std::vector<pid_t> bench_cluster::pids() const {
  std::vector<pid_t> result{stage_->pid()};
  for (auto& [name, worker] : workers_)
    result.push_back(worker.pid());
  return result;
}

expected<void> bench_cluster::launch_worker() {
  auto name = "worker-" + std::to_string(++started_);
  private_node_options options;
  options.name = name_ + '-' + name;
  options.settings = settings_;
  options.settings.emplace_back("--roles=worker");
  options.settings.push_back("--name=" + name);
  options.settings.push_back("--join=" + to_string(stage_->node_address()));
  auto worker = private_node::start(where_, std::move(options));
  if (!worker)
    return tl::unexpected<error>{worker.error()};
  workers_.emplace(name, std::move(*worker));
  stage_->measure(pids());
  return {};
}

expected<void> bench_cluster::wait_for_workers() {
  auto until = load_clock::now() + join_limit;
  while (true) {
    auto done = has_exactly_these();
    if (!done)
      return tl::unexpected<error>{done.error()};
    if (*done)
      return {};
    if (load_clock::now() >= until)
      return fail_with(errc::timed_out, "the workers do not join");
    std::this_thread::sleep_for(ask_interval);
  }
}

expected<bool> bench_cluster::has_exactly_these() {
  auto reply = stage_->queue().http().get("/v1/workers");
  if (!reply)
    return tl::unexpected<error>{reply.error()};
  if (!reply->ok())
    return tl::unexpected<error>{to_error(*reply)};
  auto body = nlohmann::json::parse(reply->body, nullptr, false);
  if (!body.is_object() || !body["workers"].is_array())
    return fail_with(errc::malformed, "the node's answer is not a list");
  std::set<std::string> wanted;
  for (auto& [name, worker] : workers_)
    wanted.insert(name);
  std::set<std::string> found;
  for (auto& worker : body["workers"])
    found.insert(worker.value("name", ""));
  return found == wanted;
}

} // namespace muster
