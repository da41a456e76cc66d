#include "runtime/http_loop.hpp"

#include "runtime/http_connection.hpp"

#include <exception>

#include <pthread.h>

namespace muster {

namespace {

constexpr auto sample_interval = std::chrono::seconds{1};
/// Between sweeps of a loop without connections: waking costs what an idle node
/// costs.
constexpr auto idle_interval = std::chrono::seconds{1};
constexpr std::size_t sampled_queues = 1'000;

} // namespace

http_loop::http_loop(std::shared_ptr<gateway_state> st, bool first)
  : state(std::move(st)),
    box(std::make_shared<answer_box>(io)),
    first_(first),
    sweep_timer_(io) {
  // nop
}

http_loop::~http_loop() {
  join();
}

void http_loop::start() {
  sweep();
  thread_ = std::thread{[this] { run(); }};
}

// What leaves a handler is a bug, and must not end the process: the gateway's
// supervisor deals with it.
void http_loop::run() noexcept {
  std::string what = "an unknown exception";
  try {
    ::pthread_setname_np(::pthread_self(), "muster-http");
    io.run();
    return;
  } catch (const std::exception& ex) {
    what = ex.what();
  } catch (...) {
    // nop
  }
  std::lock_guard guard{fault_mutex_};
  fault_ = error{errc::internal, "a thread of the gateway failed: " + what};
}

std::optional<error> http_loop::fault() const {
  std::lock_guard guard{fault_mutex_};
  return fault_;
}

void http_loop::adopt(boost::asio::ip::tcp::socket socket) {
  wake();
  auto conn = std::make_shared<http_connection>(*this, std::move(socket));
  connections.insert(conn.get());
  boost::asio::co_spawn(
    io, [conn]() -> boost::asio::awaitable<void> { return conn->run(); },
    boost::asio::detached);
}

void http_loop::wake() {
  if (!asleep_)
    return;
  now = clock::now();
  date = format_http_date(wall_clock());
  schedule_sweep(false);
}

// The first loop looks after the waits of all connections.
bool http_loop::is_idle() const {
  return connections.empty() && (!first_ || state->metrics.connections == 0);
}

void http_loop::close_idle_connections() {
  for (auto* conn : connections)
    conn->close_if_idle();
}

void http_loop::join() {
  io.stop();
  if (!thread_.joinable())
    return;
  thread_.join();
  box->close();
  // What waits for an answer is held by whoever owes it; without this it would
  // hold the connection.
  for (auto* conn : connections)
    conn->abandon();
}

void http_loop::sweep() {
  ++beats_;
  now = clock::now();
  date = format_http_date(wall_clock());
  // One that ends meanwhile takes itself out.
  for (auto pos = connections.begin(); pos != connections.end();)
    (*pos++)->sweep(now);
  if (first_) {
    state->waits.expire(now);
    if (now >= next_sample_) {
      next_sample_ = now + sample_interval;
      sample_rates();
    }
  }
  schedule_sweep(is_idle());
}

void http_loop::schedule_sweep(bool far_off) {
  asleep_ = far_off;
  // Takes the place of one that is under way.
  if (far_off)
    sweep_timer_.expires_after(idle_interval);
  else
    sweep_timer_.expires_after(http_sweep_interval);
  sweep_timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec)
      sweep();
  });
}

void http_loop::sample_rates() {
  if (auto reading = state->backend.journal->snapshot())
    state->rates.sample(reading->view().queues({}, sampled_queues), now);
}

} // namespace muster
