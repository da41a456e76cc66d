// A chunked body's end may come in pieces that an assertion of Beast 1.74 does
// not foresee, although its code does; input must not meet an assertion.
#define BOOST_DISABLE_ASSERTS

#include "runtime/http_connection.hpp"

#include "runtime/http_loop.hpp"

#include <boost/asio/write.hpp>

#include <fmt/format.h>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <tuple>
#include <utility>

namespace muster {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto look_interval = std::chrono::seconds{1};
constexpr auto linger_time = std::chrono::seconds{2};
/// A body may take longer than a request's time if it moves this fast.
constexpr std::size_t min_bytes_per_ms = 16;
constexpr std::size_t read_size = std::size_t{16} << 10;
constexpr std::size_t large_read_size = std::size_t{256} << 10;

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

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// Without parameters, in lower case.
std::string media_type(std::string_view text) {
  std::string result{text.substr(0, std::min(text.find(';'), text.size()))};
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

/// Whether text is a word in any case. `word` is in lower case.
bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower(a) == b; });
}

bool is_continue(std::string_view text) {
  return is_word(text, "100-continue");
}

/// Whether a browser says that the request is of a page of another origin. A
/// node without tokens trusts whoever reaches it, and every page that its
/// user's browser shows reaches it. With tokens a page would need one.
template <class Message>
bool is_of_foreign_page(const Message& message, bool trusting) {
  auto origin = message.find(http::field::origin);
  if (!trusting || origin == message.end())
    return false;
  auto text = to_view(origin->value());
  auto host = to_view(message[http::field::host]);
  auto scheme = text.find("://");
  return scheme == std::string_view::npos || text.substr(scheme + 3) != host;
}

/// Methods that a metric may name: clients can send any word.
std::string_view method_label(std::string_view method) {
  constexpr std::array<std::string_view, 7> known{
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  auto pos = std::find(known.begin(), known.end(), method);
  return pos == known.end() ? "other" : *pos;
}

bool is_broken_http(boost::system::error_code ec) {
  return ec.category()
           == http::make_error_code(http::error::bad_method).category()
         && ec != http::error::end_of_stream
         && ec != http::error::partial_message;
}

} // namespace

/// What a request's body takes of the memory that all bodies have together.
class http_connection::body_share {
public:
  explicit body_share(gateway_state& state) : state_(state) {
    // nop
  }
  ~body_share() {
    release();
  }
  body_share(const body_share&) = delete;
  body_share& operator=(const body_share&) = delete;

  void release() noexcept {
    state_.body_bytes.fetch_sub(std::exchange(held_, 0),
                                std::memory_order_relaxed);
  }

  /// The body has grown; false if there is no room for it.
  [[nodiscard]] bool grow_to(std::size_t size) {
    auto more = size - held_;
    auto before = state_.body_bytes.fetch_add(more, std::memory_order_relaxed);
    held_ = size;
    return before + more <= state_.options.max_bodies;
  }

private:
  gateway_state& state_;
  std::size_t held_ = 0;
};

/// What a header says. The views look into the parser's message.
struct http_connection::request_head {
  std::string method;
  std::string_view path;
  std::string_view query;
  route_match match;
  /// How large the body may be.
  std::size_t limit = 0;
  bool is_head = false;
  bool has_body = false;
};

http_connection::http_connection(http_loop& home, asio::ip::tcp::socket socket)
  : home_(home), socket_(std::move(socket)) {
  if (home_.state->tls)
    tls_ = tls_engine::accepting(home_.state->tls);
  ++home_.state->metrics.connections;
  ++home_.state->metrics.connections_total;
  enter(phase::idle);
}

http_connection::~http_connection() {
  home_.connections.erase(this);
  --home_.state->metrics.connections;
}

// -- time ---------------------------------------------------------------------

/// Begins a phase that may take as long as `bytes` of it need on a slow line.
void http_connection::enter(phase next, std::size_t bytes) {
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
      deadline_ = home_.now + options.request_timeout
                  + std::chrono::milliseconds{bytes / min_bytes_per_ms};
  }
}

void http_connection::sweep(clock::time_point now) {
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

void http_connection::close_if_idle() {
  if (phase_ == phase::idle || phase_ == phase::handshake)
    close();
}

void http_connection::close() {
  error_code ignored;
  socket_.close(ignored);
}

void http_connection::abandon() {
  close();
  if (slot_)
    slot_->abandon();
}

/// Whether the other side has not ended the connection.
bool http_connection::client_is_there() {
  if (tls_) {
    // The end is preceded by an alert, which nobody reads at the moment.
    pollfd item{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&item, 1, 0) == 0;
  }
  char byte = 0;
  auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

// -- a request ----------------------------------------------------------------

// g++ 12 destroys some temporaries of a co_await expression twice: what is
// passed to a coroutine here is a reference to a variable, or trivial.

asio::awaitable<void> http_connection::run() {
  try {
    auto more = true;
    if (home_.state->tls) {
      auto ec = co_await shake_hands();
      more = !ec;
    }
    // g++ 12 awaits also what stands behind a false `&&`.
    while (more)
      more = co_await serve_one();
    if (tls_)
      co_await finish_tls();
  } catch (const std::exception&) {
    // No memory, or a bug: this connection ends, the server goes on.
  }
  close();
}

asio::awaitable<bool> http_connection::serve_one() {
  parser p;
  if (auto ec = co_await read_header(p))
    co_return co_await refuse(ec);
  auto request = look_at(p);
  if (auto early = objection(p, request))
    co_return co_await answer_early(p, request, *early);
  p.body_limit(request.limit);
  co_await invite_body(p);
  body_share share{*home_.state};
  if (auto ec = co_await read_body(p, share)) {
    p.get().body() = std::string{};
    share.release();
    co_return co_await refuse(ec);
  }
  auto begun = clock::now();
  enter(phase::handling);
  auto slot = std::make_shared<reply_slot>(home_.box);
  slot_ = slot;
  co_await handle(p, request, slot.get());
  slot_.reset();
  auto& response = slot->response();
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(
                  clock::now() - begun)
                  .count();
  home_.state->metrics.record(request.match.found->path, request.method,
                              response.status,
                              static_cast<std::uint64_t>(micros));
  // What speaks HTTP/1.0 and keeps connections wants to be told so; none of
  // ours does.
  auto keep_alive = p.get().keep_alive() && p.get().version() == 11;
  co_return co_await respond(response, keep_alive, request.is_head);
}

http_connection::request_head http_connection::look_at(parser& p) const {
  auto& message = p.get();
  request_head result;
  result.method = to_view(message.method_string());
  std::tie(result.path, result.query) = split_target(to_view(message.target()));
  result.is_head = result.method == "HEAD";
  result.match = match_route(
    result.is_head ? "GET" : std::string_view{result.method}, result.path);
  if (result.match.found)
    result.limit = bytes_of(result.match.found->limit, home_.state->options);
  result.has_body
    = p.content_length().value_or(0) > 0
      || message.find(http::field::transfer_encoding) != message.end();
  return result;
}

/// Why a request can be answered without its body.
std::optional<http_response>
http_connection::objection(parser& p, const request_head& request) const {
  auto& message = p.get();
  if (message.version() == 11
      && message.find(http::field::host) == message.end())
    return problem(400, "the request has no Host");
  // The parser takes away a chunking that stands last and passes over the rest.
  if (auto pos = message.find(http::field::transfer_encoding);
      pos != message.end() && !is_word(to_view(pos->value()), "chunked"))
    return problem(501, "the only transfer encoding known is chunked");
  if (is_of_foreign_page(message, home_.state->options.tokens.empty()))
    return problem(403, "a web page of another origin may not use this node");
  if (!request.match.found && request.match.allowed.empty())
    return problem(404, "no such path");
  if (!request.match.found) {
    auto result = problem(405, "this path takes " + request.match.allowed);
    result.headers.emplace_back("Allow", request.match.allowed);
    return result;
  }
  if (auto denied = denial(p, request))
    return denied;
  if (p.content_length().value_or(0) > request.limit)
    return problem(413,
                   fmt::format("the body may have {} bytes", request.limit));
  if (auto pos = message.find(http::field::expect);
      pos != message.end() && !is_continue(to_view(pos->value())))
    return problem(417, "the only expectation known is 100-continue");
  return std::nullopt;
}

/// Why a request's token does not do.
std::optional<http_response>
http_connection::denial(parser& p, const request_head& request) const {
  auto& tokens = home_.state->options.tokens;
  auto needs = request.match.found->needs;
  if (tokens.empty() || needs == scope::open)
    return std::nullopt;
  auto& message = p.get();
  auto [first, last] = message.equal_range(http::field::authorization);
  if (first == last) {
    auto result = problem(401, "this path needs a token: Authorization: "
                               "Bearer TOKEN");
    result.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"muster\"");
    return result;
  }
  auto verdict = token_table::verdict::unknown;
  if (std::next(first) == last)
    verdict = tokens.check(to_view(first->value()), needs);
  if (verdict == token_table::verdict::granted)
    return std::nullopt;
  auto known = verdict == token_table::verdict::missing_scope;
  auto word = to_string(needs);
  auto result
    = known ? problem(403, fmt::format("the token lacks the scope {}", word))
            : problem(401, "the token is not valid here");
  result.headers.emplace_back(
    "WWW-Authenticate",
    known ? fmt::format("Bearer realm=\"muster\", "
                        "error=\"insufficient_scope\", scope=\"{}\"",
                        word)
          : "Bearer realm=\"muster\", error=\"invalid_token\"");
  return result;
}

http_call http_connection::call_of(parser& p, request_head& request) const {
  auto& message = p.get();
  http_call call;
  call.arguments = std::move(request.match.arguments);
  call.request.method = request.method;
  call.request.path = request.path;
  call.request.content_type
    = media_type(to_view(message[http::field::content_type]));
  if (auto pos = message.find("Idempotency-Key"); pos != message.end())
    call.request.idempotency_key = to_view(pos->value());
  call.request.body = std::move(message.body());
  return call;
}

/// Returns when the slot has its answer.
asio::awaitable<void> http_connection::handle(parser& p, request_head& request,
                                              reply_slot* slot) {
  auto call = call_of(p, request);
  call.reply = slot->shared_from_this();
  auto parameters = query_parameters::parse(request.query);
  if (!parameters) {
    slot->answer(problem(parameters.error()));
  } else {
    call.query = std::move(*parameters);
    try {
      run_route(*home_.state, *request.match.found, call);
    } catch (const std::exception& e) {
      slot->answer(problem(error{errc::internal, e.what()}));
    }
  }
  if (!slot->arrived())
    co_await wait_for(slot);
}

asio::awaitable<void> http_connection::wait_for(reply_slot* slot) {
  auto initiation = [slot](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    slot->on_arrival([shared] { std::move (*shared)(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
    initiation, asio::use_awaitable);
}

// -- reading ------------------------------------------------------------------

asio::awaitable<boost::system::error_code>
http_connection::read_more(std::size_t size) {
  error_code ec;
  std::size_t got = 0;
  if (tls_)
    ec = co_await read_tls(size, got);
  else
    got = co_await socket_.async_read_some(
      buffer_.prepare(size), asio::redirect_error(asio::use_awaitable, ec));
  buffer_.commit(got);
  // A slow upload may go on as long as it goes on.
  deadline_ += std::chrono::milliseconds{got / min_bytes_per_ms};
  home_.state->metrics.bytes_in.fetch_add(got, std::memory_order_relaxed);
  co_return ec;
}

asio::awaitable<boost::system::error_code>
http_connection::read_header(parser& p) {
  auto& options = home_.state->options;
  auto largest = std::max(
    {options.max_batch_body, options.max_payload, options.max_result});
  p.body_limit(largest);
  p.header_limit(static_cast<std::uint32_t>(options.max_header));
  if (buffer_.size() == 0 && buffer_.capacity() > 2 * read_size)
    buffer_.shrink_to_fit();
  enter(buffer_.size() > 0 ? phase::reading : phase::idle);
  std::size_t taken = 0;
  while (true) {
    error_code ec;
    if (buffer_.size() > 0) {
      auto used = p.put(buffer_.data(), ec);
      buffer_.consume(used);
      // The parser's own limit is for what it has not taken yet: fields that
      // come one by one would never meet it.
      taken += used;
      if (taken > options.max_header)
        co_return http::make_error_code(http::error::header_limit);
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

asio::awaitable<boost::system::error_code>
http_connection::read_body(parser& p, body_share& share) {
  p.eager(true);
  while (!p.is_done()) {
    error_code ec;
    if (buffer_.size() > 0) {
      auto used = p.put(buffer_.data(), ec);
      buffer_.consume(used);
      if (!share.grow_to(p.get().body().size()))
        co_return asio::error::make_error_code(asio::error::no_buffer_space);
      if (p.is_done())
        break;
      if (ec && ec != http::error::need_more)
        co_return ec;
      // A chunk's header or the trailer that does not end.
      if (buffer_.size() > home_.state->options.max_header)
        co_return http::make_error_code(http::error::bad_chunk_extension);
    }
    auto left = p.content_length_remaining().value_or(0);
    ec = co_await read_more(left > large_read_size ? large_read_size
                                                   : read_size);
    if (ec)
      co_return ec;
  }
  co_return error_code{};
}

/// Tells a client that asked first that its body is welcome.
asio::awaitable<void> http_connection::invite_body(parser& p) {
  auto& message = p.get();
  if (message.version() != 11 || p.is_done() || buffer_.size() > 0
      || message.find(http::field::expect) == message.end())
    co_return;
  static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  if (tls_) {
    (void)co_await write_tls(text);
    co_return;
  }
  error_code ec;
  co_await asio::async_write(socket_, asio::buffer(text.data(), text.size()),
                             asio::redirect_error(asio::use_awaitable, ec));
}

// -- answering ----------------------------------------------------------------

asio::awaitable<bool> http_connection::answer_early(parser& p,
                                                    const request_head& request,
                                                    http_response& response) {
  auto* route = request.match.found;
  home_.state->metrics.record(route ? route->path : "none",
                              method_label(request.method), response.status, 0);
  // An answer before the body is read leaves the connection unusable.
  auto keep
    = !request.has_body && p.get().keep_alive() && p.get().version() == 11;
  body_share share{*home_.state};
  if (!request.has_body)
    (void)co_await read_body(p, share);
  auto ok = co_await respond(response, keep, request.is_head);
  if (!keep)
    co_await linger();
  co_return ok&& keep;
}

/// Answers a request that could not be read, where there is anybody to answer.
asio::awaitable<bool> http_connection::refuse(error_code ec) {
  http_response response;
  if (timed_out_ && phase_ == phase::reading)
    response = problem(408, "the request did not arrive in time");
  else if (ec == http::error::header_limit
           || ec == http::error::buffer_overflow)
    response = problem(431, "the request's header is too large");
  else if (ec == http::error::body_limit)
    response = problem(413, "the request's body is too large");
  else if (ec == asio::error::no_buffer_space)
    response = problem(error{errc::unavailable,
                             "The bodies of all requests together are too "
                             "large at the moment; try again shortly."});
  else if (is_broken_http(ec))
    response = problem(400, "the request is not HTTP/1.1: " + ec.message());
  else
    co_return false;
  home_.state->metrics.record("none", "none", response.status, 0);
  (void)co_await respond(response, false, false);
  co_await linger();
  co_return false;
}

void http_connection::render_head(const http_response& response,
                                  bool keep_alive) {
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

asio::awaitable<bool> http_connection::respond(http_response& response,
                                               bool keep_alive, bool head) {
  keep_alive = keep_alive && !home_.state->draining;
  enter(phase::writing, response.body.size());
  render_head(response, keep_alive);
  // What only this answer tells must not be lost with a client that has gone.
  auto undone = response.undelivered && !client_is_there();
  error_code ec;
  if (!undone) {
    std::size_t sent = 0;
    if (tls_) {
      ec = co_await answer_tls(response, head);
      sent = head_.size() + (head ? 0 : response.body.size());
    } else {
      std::array<asio::const_buffer, 2> parts{
        asio::buffer(head_),
        head ? asio::const_buffer{} : asio::buffer(response.body)};
      sent = co_await asio::async_write(
        socket_, parts, asio::redirect_error(asio::use_awaitable, ec));
    }
    home_.state->metrics.bytes_out.fetch_add(sent, std::memory_order_relaxed);
  }
  if ((undone || ec) && response.undelivered)
    response.undelivered();
  co_return keep_alive && !ec && !undone;
}

/// Lets the client read the last answer before the connection is reset: takes
/// what it still sends, for a while.
asio::awaitable<void> http_connection::linger() {
  if (tls_)
    co_await finish_tls();
  error_code ec;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  enter(phase::writing);
  deadline_ = home_.now + linger_time;
  std::array<char, 16'384> waste;
  while (!ec)
    co_await socket_.async_read_some(
      asio::buffer(waste), asio::redirect_error(asio::use_awaitable, ec));
}

} // namespace muster
