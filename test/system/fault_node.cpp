#include "fault_node.hpp"

#include <csignal>
#include <fstream>
#include <iterator>
#include <utility>

namespace muster::fault {

namespace {

constexpr millis start_limit{60'000};

} // namespace

fault_node::fault_node(fault_node_options options)
  : options_(std::move(options)) {
  std::filesystem::create_directories(options_.home);
}

expected<void> fault_node::start(const std::vector<std::string>& more) {
  process_options call;
  call.command = options_.prefix;
  for (auto* word : {MUSTER_PROGRAM, "node"})
    call.command.emplace_back(word);
  call.command.push_back("--name=" + options_.name);
  call.command.push_back("--data-dir=" + options_.data_dir.string());
  auto add = [&call](const std::vector<std::string>& words) {
    call.command.insert(call.command.end(), words.begin(), words.end());
  };
  add(options_.settings);
  add(more);
  call.environment = options_.environment;
  call.directory = options_.home;
  call.errors = options_.home / "node.log";
  auto started = process::start(call);
  if (!started)
    return tl::unexpected{started.error()};
  process_.emplace(std::move(*started));
  if (auto line = process_->read_line(start_limit); !line) {
    process_.reset();
    return fail_with(errc::unavailable,
                     options_.name + " did not start: " + log_tail(2'000));
  }
  auto facts = read_node_json(options_.data_dir);
  if (!facts)
    return tl::unexpected{facts.error()};
  facts_ = std::move(*facts);
  return {};
}

void fault_node::kill() {
  if (!process_)
    return;
  process_->kill(SIGKILL);
  static_cast<void>(process_->wait(start_limit));
  process_.reset();
}

expected<void> fault_node::wait(millis limit) {
  if (!process_)
    return {};
  auto status = process_->wait(limit);
  process_.reset();
  if (status && status->ok())
    return {};
  return fail_with(errc::unavailable,
                   options_.name + " did not end well: "
                     + (status ? to_string(*status) : status.error().message)
                     + "\n" + log_tail(2'000));
}

void fault_node::signal(int number) {
  if (process_)
    process_->kill(number);
}

bool fault_node::running() {
  return process_ && process_->running();
}

std::string fault_node::log_tail(std::size_t bytes) const {
  std::ifstream in{options_.home / "node.log", std::ios::binary};
  std::string all{std::istreambuf_iterator<char>{in}, {}};
  return all.size() <= bytes ? all : all.substr(all.size() - bytes);
}

} // namespace muster::fault
