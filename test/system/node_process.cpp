#include "node_process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <utility>

namespace muster {

namespace {

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

program_result run_program(const std::filesystem::path& dir,
                           const std::vector<std::string>& words,
                           std::string_view input) {
  auto in = dir / "program.in";
  auto errors = dir / "program.errors";
  std::filesystem::remove(errors);
  std::ofstream{in, std::ios::binary} << input;
  process_options options;
  options.command
    = {"sh", "-c", R"(exec "$@" <program.in)", "sh", MUSTER_PROGRAM};
  options.command.insert(options.command.end(), words.begin(), words.end());
  options.directory = dir;
  options.errors = errors;
  auto child = process::start(options);
  REQUIRE(child);
  program_result result;
  auto status = child->wait(patience);
  REQUIRE(status);
  result.status = *status;
  while (auto line = child->read_line(patience))
    result.out += *line + '\n';
  result.errors = content_of(errors);
  return result;
}

node_process::node_process(std::filesystem::path home,
                           std::vector<std::string> settings)
  : home_(std::move(home)) {
  process_options options;
  options.command = {MUSTER_PROGRAM, "node", "--http-port=0", "--node-port=0"};
  options.command.insert(options.command.end(), settings.begin(),
                         settings.end());
  options.directory = home_;
  options.errors = home_ / "node.log";
  auto child = process::start(options);
  REQUIRE(child);
  child_.emplace(std::move(*child));
  auto line = child_->read_line(patience);
  INFO(log());
  REQUIRE(line);
  ready_line_ = *line;
  auto facts = read_node_json(data_dir());
  REQUIRE(facts);
  facts_ = *facts;
}

http_reply node_process::send(int status, std::string_view method,
                              std::string_view target, std::string_view body,
                              const http_headers& headers) {
  auto reply = client().send(method, target, headers, body);
  INFO(method << ' ' << target);
  REQUIRE(reply);
  INFO(reply->body);
  REQUIRE(reply->status == status);
  return std::move(*reply);
}

std::string node_process::enqueue(std::string_view queue,
                                  std::string_view payload,
                                  std::string_view query) {
  auto target = "/v1/queues/" + std::string{queue} + "/jobs";
  if (!query.empty())
    target += '?' + std::string{query};
  auto reply = send(201, "POST", target, payload);
  return nlohmann::json::parse(reply.body).at("id").get<std::string>();
}

std::string node_process::state_of(const std::string& id) {
  auto reply = send(200, "GET", "/v1/jobs/" + id);
  return nlohmann::json::parse(reply.body).at("state").get<std::string>();
}

exit_status node_process::stop(int signal) {
  child_->kill(signal);
  auto status = child_->wait(patience);
  INFO(log());
  REQUIRE(status);
  return *status;
}

void node_process::kill() {
  child_->kill(9);
  REQUIRE(child_->wait(patience));
}

std::string node_process::log() const {
  return content_of(home_ / "node.log");
}

} // namespace muster
