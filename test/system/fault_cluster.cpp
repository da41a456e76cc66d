#include "fault_cluster.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <system_error>

namespace muster::fault {

namespace {

constexpr millis stop_limit{60'000};
constexpr int start_tries = 3;

std::string as_setting(std::string_view name, millis value) {
  return fmt::format("--{}={}ms", name, value.count());
}

/// Whether GET answers 200; its body goes to `body`.
bool get(http_client client, std::string_view target, std::string& body) {
  auto reply = client.get(target);
  if (!reply || reply->status != 200)
    return false;
  body = std::move(reply->body);
  return true;
}

// One node runs its jobs in processes of its own.
std::size_t processes_of(std::size_t worker) {
  return worker == 0 ? 2 : 0;
}

} // namespace

std::string node_of_worker(const std::string& worker) {
  return worker.substr(0, worker.find('.'));
}

fault_cluster::fault_cluster(std::filesystem::path home, std::size_t workers,
                             fault_network* network)
  : home_(std::move(home)), network_(network) {
  std::ofstream{home_ / "muster.conf"}
    << fmt::format("exec.handlers.logged = [\"{}\", \"{}\"]\n",
                   MUSTER_LOGGED_JOB, (home_ / "runs.log").string());
  add_manager();
  for (std::size_t i = 0; i < workers; ++i)
    add_worker(i);
}

// SIGKILL ends stopped processes, too.
fault_cluster::~fault_cluster() = default;

void fault_cluster::add_manager() {
  fault_node_options options;
  options.name = "manager";
  options.home = home_ / options.name;
  options.data_dir = options.home / "data";
  options.settings
    = {"--roles=manager", "--segment-size=1MiB", "--snapshot-bytes=1MiB"};
  if (network_ != nullptr) {
    options.settings.push_back("--node-address=" + network_->manager_address());
    options.settings.emplace_back("--insecure");
  }
  options.settings.push_back(as_setting("node-timeout", node_timeout));
  options.settings.push_back(as_setting("node-heartbeat", node_timeout / 5));
  manager_ = std::make_unique<fault_node>(std::move(options));
}

void fault_cluster::add_worker(std::size_t i) {
  fault_node_options options;
  options.name = fmt::format("worker-{}", i);
  options.home = home_ / options.name;
  options.data_dir = options.home / "disk" / "data";
  options.environment = {"MUSTER_FAULT_NODE=" + options.name};
  options.settings = {"--roles=worker", "--queues=inside", "--concurrency=4",
                      "--drain-timeout=2s",
                      "--config-file=" + (home_ / "muster.conf").string()};
  options.settings.push_back(
    fmt::format("--worker-processes={}", processes_of(i)));
  options.settings.push_back(as_setting("node-timeout", node_timeout));
  options.settings.push_back(as_setting("node-heartbeat", node_timeout / 5));
  options.settings.push_back(as_setting("lease-ttl", lease_ttl));
  if (network_ != nullptr) {
    options.prefix = network_->prefix(i);
    for (auto* name : {"node-address", "http-address"})
      options.settings.push_back(
        fmt::format("--{}={}", name, network_->worker_address(i)));
    options.settings.emplace_back("--insecure");
  }
  std::filesystem::create_directories(options.home);
  disks_.push_back(std::make_unique<small_disk>(options.home / "disk", "32m"));
  workers_.push_back(std::make_unique<fault_node>(std::move(options)));
}

expected<void> fault_cluster::start() {
  auto result = start_manager(true);
  for (std::size_t i = 0; result && i < workers_.size(); ++i)
    result = start_worker(i);
  return result;
}

expected<void> fault_cluster::start_manager(bool move) {
  auto& last = manager_->facts();
  // Ports that were free before may be taken: then the next ones do as well.
  auto result = manager_->start(
    {fmt::format("--http-port={}", move ? 0 : last.http.port),
     fmt::format("--node-port={}", move ? 0 : last.node.port)});
  if (result)
    http_port_ = manager_->facts().http.port;
  return result;
}

// It keeps its port, as a node of which others know must if they may move at
// the same time.
expected<void> fault_cluster::start_worker(std::size_t i) {
  auto& node = *workers_.at(i);
  return node.start(
    {fmt::format("--node-port={}", node.facts().node.port), "--http-port=0",
     fmt::format("--join={}", to_string(manager_->facts().node))});
}

void fault_cluster::begin(const planned_fault& fault) {
  fault_record record;
  record.kind = fault.kind;
  record.begin = record.end = now();
  if (!is_for_manager(fault.kind))
    record.node = workers_.at(fault.worker)->options().name;
  switch (fault.kind) {
    case fault_kind::kill_worker:
      workers_.at(fault.worker)->kill();
      break;
    case fault_kind::restart_worker:
      workers_.at(fault.worker)->signal(SIGTERM);
      break;
    case fault_kind::stop_worker:
      workers_.at(fault.worker)->signal(SIGSTOP);
      break;
    case fault_kind::fill_disk:
      fill_disk(fault.worker);
      break;
    case fault_kind::cut_link:
      network_->cut(fault.worker);
      break;
    case fault_kind::cut_to_manager:
      network_->cut_to_manager(fault.worker);
      break;
    case fault_kind::cut_from_manager:
      network_->cut_from_manager(fault.worker);
      break;
    case fault_kind::slow_link:
      network_->slow(fault.worker);
      break;
    case fault_kind::kill_manager:
    case fault_kind::move_manager:
      manager_->kill();
      break;
    case fault_kind::stop_manager:
      manager_->signal(SIGSTOP);
      break;
  }
  faults_.push_back(std::move(record));
}

expected<void> fault_cluster::end(const planned_fault& fault) {
  expected<void> result;
  auto name = is_for_manager(fault.kind)
                ? std::string{}
                : workers_.at(fault.worker)->options().name;
  auto record = std::find_if(faults_.rbegin(), faults_.rend(), [&](auto& each) {
    return each.kind == fault.kind && each.node == name;
  });
  record->end = now();
  switch (fault.kind) {
    case fault_kind::restart_worker:
      if (result = workers_.at(fault.worker)->wait(stop_limit); !result)
        return result;
      [[fallthrough]];
    case fault_kind::kill_worker:
      for (int i = 0; i < start_tries; ++i)
        if (result = start_worker(fault.worker); result)
          break;
      break;
    case fault_kind::stop_worker:
      workers_.at(fault.worker)->signal(SIGCONT);
      break;
    case fault_kind::fill_disk:
      std::filesystem::remove(ballast(fault.worker));
      break;
    case fault_kind::cut_link:
    case fault_kind::cut_to_manager:
    case fault_kind::cut_from_manager:
    case fault_kind::slow_link:
      network_->heal(fault.worker);
      break;
    case fault_kind::kill_manager:
    case fault_kind::move_manager:
      result = start_manager(fault.kind == fault_kind::move_manager);
      break;
    case fault_kind::stop_manager:
      manager_->signal(SIGCONT);
      break;
  }
  // Recovery of a manager counts from its start, faults of others last until
  // they are undone.
  if (!is_for_manager(fault.kind))
    record->end = now();
  return result;
}

std::filesystem::path fault_cluster::ballast(std::size_t i) const {
  return disks_.at(i)->path() / "ballast";
}

void fault_cluster::fill_disk(std::size_t i) {
  std::ofstream out{ballast(i), std::ios::binary};
  std::string chunk(4'096, 'x');
  while (
    out.write(chunk.data(), static_cast<std::streamsize>(chunk.size())).flush())
    ;
}

bool fault_cluster::has_disks() const {
  return std::all_of(disks_.begin(), disks_.end(),
                     [](auto& each) { return each->mounted(); });
}

bool fault_cluster::whole() {
  std::string body;
  if (!get({"127.0.0.1", http_port_}, "/v1/workers", body))
    return false;
  auto known = nlohmann::json::parse(body).at("workers");
  std::size_t expected_in_all = 0;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto& facts = workers_[i]->facts();
    auto count = std::count_if(known.begin(), known.end(), [&](auto& each) {
      return node_of_worker(each.at("name")) == facts.name;
    });
    auto wanted = std::max<std::size_t>(processes_of(i), 1);
    expected_in_all += wanted;
    std::string host
      = facts.http.host.empty() ? std::string{"127.0.0.1"} : facts.http.host;
    if (static_cast<std::size_t>(count) != wanted
        || !get({host, facts.http.port}, "/readyz", body))
      return false;
  }
  return known.size() == expected_in_all;
}

expected<void> fault_cluster::stop() {
  expected<void> result;
  for (auto& node : workers_)
    node->signal(SIGTERM);
  for (auto& node : workers_)
    if (auto ended = node->wait(stop_limit); !ended)
      result = ended;
  manager_->signal(SIGTERM);
  auto ended = manager_->wait(stop_limit);
  return ended ? result : ended;
}

std::string fault_cluster::run_log() const {
  std::ifstream in{home_ / "runs.log", std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::filesystem::path fault_cluster::manager_data() const {
  return manager_->options().data_dir;
}

} // namespace muster::fault
