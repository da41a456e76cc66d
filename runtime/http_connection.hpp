#pragma once

#include "actors/tls_engine.hpp"
#include "runtime/asio_coroutine.hpp"
#include "runtime/http_answer.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Private to the server.

namespace muster {

class http_loop;
struct http_call;
struct route_match;

/// One client's connection: reads a request, has its route run, writes the
/// answer, and again. A coroutine on its loop's thread; that thread alone calls
/// any member.
///
///     idle --first byte--> reading --whole--> handling --answer--> writing
///      ^                                                              |
///      +--------------------------- keep-alive -----------------------+
///
/// With TLS a handshake comes first.
class http_connection : public std::enable_shared_from_this<http_connection> {
public:
  using clock = std::chrono::steady_clock;

  http_connection(http_loop& home, boost::asio::ip::tcp::socket socket);
  ~http_connection();

  /// Serves until the connection ends. Holds the connection.
  boost::asio::awaitable<void> run();

  /// Ends what takes too long, and notices clients that have gone.
  void sweep(clock::time_point now);
  void close_if_idle();

  /// After the loop: waits for no answer any more.
  void abandon();

private:
  enum class phase { handshake, idle, reading, handling, writing };

  template <class T>
  using task = boost::asio::awaitable<T>;
  using error_code = boost::system::error_code;
  using parser
    = boost::beast::http::request_parser<boost::beast::http::string_body>;
  struct request_head;
  class body_share;

  task<bool> serve_one();
  task<error_code> read_header(parser& p);
  task<error_code> read_body(parser& p, body_share& share);
  task<error_code> read_more(std::size_t size);

  // http_connection_tls.cpp
  task<error_code> shake_hands();
  task<error_code> read_tls(std::size_t size, std::size_t& got);
  task<error_code> write_tls(std::string_view text);
  task<error_code> answer_tls(const http_response& response, bool head);
  /// Tells the other side that nothing more comes.
  task<void> finish_tls();
  task<error_code> send_output();
  task<error_code> receive_input();
  task<void> invite_body(parser& p);
  /// Answers a request whose body is not wanted.
  task<bool> answer_early(parser& p, const request_head& request,
                          http_response& response);
  task<bool> refuse(error_code ec);
  task<void> handle(parser& p, request_head& request, reply_slot* slot);
  task<void> wait_for(reply_slot* slot);
  /// Writes an answer; returns whether the connection goes on.
  task<bool> respond(http_response& response, bool keep_alive, bool head);
  task<void> linger();

  request_head look_at(parser& p) const;
  std::optional<http_response> objection(parser& p,
                                         const request_head& request) const;
  std::optional<http_response> denial(parser& p,
                                      const request_head& request) const;
  http_call call_of(parser& p, request_head& request) const;
  void render_head(const http_response& response, bool keep_alive);
  [[nodiscard]] bool client_is_there();
  void enter(phase next, std::size_t bytes = 0);
  void close();

  http_loop& home_;
  boost::asio::ip::tcp::socket socket_;
  /// None without TLS.
  std::unique_ptr<tls_engine> tls_;
  boost::beast::flat_buffer buffer_;
  std::string head_;
  phase phase_ = phase::idle;
  clock::time_point deadline_;
  /// When to see whether the client of a long wait is still there.
  clock::time_point next_look_;
  bool timed_out_ = false;
  std::shared_ptr<reply_slot> slot_;
};

} // namespace muster
