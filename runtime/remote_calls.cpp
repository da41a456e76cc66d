#include "runtime/remote_calls.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

namespace muster {

namespace {

/// Of one try; a call of more time is made again.
constexpr millis try_limit{10'000};
/// A node needs a moment to answer after a wait.
constexpr millis answer_time{10'000};
constexpr millis first_pause{50};
constexpr millis longest_pause{2'000};
constexpr std::size_t max_idle = 16;
/// Between two looks at all of many tasks; for each of them, and altogether.
constexpr millis each_pause{1};
constexpr millis shortest_rest{50};
constexpr millis longest_rest{1'000};

errc code_named(std::string_view name) {
  for (auto i = 1; i <= static_cast<int>(last_errc); ++i)
    if (auto code = static_cast<errc>(i); to_string(code) == name)
      return code;
  return errc::none;
}

errc code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return errc::refused;
    case 404:
      return errc::job_not_found;
    case 410:
      return errc::handler_failed;
    case 413:
      return errc::payload_too_large;
    case 429:
      return errc::busy;
    default:
      return status >= 500 ? errc::unavailable : errc::invalid_argument;
  }
}

/// Whether the node may do shortly what it does not do now. Full queues and
/// stores are for the caller to know of, as is a node without queues.
bool is_passing(errc code) {
  return code == errc::busy || code == errc::unavailable
         || code == errc::timed_out || code == errc::io_error
         || code == errc::shutting_down;
}

} // namespace

error error_of(const http_reply& reply) {
  auto problem = nlohmann::json::parse(reply.body, nullptr, false);
  auto text = [&problem](const char* name) {
    auto pos = problem.is_object() ? problem.find(name) : problem.end();
    return problem.is_object() && pos != problem.end() && pos->is_string()
             ? pos->get<std::string>()
             : std::string{};
  };
  auto code = code_named(text("code"));
  if (code == errc::none)
    code = code_of(reply.status);
  auto detail = text("detail");
  return {code, detail.empty() ? "HTTP status " + std::to_string(reply.status)
                               : std::move(detail)};
}

remote_calls::remote_calls(const remote_client_options& options,
                           tls_context tls)
  : options_(options), tls_(std::move(tls)) {
  // nop
}

remote_calls::~remote_calls() {
  std::deque<task> left;
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
    std::swap(left, tasks_);
  }
  changed_.notify_all();
  for (auto& thread : threads_)
    thread.join();
  for (auto& each : left)
    each(true);
}

expected<http_reply> remote_calls::send(const remote_request& request,
                                        clock::time_point until) {
  auto pause = first_pause;
  while (true) {
    auto left = std::chrono::ceil<millis>(until - clock::now());
    auto reply = try_once(request, std::max(left, millis{1}));
    if (reply && reply->ok())
      return reply;
    auto why = reply ? error_of(*reply) : std::move(reply.error());
    if (!is_passing(why.code) || clock::now() + pause >= until)
      return tl::unexpected<error>{std::move(why)};
    if (!sleep(pause))
      return fail_with(errc::shutting_down, "the client is closed");
    pause = std::min(2 * pause, longest_pause);
  }
}

expected<http_reply> remote_calls::try_once(const remote_request& request,
                                            millis left) {
  auto usual = request.wait == millis{0} && left >= try_limit;
  std::unique_ptr<http_client> client;
  if (std::lock_guard guard{mutex_}; usual && !idle_.empty()) {
    client = std::move(idle_.back());
    idle_.pop_back();
  }
  if (!client) {
    auto limit
      = request.wait > millis{0} ? request.wait + answer_time : try_limit;
    http_client_options own;
    own.read_limit = std::min(left, limit);
    own.write_limit = std::min(left, try_limit);
    own.connect_limit = std::min(left, options_.connect_limit);
    own.token = options_.token;
    own.tls = tls_;
    client = std::make_unique<http_client>(options_.host, options_.port, own);
  }
  auto reply = client->send(request.method, request.target, request.headers,
                            request.body);
  if (std::lock_guard guard{mutex_}; usual && idle_.size() < max_idle)
    idle_.push_back(std::move(client));
  return reply;
}

bool remote_calls::sleep(millis pause) {
  std::unique_lock guard{mutex_};
  return !changed_.wait_for(guard, pause, [this] { return ending_; });
}

void remote_calls::run(task what) {
  auto taken = false;
  {
    std::lock_guard guard{mutex_};
    if (threads_.size() < options_.threads) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        // Those that there are will do.
      }
    }
    taken = !threads_.empty();
    if (taken) {
      tasks_.push_back(std::move(what));
      ++arrivals_;
      fruitless_ = 0;
    }
  }
  // Not one: that might be one that sleeps.
  if (taken)
    return changed_.notify_all();
  while (!what(false))
    ;
}

millis remote_calls::patience(millis longest) {
  std::lock_guard guard{mutex_};
  return tasks_.empty() ? longest : millis{0};
}

void remote_calls::rest(std::unique_lock<std::mutex>& guard) {
  auto pause = std::clamp(each_pause * static_cast<std::int64_t>(tasks_.size()),
                          shortest_rest, longest_rest);
  auto known = arrivals_;
  changed_.wait_for(guard, pause,
                    [&] { return ending_ || arrivals_ != known; });
}

void remote_calls::work() {
  std::unique_lock guard{mutex_};
  while (true) {
    changed_.wait(guard, [this] { return ending_ || !tasks_.empty(); });
    if (ending_)
      return;
    auto current = std::move(tasks_.front());
    tasks_.pop_front();
    guard.unlock();
    auto done = current(false);
    guard.lock();
    if (done) {
      fruitless_ = 0;
      continue;
    }
    if (ending_) {
      guard.unlock();
      current(true);
      return;
    }
    tasks_.push_back(std::move(current));
    // Alone it has had the node wait.
    if (++fruitless_ > tasks_.size() && tasks_.size() > 1) {
      fruitless_ = 0;
      rest(guard);
    }
  }
}

} // namespace muster
