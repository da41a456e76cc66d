#include "runtime/http_server.hpp"

// Boost 1.74 forgets this one for its coroutines.
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace muster {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using clock = std::chrono::steady_clock;

constexpr auto sweep_interval = std::chrono::milliseconds{100};
constexpr auto look_interval = std::chrono::seconds{1};
constexpr auto sample_interval = std::chrono::seconds{1};
constexpr auto linger_time = std::chrono::seconds{2};
constexpr std::size_t sampled_queues = 1'000;
constexpr std::size_t read_size = std::size_t{16} << 10;
constexpr std::size_t large_read_size = std::size_t{256} << 10;
constexpr int port_tries = 1'000;
constexpr int accept_backlog = 4'096;

class worker;
class connection;

// -- answers ------------------------------------------------------------------

/// Answers that came on other threads, on their way to the connection's: many
/// answers wake the loop once.
class mailbox : public std::enable_shared_from_this<mailbox> {
public:
  explicit mailbox(asio::io_context& ctx) : ctx_(&ctx) {
    // nop
  }

  void push(std::shared_ptr<class reply_slot> slot);
  void drain();

  /// The loop is gone; what comes is dropped.
  void close() {
    std::lock_guard guard{mutex_};
    ctx_ = nullptr;
    waiting_.clear();
  }

private:
  std::mutex mutex_;
  asio::io_context* ctx_;
  std::vector<std::shared_ptr<reply_slot>> waiting_;
  std::vector<std::shared_ptr<reply_slot>> taken_;

};

/// One request's answer between the route and the connection.
class reply_slot : public reply_sink,
                   public std::enable_shared_from_this<reply_slot> {
public:
  explicit reply_slot(std::shared_ptr<mailbox> box)
    : box_(std::move(box)), home_(std::this_thread::get_id()) {
    // nop
  }

  void answer(http_response response) override {
    response_ = std::move(response);
    if (std::this_thread::get_id() == home_)
      arrive();
    else
      box_->push(shared_from_this());
  }

  void when_gone(std::function<void()> fn) override {
    gone_ = std::move(fn);
  }

  // -- on the connection's thread only ----------------------------------------

  void arrive() {
    arrived_ = true;
    if (auto resume = std::exchange(resume_, nullptr))
      resume();
  }

  [[nodiscard]] bool arrived() const noexcept {
    return arrived_;
  }

  void on_arrival(std::function<void()> resume) {
    resume_ = std::move(resume);
  }

  void client_gone() {
    if (auto fn = std::exchange(gone_, nullptr))
      fn();
  }

  http_response& response() noexcept {
    return response_;
  }

private:
  std::shared_ptr<mailbox> box_;
  std::thread::id home_;
  http_response response_;
  bool arrived_ = false;
  std::function<void()> gone_;
  std::function<void()> resume_;
};

void mailbox::push(std::shared_ptr<reply_slot> slot) {
  std::lock_guard guard{mutex_};
  if (ctx_ == nullptr)
    return;
  waiting_.push_back(std::move(slot));
  if (waiting_.size() == 1)
    asio::post(*ctx_, [box = shared_from_this()] { box->drain(); });
}

void mailbox::drain() {
  {
    std::lock_guard guard{mutex_};
    taken_.swap(waiting_);
  }
  for (auto& slot : taken_)
    slot->arrive();
  taken_.clear();
}

// -- one connection -----------------------------------------------------------

// g++ 12 destroys some temporaries of a co_await expression twice: what is
// passed to a coroutine here is a reference to a variable, or trivial.

class connection : public std::enable_shared_from_this<connection> {
public:
  connection(worker& home, tcp::socket socket);
  ~connection();

  asio::awaitable<void> run();

  /// Ends what takes too long, and notices clients that have gone.
  void sweep(clock::time_point now);
  void close_if_idle();
  void close();

private:
  enum class phase { idle, reading, handling, writing };

  using parser = http::request_parser<http::string_body>;

  asio::awaitable<error_code> read_header(parser& p);
  asio::awaitable<error_code> read_body(parser& p);
  asio::awaitable<error_code> read_more(std::size_t size);
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> refuse(error_code ec);
  asio::awaitable<bool> respond(http_response& response, bool keep_alive,
                                bool head);
  asio::awaitable<void> wait_for(reply_slot* slot);
  asio::awaitable<void> linger();
  void render_head(const http_response& response, bool keep_alive);
  [[nodiscard]] bool client_is_there();
  void enter(phase next);

  worker& home_;
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  std::string head_;
  phase phase_ = phase::idle;
  clock::time_point deadline_;
  /// When to see whether the client of a long wait is still there.
  clock::time_point next_look_;
  bool timed_out_ = false;
  std::shared_ptr<reply_slot> slot_;
};

// -- one thread ---------------------------------------------------------------

class worker {
public:
  worker(std::shared_ptr<gateway_state> st, bool first)
    : state(std::move(st)), first_(first), sweep_timer_(ctx) {
    box = std::make_shared<mailbox>(ctx);
  }

  void start() {
    now = clock::now();
    sweep();
    thread_ = std::thread{[this] { ctx.run(); }};
  }

  void adopt(tcp::socket socket) {
    auto conn = std::make_shared<connection>(*this, std::move(socket));
    connections.insert(conn.get());
    asio::co_spawn(
      ctx, [conn]() -> asio::awaitable<void> { return conn->run(); },
      asio::detached);
  }

  void join() {
    ctx.stop();
    if (thread_.joinable())
      thread_.join();
    box->close();
  }

  std::shared_ptr<gateway_state> state;
  /// Connections end with the loop, and take themselves out here then.
  std::set<connection*> connections;
  /// The time of the last sweep: exact enough for time-outs.
  clock::time_point now;
  std::string date;
  asio::io_context ctx{1};
  std::shared_ptr<mailbox> box;

private:
  void sweep() {
    now = clock::now();
    date = format_http_date(wall_clock());
    for (auto pos = connections.begin(); pos != connections.end();)
      (*pos++)->sweep(now);
    if (first_) {
      state->waits.expire(now);
      if (now >= next_sample_) {
        next_sample_ = now + sample_interval;
        if (auto reading = state->backend.journal->snapshot())
          state->rates.sample(reading->view().queues({}, sampled_queues), now);
      }
    }
    sweep_timer_.expires_after(sweep_interval);
    sweep_timer_.async_wait([this](error_code ec) {
      if (!ec)
        sweep();
    });
  }

  bool first_;
  asio::steady_timer sweep_timer_;
  clock::time_point next_sample_;
  std::thread thread_;
};

// -- connection, continued ----------------------------------------------------

connection::connection(worker& home, tcp::socket socket)
  : home_(home), socket_(std::move(socket)) {
  ++home_.state->metrics.connections;
  ++home_.state->metrics.connections_total;
  enter(phase::idle);
}

connection::~connection() {
  home_.connections.erase(this);
  --home_.state->metrics.connections;
}

void connection::enter(phase next) {
  phase_ = next;
  auto& options = home_.state->options;
  switch (next) {
    case phase::idle:
      deadline_ = home_.now + options.idle_timeout;
      break;
    case phase::handling:
      deadline_ = clock::time_point::max();
      next_look_ = home_.now + look_interval;
      break;
    default:
      deadline_ = home_.now + options.request_timeout;
  }
}

void connection::sweep(clock::time_point now) {
  if (phase_ == phase::handling) {
    if (now >= next_look_ && slot_) {
      next_look_ = now + look_interval;
      if (!client_is_there())
        slot_->client_gone();
    }
    return;
  }
  if (now < deadline_)
    return;
  timed_out_ = true;
  error_code ignored;
  if (phase_ == phase::reading)
    socket_.cancel(ignored);
  else
    socket_.close(ignored);
}

void connection::close_if_idle() {
  if (phase_ == phase::idle)
    close();
}

void connection::close() {
  error_code ignored;
  socket_.close(ignored);
}

/// Whether the other side has not ended the connection.
bool connection::client_is_there() {
  char byte = 0;
  auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

asio::awaitable<void> connection::run() {
  try {
    while (co_await serve_one()) {
      // nop
    }
  } catch (const std::exception&) {
    // No memory, or a bug: this connection ends, the server goes on.
  }
  close();
}

asio::awaitable<error_code> connection::read_more(std::size_t size) {
  error_code ec;
  auto got = co_await socket_.async_read_some(
    buffer_.prepare(size), asio::redirect_error(asio::use_awaitable, ec));
  buffer_.commit(got);
  home_.state->metrics.bytes_in.fetch_add(got, std::memory_order_relaxed);
  co_return ec;
}

asio::awaitable<error_code> connection::read_header(parser& p) {
  p.header_limit(static_cast<std::uint32_t>(home_.state->options.max_header));
  enter(buffer_.size() > 0 ? phase::reading : phase::idle);
  while (true) {
    error_code ec;
    if (buffer_.size() > 0) {
      buffer_.consume(p.put(buffer_.data(), ec));
      if (p.is_header_done())
        co_return error_code{};
      if (ec && ec != http::error::need_more)
        co_return ec;
    }
    ec = co_await read_more(read_size);
    if (ec)
      co_return ec;
    if (phase_ == phase::idle)
      enter(phase::reading);
  }
}

asio::awaitable<error_code> connection::read_body(parser& p) {
  p.eager(true);
  while (!p.is_done()) {
    error_code ec;
    if (buffer_.size() > 0) {
      buffer_.consume(p.put(buffer_.data(), ec));
      if (p.is_done())
        break;
      if (ec && ec != http::error::need_more)
        co_return ec;
    }
    auto left = p.content_length_remaining().value_or(0);
    ec = co_await read_more(left > large_read_size ? large_read_size
                                                   : read_size);
    if (ec)
      co_return ec;
    // A slow upload may go on as long as it goes on.
    enter(phase::reading);
  }
  co_return error_code{};
}

/// Answers a request that could not be read, where there is anybody to answer.
asio::awaitable<bool> connection::refuse(error_code ec) {
  http_response response;
  if (timed_out_ && phase_ == phase::reading)
    response = problem(408, "the request did not arrive in time");
  else if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
    response = problem(431, "the request's header is too large");
  else if (ec == http::error::body_limit)
    response = problem(413, "the request's body is too large");
  else if (ec.category()
             == http::make_error_code(http::error::bad_method).category()
           && ec != http::error::end_of_stream
           && ec != http::error::partial_message)
    response = problem(400, "the request is not HTTP/1.1: " + ec.message());
  else
    co_return false;
  home_.state->metrics.record("none", "none", response.status, 0);
  (void) co_await respond(response, false, false);
  co_await linger();
  co_return false;
}

namespace {

std::string_view to_view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

/// Path and query of a request's target, also where it names the host too.
std::pair<std::string_view, std::string_view>
split_target(std::string_view target) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    auto slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  auto mark = std::min(target.find('?'), target.size());
  return {target.substr(0, mark),
          target.substr(std::min(mark + 1, target.size()))};
}

std::string media_type(std::string_view text) {
  auto end = std::min(text.find(';'), text.size());
  std::string result{text.substr(0, end)};
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return result;
}

} // namespace

asio::awaitable<bool> connection::serve_one() {
  auto& state = *home_.state;
  parser p;
  p.body_limit(std::max({state.options.max_batch_body,
                         state.options.max_payload, state.options.max_result}));
  if (auto ec = co_await read_header(p))
    co_return co_await refuse(ec);
  auto& message = p.get();
  auto [path, query] = split_target(to_view(message.target()));
  std::string method{to_view(message.method_string())};
  auto head = method == "HEAD";
  auto match = match_route(head ? "GET" : std::string_view{method}, path);
  // An answer before the body is read leaves the connection unusable.
  std::optional<http_response> early;
  auto limit = match.found ? bytes_of(match.found->limit, state.options) : 0;
  if (message.version() == 11 && message.find(http::field::host) == message.end())
    early = problem(400, "the request has no Host");
  else if (!match.found && match.allowed.empty())
    early = problem(404, "no such path");
  else if (!match.found) {
    early = problem(405, "this path takes " + match.allowed);
    early->headers.emplace_back("Allow", match.allowed);
  } else if (p.content_length().value_or(0) > limit)
    early = problem(413, fmt::format("the body may have {} bytes", limit));
  auto has_body = p.chunked() || p.content_length().value_or(0) > 0;
  if (early) {
    state.metrics.record(match.found ? match.found->path : "none", method,
                         early->status, 0);
    auto keep = !has_body && message.keep_alive();
    if (!has_body)
      (void) co_await read_body(p);
    auto ok = co_await respond(*early, keep, head);
    if (!keep)
      co_await linger();
    co_return ok && keep;
  }
  p.body_limit(limit);
  if (auto pos = message.find(http::field::expect);
      has_body && pos != message.end() && buffer_.size() == 0) {
    error_code ec;
    co_await asio::async_write(
      socket_, asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25),
      asio::redirect_error(asio::use_awaitable, ec));
  }
  if (auto ec = co_await read_body(p))
    co_return co_await refuse(ec);

  auto begun = clock::now();
  enter(phase::handling);
  auto keep_alive = message.keep_alive();
  auto slot = std::make_shared<reply_slot>(home_.box);
  slot_ = slot;
  http_call call;
  call.reply = slot;
  call.arguments = std::move(match.arguments);
  call.request.method = method;
  call.request.path = path;
  call.request.content_type
    = media_type(to_view(message[http::field::content_type]));
  if (auto pos = message.find("Idempotency-Key"); pos != message.end())
    call.request.idempotency_key = to_view(pos->value());
  auto parameters = query_parameters::parse(query);
  call.request.body = std::move(message.body());
  if (!parameters) {
    slot->answer(problem(parameters.error()));
  } else {
    call.query = std::move(*parameters);
    try {
      match.found->run(state, call);
    } catch (const std::exception& e) {
      if (!slot->arrived())
        slot->answer(problem(error{errc::internal, e.what()}));
    }
  }
  if (!slot->arrived())
    co_await wait_for(slot.get());
  slot_.reset();
  auto& response = slot->response();
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(
                  clock::now() - begun)
                  .count();
  state.metrics.record(match.found->path, method, response.status,
                       static_cast<std::uint64_t>(micros));
  co_return co_await respond(response, keep_alive, head);
}

asio::awaitable<void> connection::wait_for(reply_slot* slot) {
  auto initiation = [slot](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    slot->on_arrival([shared] { std::move (*shared)(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
    initiation, asio::use_awaitable);
}

void connection::render_head(const http_response& response, bool keep_alive) {
  head_.clear();
  auto to = std::back_inserter(head_);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Length: {}\r\n",
                 response.status, reason_of(response.status), home_.date,
                 response.body.size());
  if (!response.body.empty())
    fmt::format_to(to, "Content-Type: {}\r\n", response.content_type);
  for (auto& [name, value] : response.headers)
    fmt::format_to(to, "{}: {}\r\n", name, value);
  if (!keep_alive)
    head_ += "Connection: close\r\n";
  head_ += "\r\n";
}

/// Writes an answer; returns whether the connection goes on.
asio::awaitable<bool> connection::respond(http_response& response,
                                          bool keep_alive, bool head) {
  keep_alive = keep_alive && !home_.state->draining;
  enter(phase::writing);
  render_head(response, keep_alive);
  // What only this answer tells must not be lost with a client that has gone.
  auto undone = response.undelivered && !client_is_there();
  error_code ec;
  if (!undone) {
    std::array<asio::const_buffer, 2> parts{
      asio::buffer(head_),
      head ? asio::const_buffer{} : asio::buffer(response.body)};
    auto sent = co_await asio::async_write(
      socket_, parts, asio::redirect_error(asio::use_awaitable, ec));
    home_.state->metrics.bytes_out.fetch_add(sent, std::memory_order_relaxed);
  }
  if ((undone || ec) && response.undelivered)
    response.undelivered();
  co_return keep_alive && !ec && !undone;
}

/// Lets the client read the last answer before the connection is reset: takes
/// what it still sends, for a while.
asio::awaitable<void> connection::linger() {
  error_code ec;
  socket_.shutdown(tcp::socket::shutdown_send, ec);
  enter(phase::writing);
  deadline_ = home_.now + linger_time;
  std::array<char, 16'384> waste;
  while (!ec)
    co_await socket_.async_read_some(
      asio::buffer(waste), asio::redirect_error(asio::use_awaitable, ec));
}

} // namespace

// -- server -------------------------------------------------------------------

struct http_server::impl {
  explicit impl(std::shared_ptr<gateway_state> st) : state(std::move(st)) {
    for (unsigned i = 0; i < std::max(1u, state->options.threads); ++i)
      workers.push_back(std::make_unique<worker>(state, i == 0));
    acceptor.emplace(workers.front()->ctx);
  }

  expected<void> bind() {
    auto& options = state->options;
    error_code ec;
    auto address = asio::ip::make_address(options.address, ec);
    if (ec)
      return fail_with(errc::invalid_argument,
                       "http-address must be an IP address, and '"
                         + options.address + "' is none");
    auto port = options.port;
    for (int tries = 0; tries < port_tries; ++tries, ++port) {
      ec = try_port({address, port});
      if (!ec) {
        bound = acceptor->local_endpoint().port();
        return {};
      }
      if (ec != boost::system::errc::address_in_use || options.strict_port
          || port == 65'535)
        break;
    }
    return fail_with(errc::io_error,
                     fmt::format("cannot listen on {} port {}: {}",
                                 options.address, port, ec.message()));
  }

  error_code try_port(const tcp::endpoint& endpoint) {
    error_code ec;
    acceptor->open(endpoint.protocol(), ec);
    // Without this a port stays occupied for a minute after a crash; a port
    // that somebody listens on is refused all the same.
    if (!ec)
      acceptor->set_option(tcp::acceptor::reuse_address{true}, ec);
    if (!ec)
      acceptor->bind(endpoint, ec);
    if (!ec)
      acceptor->listen(accept_backlog, ec);
    if (!ec)
      ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
    if (ec) {
      error_code ignored;
      acceptor->close(ignored);
    }
    return ec;
  }

  asio::awaitable<void> accept_loop() {
    auto executor = workers.front()->ctx.get_executor();
    while (acceptor->is_open()) {
      error_code ec;
      auto socket = co_await acceptor->async_accept(
        asio::redirect_error(asio::use_awaitable, ec));
      if (ec == asio::error::operation_aborted || !acceptor->is_open())
        break;
      if (ec) {
        // Out of descriptors, most likely: let some close.
        asio::steady_timer pause{executor, sweep_interval};
        co_await pause.async_wait(
          asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      place(std::move(socket));
    }
  }

  void place(tcp::socket socket) {
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    error_code ec;
    socket.set_option(tcp::no_delay{true}, ec);
    if (state->metrics.connections >= state->options.max_connections) {
      turn_away(std::move(socket));
      return;
    }
    auto& target = *workers[next_worker++ % workers.size()];
    if (&target == workers.front().get()) {
      target.adopt(std::move(socket));
      return;
    }
    auto protocol = socket.local_endpoint(ec).protocol();
    auto handle = socket.release(ec);
    if (!ec)
      asio::post(target.ctx, [&target, protocol, handle] {
        target.adopt(tcp::socket{target.ctx, protocol, handle});
      });
  }

  static void turn_away(tcp::socket socket) {
    constexpr std::string_view text
      = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
        "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text.data(), text.size()), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  std::shared_ptr<gateway_state> state;
  std::vector<std::unique_ptr<worker>> workers;
  std::optional<tcp::acceptor> acceptor;
  std::size_t next_worker = 0;
  std::uint16_t bound = 0;
  bool stopped = false;
};

http_server::http_server(std::unique_ptr<impl> ptr) : impl_(std::move(ptr)) {
  // nop
}

http_server::~http_server() {
  stop(std::chrono::milliseconds{0});
}

expected<std::unique_ptr<http_server>>
http_server::start(std::shared_ptr<gateway_state> state) {
  auto ptr = std::make_unique<impl>(std::move(state));
  if (auto bound = ptr->bind(); !bound)
    return tl::unexpected{std::move(bound.error())};
  asio::co_spawn(
    ptr->workers.front()->ctx,
    [self = ptr.get()]() -> asio::awaitable<void> {
      return self->accept_loop();
    },
    asio::detached);
  for (auto& each : ptr->workers)
    each->start();
  return std::unique_ptr<http_server>{new http_server{std::move(ptr)}};
}

std::uint16_t http_server::port() const noexcept {
  return impl_->bound;
}

void http_server::drain() {
  for (auto& each : impl_->workers)
    asio::post(each->ctx, [this, target = each.get()] {
      if (target == impl_->workers.front().get()) {
        error_code ignored;
        impl_->acceptor->close(ignored);
        target->state->waits.end_all();
      }
      for (auto pos = target->connections.begin();
           pos != target->connections.end();)
        (*pos++)->close_if_idle();
    });
}

void http_server::stop(std::chrono::milliseconds limit) {
  if (std::exchange(impl_->stopped, true))
    return;
  drain();
  auto until = clock::now() + limit;
  while (impl_->state->metrics.connections > 0 && clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  for (auto& each : impl_->workers)
    each->join();
}

} // namespace muster
