#include "runtime/command_line.hpp"
#include "runtime/http_client.hpp"
#include "runtime/http_text.hpp"

#include <fmt/format.h>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <thread>

namespace muster {

namespace {

constexpr auto help = R"(muster enqueue [--OPTION=VALUE ...] QUEUE [FILE ...]

Puts jobs into a queue: the content of each FILE is one job, or standard input
is. Prints the jobs' ids, one a line, in the order of the input.

  --lines                 each line of the input is a job
  --wait                  print results instead, in order, as they are there;
                          exit status 1 if a job did not succeed
  --http=HOST:PORT        default: the node of ./muster-data, else
                          127.0.0.1:8420
  --handler=NAME          default: the queue's name
  --priority=100          0 to 255, higher first
  --delay=0               not before this time has passed
  --max-attempts=5        failures until the job is dead
  --timeout=60s           of one attempt
  --ttl=0                 cancelled if not begun within this time
  --idempotency-key=KEY   the same key again adds nothing (with many jobs: the
                          key, a dash and the job's number)

Requests that were not answered are sent again; nothing is added twice.

Examples:

  echo hello | muster enqueue --wait echo
  seq 1 1000 | muster enqueue --lines squares --handler=square
)";

constexpr std::size_t batch_jobs = 500;
constexpr std::size_t batch_bytes = std::size_t{4} << 20;
constexpr int tries = 8;
constexpr auto first_pause = std::chrono::milliseconds{100};
constexpr auto wait_slice = "60s";

struct enqueue_options {
  bool lines = false;
  bool wait = false;
  std::string http;
  std::string handler;
  std::string priority;
  std::string delay;
  std::string max_attempts;
  std::string timeout;
  std::string ttl;
  std::string key;
};

/// The address in `node.json`, or the default.
expected<endpoint> find_node(const std::string& given) {
  if (!given.empty())
    return parse_endpoint(given);
  std::ifstream in{"muster-data/node.json"};
  auto facts = nlohmann::json::parse(in, nullptr, false);
  if (facts.is_object() && facts.contains("http")) {
    auto& http = facts["http"];
    if (http.contains("address") && http.contains("port"))
      return endpoint{http["address"].get<std::string>(),
                      http["port"].get<std::uint16_t>()};
  }
  return endpoint{"127.0.0.1", 8420};
}

std::string random_key() {
  std::random_device random;
  return fmt::format("cli-{:08x}{:08x}", random(), random());
}

/// The payloads of the input, one at a time.
class job_source {
public:
  job_source(std::vector<std::string> files, bool lines)
    : files_(std::move(files)), lines_(lines) {
    if (files_.empty())
      files_.emplace_back("-");
  }

  /// Nothing at the end. Fails for a file that cannot be read.
  expected<std::optional<std::string>> next() {
    while (true) {
      if (input_ == nullptr) {
        if (index_ == files_.size())
          return std::nullopt;
        if (auto ok = open(files_[index_++]); !ok)
          return tl::unexpected{ok.error()};
      }
      std::string payload;
      if (lines_) {
        if (std::getline(*input_, payload))
          return payload;
        input_ = nullptr;
        continue;
      }
      payload.assign(std::istreambuf_iterator<char>{*input_}, {});
      input_ = nullptr;
      return payload;
    }
  }

private:
  expected<void> open(const std::string& name) {
    if (name == "-") {
      input_ = &std::cin;
      return {};
    }
    file_ = std::ifstream{name, std::ios::binary};
    std::error_code ec;
    if (!file_ || std::filesystem::is_directory(name, ec))
      return fail_with(errc::io_error, "cannot read " + name);
    input_ = &file_;
    return {};
  }

  std::vector<std::string> files_;
  bool lines_;
  std::size_t index_ = 0;
  std::ifstream file_;
  std::istream* input_ = nullptr;
};

/// Jobs on their way to a queue.
class job_sender {
public:
  job_sender(const endpoint& node, std::string queue, enqueue_options options)
    : client_(node.host, node.port),
      queue_(std::move(queue)),
      options_(std::move(options)) {
    if (options_.key.empty())
      options_.key = random_key();
    else
      own_key_ = true;
  }

  expected<void> add(std::string payload) {
    bytes_ += payload.size();
    batch_.push_back(std::move(payload));
    if (batch_.size() >= batch_jobs || bytes_ >= batch_bytes)
      return flush();
    return {};
  }

  expected<void> flush() {
    if (batch_.empty())
      return {};
    auto body = encode_batch();
    auto reply = send("POST", "/v1/queues/" + queue_ + "/jobs/batch", body);
    if (!reply)
      return tl::unexpected{reply.error()};
    auto answer = nlohmann::json::parse(reply->body, nullptr, false);
    if (!answer.is_object() || !answer.contains("ids"))
      return fail_with(errc::malformed, "the node's answer is no list of ids");
    for (auto& id : answer["ids"])
      ids_.push_back(id.get<std::string>());
    batch_.clear();
    bytes_ = 0;
    show_progress();
    return {};
  }

  /// Waits for each job and prints its result. Returns how many failed.
  expected<std::size_t> print_results() {
    std::size_t failed = 0;
    for (auto& id : ids_) {
      auto target = fmt::format("/v1/jobs/{}/result?wait={}", id, wait_slice);
      auto reply = send("GET", target, {});
      while (reply && reply->status == 202)
        reply = send("GET", target, {});
      if (!reply && reply.error().code != errc::cancelled)
        return tl::unexpected{reply.error()};
      if (!reply) {
        ++failed;
        fmt::print(stderr, "job {}: {}\n", id, reply.error().message);
        continue;
      }
      std::fwrite(reply->body.data(), 1, reply->body.size(), stdout);
      if (!reply->body.ends_with('\n'))
        std::fputc('\n', stdout);
      std::fflush(stdout);
    }
    return failed;
  }

  [[nodiscard]] const std::vector<std::string>& ids() const noexcept {
    return ids_;
  }

  void end_progress() const {
    if (::isatty(STDERR_FILENO) != 0 && !ids_.empty())
      fmt::print(stderr, "\r\033[K");
  }

private:
  std::string encode_batch() {
    msgpack::sbuffer out;
    msgpack::packer<msgpack::sbuffer> to{out};
    to.pack_array(static_cast<std::uint32_t>(batch_.size()));
    auto number = ids_.size();
    for (auto& payload : batch_) {
      std::vector<std::pair<std::string, std::string>> texts{
        {"idempotency_key",
         own_key_ && options_.lines == false && number == 0
           ? options_.key
           : fmt::format("{}-{}", options_.key, number)}};
      ++number;
      auto add = [&texts](const char* name, const std::string& value) {
        if (!value.empty())
          texts.emplace_back(name, value);
      };
      add("handler", options_.handler);
      add("delay", options_.delay);
      add("timeout", options_.timeout);
      add("ttl", options_.ttl);
      std::vector<std::pair<std::string, std::uint64_t>> numbers;
      for (auto& [name, text] :
           {std::pair{"priority", &options_.priority},
            std::pair{"max_attempts", &options_.max_attempts}})
        if (auto value = parse_unsigned(*text))
          numbers.emplace_back(name, *value);
      to.pack_map(
        static_cast<std::uint32_t>(texts.size() + numbers.size() + 1));
      for (auto& [name, value] : texts)
        to.pack(name).pack(value);
      for (auto& [name, value] : numbers)
        to.pack(name).pack(value);
      to.pack(std::string{"payload"});
      to.pack_bin(static_cast<std::uint32_t>(payload.size()));
      to.pack_bin_body(payload.data(),
                       static_cast<std::uint32_t>(payload.size()));
    }
    return {out.data(), out.size()};
  }

  /// Sends until there is an answer that is no "later". `cancelled` stands for
  /// a job that is dead or cancelled.
  expected<http_reply> send(std::string_view method, const std::string& target,
                            const std::string& body) {
    auto pause = first_pause;
    error last;
    for (int i = 0; i < tries; ++i) {
      auto reply = client_.send(
        method, target, {{"Content-Type", "application/msgpack"}}, body);
      if (reply && reply->ok())
        return reply;
      if (reply) {
        auto problem = nlohmann::json::parse(reply->body, nullptr, false);
        last = {reply->status == 410 ? errc::cancelled : errc::invalid_argument,
                problem.is_object()
                  ? problem.value("detail", std::string{"refused"})
                  : fmt::format("status {}", reply->status)};
        if (reply->status != 429 && reply->status != 503)
          return tl::unexpected{last};
      } else {
        last = reply.error();
      }
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
    return tl::unexpected{last};
  }

  void show_progress() const {
    if (::isatty(STDERR_FILENO) != 0)
      fmt::print(stderr, "\r{} jobs accepted", ids_.size());
  }

  http_client client_;
  std::string queue_;
  enqueue_options options_;
  bool own_key_ = false;
  std::vector<std::string> batch_;
  std::size_t bytes_ = 0;
  std::vector<std::string> ids_;
};

expected<void> send_all(job_source& source, job_sender& sender) {
  while (true) {
    auto payload = source.next();
    if (!payload)
      return tl::unexpected{payload.error()};
    if (!*payload)
      return sender.flush();
    if (auto ok = sender.add(std::move(**payload)); !ok)
      return ok;
  }
}

} // namespace

int run_enqueue(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  enqueue_options opts;
  caf::config_option_set options;
  options.add(opts.lines, "lines", "each line is a job")
    .add(opts.wait, "wait", "print results")
    .add(opts.http, "http", "the node's address")
    .add(opts.handler, "handler", "the handler's name")
    .add(opts.priority, "priority", "0 to 255")
    .add(opts.delay, "delay", "duration")
    .add(opts.max_attempts, "max-attempts", "number")
    .add(opts.timeout, "timeout", "duration")
    .add(opts.ttl, "ttl", "duration")
    .add(opts.key, "idempotency-key", "text");
  auto positional = parse_options(options, args);
  if (!positional)
    return usage_error("enqueue", positional.error().message);
  if (positional->empty() || !is_valid_name(positional->front()))
    return usage_error("enqueue", "give a queue's name first");
  for (auto& [name, text] : {std::pair{"priority", &opts.priority},
                             std::pair{"max-attempts", &opts.max_attempts}})
    if (!text->empty() && !parse_unsigned(*text))
      return usage_error("enqueue", fmt::format("{} must be a number", name));
  auto node = find_node(opts.http);
  if (!node)
    return usage_error("enqueue", node.error().message);
  auto wait = opts.wait;
  job_source source{{positional->begin() + 1, positional->end()}, opts.lines};
  job_sender sender{*node, positional->front(), std::move(opts)};
  auto sent = send_all(source, sender);
  sender.end_progress();
  if (!wait)
    for (auto& id : sender.ids())
      fmt::print("{}\n", id);
  if (!sent)
    return report_failure("enqueue", sent.error().message);
  if (!wait)
    return 0;
  auto failed = sender.print_results();
  if (!failed)
    return report_failure("enqueue", failed.error().message);
  return *failed == 0 ? 0 : 1;
}

} // namespace muster
