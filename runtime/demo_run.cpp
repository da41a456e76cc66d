#include "runtime/demo_run.hpp"

#include "runtime/http_client.hpp"
#include "runtime/http_text.hpp"
#include "runtime/queue_client.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr auto digest_queue = "sha512";
constexpr auto command_queue = "commands";
constexpr auto host = "127.0.0.1";
constexpr auto retry_pause = millis{10};
constexpr std::size_t page_size = 1'000;

http_client_options patience() {
  http_client_options result;
  result.read_limit = millis{10'000};
  return result;
}

// The work comes before our checking of it.
void be_nice() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
}

std::string target_of(const demo_job& job) {
  switch (job.what) {
    case demo_job::kind::digest:
      return "/enqueue?iterations=" + std::to_string(job.iterations);
    case demo_job::kind::sort:
      return std::string{"/v1/queues/"} + command_queue + "/jobs?handler=sort";
    case demo_job::kind::count:
      break;
  }
  return std::string{"/v1/queues/"} + command_queue + "/jobs?handler=count";
}

/// Whether the same request will never be taken: too slow and too many may
/// pass.
bool is_final_refusal(int status) {
  return status >= 400 && status < 500 && status != 408 && status != 429;
}

} // namespace

demo_run::demo_run(options what, std::uint16_t port)
  : options_(what), port_(port) {
  for (std::size_t i = 0; i < options_.senders; ++i)
    threads_.emplace_back([this] { send_jobs(); });
  threads_.emplace_back([this] { compute_results(); });
}

demo_run::~demo_run() {
  stop_ = true;
  for (auto& thread : threads_)
    thread.join();
}

// -- sending ------------------------------------------------------------------

// Each 21st job or so is a command, so that both kinds are there all the time.
void demo_run::send_jobs() {
  auto every
    = options_.commands == 0 ? planned() + 1 : planned() / options_.commands;
  while (!stop_) {
    auto number = next_.fetch_add(1);
    if (number >= planned())
      return;
    while (!stop_ && number >= finished_ + options_.max_unfinished)
      std::this_thread::sleep_for(retry_pause);
    auto is_command = number % every == 0 && number / every < options_.commands;
    send_one(number, is_command
                       ? make_command_job(number / every)
                       : make_digest_job(number, options_.mean_iterations));
  }
}

// A command's request bears an idempotency key: sent again, it makes no second
// job. The workload API knows no keys; a request without an answer counts as
// uncertain there, and may have made a job of its own.
void demo_run::send_one(std::uint64_t number, const demo_job& job) {
  http_headers headers;
  auto is_digest = job.what == demo_job::kind::digest;
  if (!is_digest)
    headers.emplace_back("Idempotency-Key", "demo-" + std::to_string(number));
  thread_local std::optional<http_client> client;
  thread_local std::uint16_t port = 0;
  while (!stop_) {
    if (!client || port != port_) {
      port = port_;
      client.emplace(host, port, patience());
    }
    auto reply = client->post(target_of(job), job.input, headers);
    // Without a connection nothing was sent.
    if (reply || reply.error().code != errc::unavailable)
      ++sent_;
    if (reply && reply->ok()) {
      auto body = nlohmann::json::parse(reply->body, nullptr, false);
      auto name = is_digest ? "work_id" : "id";
      if (body.is_object() && body.contains(name))
        return acknowledge(body[name].get<std::string>(), job);
    }
    if (reply && is_final_refusal(reply->status))
      return give_up(to_error(*reply));
    // A refusal is an answer, too.
    if (!reply && reply.error().code != errc::unavailable && is_digest)
      ++unanswered_;
    std::this_thread::sleep_for(retry_pause);
  }
}

void demo_run::acknowledge(const std::string& id, demo_job job) {
  auto now = std::chrono::steady_clock::now();
  std::lock_guard guard{mutex_};
  if (killed_at_ && !recovery_)
    recovery_ = now - *killed_at_;
  acknowledged_.insert_or_assign(id, sent_job{std::move(job), std::nullopt});
  to_compute_.push_back(id);
}

void demo_run::give_up(error reason) {
  std::lock_guard guard{mutex_};
  if (!refused_)
    refused_ = std::move(reason);
  stop_ = true;
}

std::optional<error> demo_run::refused() {
  std::lock_guard guard{mutex_};
  return refused_;
}

void demo_run::restarted(std::uint16_t port,
                         std::chrono::steady_clock::time_point killed_at) {
  std::lock_guard guard{mutex_};
  killed_at_ = killed_at;
  port_ = port;
}

// -- checking -----------------------------------------------------------------

void demo_run::compute_results() {
  be_nice();
  while (!stop_) {
    std::string id;
    demo_job job;
    {
      std::lock_guard guard{mutex_};
      if (!to_compute_.empty()) {
        id = to_compute_.front();
        to_compute_.pop_front();
        job = acknowledged_[id].job;
      }
    }
    if (id.empty()) {
      std::this_thread::sleep_for(retry_pause);
      continue;
    }
    auto result = expected_result(job);
    std::lock_guard guard{mutex_};
    acknowledged_[id].result = std::move(result);
    ++computed_;
  }
}

void demo_run::follow() {
  http_client client{host, port_, patience()};
  for (auto queue : {digest_queue, command_queue}) {
    auto& cursor = cursors_.try_emplace(queue, "0").first->second;
    while (true) {
      auto reply
        = client.get(std::string{"/v1/completed?queue="} + queue + "&top="
                     + std::to_string(page_size) + "&after=" + cursor);
      if (!reply || !reply->ok())
        return;
      auto page = nlohmann::json::parse(reply->body, nullptr, false);
      if (!page.is_object() || page["jobs"].empty())
        break;
      for (auto& job : page["jobs"]) {
        if (++listed_[job.value("id", "")] == 1)
          ++finished_;
        if (job.value("attempt", 1) > 1)
          ++run_again_;
        if (job.value("state", "") != "succeeded")
          ++not_succeeded_;
      }
      cursor = page.value("next", cursor);
    }
  }
}

bool demo_run::complete() {
  std::lock_guard guard{mutex_};
  return acknowledged_.size() >= planned() && finished_ >= acknowledged_.size();
}

bool demo_run::verified() {
  std::lock_guard guard{mutex_};
  return computed_ >= acknowledged_.size();
}

expected<demo_figures> demo_run::judge() {
  http_client client{host, port_, patience()};
  // All digests in one answer; it removes nothing.
  auto top = std::min<std::uint64_t>(10'000, planned() + unanswered_);
  auto reply = client.post("/pullCompleted?top=" + std::to_string(top));
  if (!reply || !reply->ok())
    return fail_with(errc::unavailable, "no digests from the node");
  std::unordered_map<std::string, std::string> digests;
  for (auto& item : nlohmann::json::parse(reply->body, nullptr, false))
    digests[item.value("work_id", "")] = item.value("value", "");
  std::lock_guard guard{mutex_};
  demo_figures result;
  result.sent = sent_;
  result.acknowledged = acknowledged_.size();
  result.unanswered = unanswered_;
  result.finished = finished_;
  result.recovery = recovery_;
  result.run_again = run_again_;
  for (auto& [id, item] : acknowledged_) {
    if (item.job.what == demo_job::kind::digest) {
      if (auto found = digests.find(id); found == digests.end())
        ++result.lost;
      else if (found->second != hex_encode(item.result.value_or("")))
        ++result.wrong_digests;
      continue;
    }
    auto output = client.get("/v1/jobs/" + id + "/result");
    if (!output || output->status != 200)
      ++result.lost;
    else if (output->body != item.result)
      ++result.wrong_outputs;
  }
  std::uint64_t surplus = 0;
  for (auto& [id, times] : listed_) {
    result.recorded_twice += times > 1 ? 1 : 0;
    surplus += acknowledged_.contains(id) ? 0 : 1;
  }
  if (surplus > unanswered_)
    result.unexplained = surplus - unanswered_;
  return result;
}

} // namespace muster
