#include "fault_network.hpp"

#include "runtime/process.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sched.h>
#include <thread>
#include <unistd.h>

namespace muster::fault {

namespace {

constexpr millis command_limit{30'000};
constexpr auto own_namespace = "/proc/thread-self/ns/net";
/// Of nobody.
constexpr auto no_neighbour = "02:00:00:00:ff:ff";

int open_own_namespace() {
  return ::open(own_namespace, O_RDONLY | O_CLOEXEC);
}

/// A fresh one that lives as long as the descriptor; -1 on failure.
int make_namespace() {
  int result = -1;
  std::thread{[&result] {
    if (::unshare(CLONE_NEWNET) == 0)
      result = open_own_namespace();
  }}.join();
  return result;
}

std::string path_of(int fd) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), fd);
}

} // namespace

expected<std::unique_ptr<fault_network>>
fault_network::create(std::size_t workers) {
  std::unique_ptr<fault_network> result{new fault_network};
  result->home_ = open_own_namespace();
  if (result->home_ < 0 || ::unshare(CLONE_NEWNET) != 0)
    return fail_with(errc::unavailable,
                     "no network namespace can be made here (not root?)");
  if (!result->set_up(workers))
    return fail_with(errc::unavailable,
                     "no bridge and cables can be made here (iproute2 and "
                     "nsenter missing, or a kernel without veth)");
  return result;
}

fault_network::~fault_network() {
  for (auto fd : hosts_)
    ::close(fd);
  if (home_ >= 0) {
    static_cast<void>(::setns(home_, CLONE_NEWNET));
    ::close(home_);
  }
}

bool fault_network::set_up(std::size_t workers) {
  if (!run(fmt::format("ip link set lo up; ip link add hub type bridge; "
                       "ip addr add {}/24 dev hub; ip link set hub up",
                       manager_address())))
    return false;
  for (std::size_t i = 0; i < workers; ++i) {
    hosts_.push_back(make_namespace());
    if (hosts_.back() < 0
        || !run(fmt::format(
          "ip link add cable{0} type veth peer name eth0 netns {1}; "
          "ip link set cable{0} master hub up; "
          "{2} ip link set lo up; {2} ip addr add {3}/24 dev eth0; "
          "{2} ip link set eth0 up",
          i, path_of(hosts_.back()), inside(i), worker_address(i))))
      return false;
  }
  netem_ = run("tc qdisc add dev hub root netem delay 1ms")
           && run("tc qdisc del dev hub root");
  return true;
}

std::string fault_network::manager_address() const {
  return "10.77.0.1";
}

std::string fault_network::worker_address(std::size_t worker) const {
  return fmt::format("10.77.0.{}", 10 + worker);
}

std::vector<std::string> fault_network::prefix(std::size_t worker) const {
  return {"nsenter", "--net=" + path_of(hosts_.at(worker))};
}

std::string fault_network::inside(std::size_t worker) const {
  return "nsenter --net=" + path_of(hosts_.at(worker));
}

void fault_network::cut(std::size_t worker) {
  run(fmt::format("ip link set cable{} nomaster", worker));
}

void fault_network::cut_to_manager(std::size_t worker) {
  run(fmt::format("{} ip neigh replace {} lladdr {} dev eth0 nud permanent",
                  inside(worker), manager_address(), no_neighbour));
}

void fault_network::cut_from_manager(std::size_t worker) {
  run(fmt::format("ip neigh replace {} lladdr {} dev hub nud permanent",
                  worker_address(worker), no_neighbour));
}

void fault_network::slow(std::size_t worker) {
  auto how = netem_ ? "netem delay 100ms 50ms loss 10%"
                    : "tbf rate 64kbit burst 2000 limit 6000";
  run(fmt::format("tc qdisc replace dev cable{0} root {1}; "
                  "{2} tc qdisc replace dev eth0 root {1}",
                  worker, how, inside(worker)));
}

void fault_network::heal(std::size_t worker) {
  run(fmt::format("ip link set cable{0} master hub up; "
                  "{1} ip neigh del {2} dev eth0; ip neigh del {3} dev hub; "
                  "tc qdisc del dev cable{0} root; "
                  "{1} tc qdisc del dev eth0 root; true",
                  worker, inside(worker), manager_address(),
                  worker_address(worker)));
}

bool fault_network::run(std::string_view script) const {
  // Word by word, each command must succeed, except where `true` ends it.
  auto text = std::string{script};
  if (!text.ends_with("true"))
    text = "set -e; " + text;
  process_options options;
  options.command = {"sh", "-c", text};
  options.errors = "/dev/null";
  auto shell = process::start(options);
  if (!shell)
    return false;
  auto status = shell->wait(command_limit);
  return status && status->ok();
}

} // namespace muster::fault
