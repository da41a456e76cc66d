#pragma once

#include "actors/tls_context.hpp"
#include "runtime/gateway.hpp"
#include "runtime/http_text.hpp"
#include "runtime/http_tokens.hpp"
#include "runtime/http_types.hpp"
#include "runtime/problem.hpp"
#include "runtime/rate_sampler.hpp"
#include "runtime/wait_list.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The routes of docs/openapi.yaml as plain functions: a request in, an answer
// to the reply. Nothing here knows of sockets. Private to the gateway.

namespace muster {

/// What all routes share.
struct gateway_state : std::enable_shared_from_this<gateway_state> {
  gateway_state(gateway_options opts, gateway_backend back)
    : options(std::move(opts)),
      backend(std::move(back)),
      waits(options.max_waiting) {
    // nop
  }

  gateway_options options;
  gateway_backend backend;
  /// None: plain HTTP.
  tls_context tls;
  std::atomic<bool> draining{false};
  /// Bytes of the bodies that are being received or handled.
  std::atomic<std::size_t> body_bytes{0};
  wait_list waits;
  rate_sampler rates;
  http_metrics metrics;
};

/// One request under way.
struct http_call {
  http_request request;
  query_parameters query;
  /// What stands at the route's placeholders, decoded, in order.
  std::vector<std::string> arguments;
  reply_handle reply;
};

using route_function = void (*)(gateway_state& state, http_call& call);

enum class body_limit : std::uint8_t { none, text, payload, result, batch };

struct route {
  std::string_view method;
  /// Such as `/v1/jobs/{id}`.
  std::string_view path;
  /// What its caller needs where there are tokens.
  scope needs;
  body_limit limit;
  route_function run;
};

/// All routes; HEAD is GET's, by the connection.
[[nodiscard]] std::span<const route> all_routes();

/// How many bytes a body may have.
[[nodiscard]] std::size_t bytes_of(body_limit limit,
                                   const gateway_options& options) noexcept;

struct route_match {
  /// None: 404, or 405 if `allowed` says what would do.
  const route* found = nullptr;
  std::vector<std::string> arguments;
  std::string allowed;
};

[[nodiscard]] route_match match_route(std::string_view method,
                                      std::string_view path);

/// Runs a route, unless this node keeps no queues and the route is about them.
void run_route(gateway_state& state, const route& what, http_call& call);

// -- what the routes have in common -------------------------------------------

/// Answers with the value, or calls nothing and answers the problem.
template <class T>
[[nodiscard]] bool ok_or_answer(const expected<T>& value, http_call& call) {
  if (!value)
    call.reply->answer(problem(value.error()));
  return value.has_value();
}

/// Answers with what `fn` returns. For callbacks of the journal, which nothing
/// may leave: what is thrown is answered as a bug.
template <class Fn>
void answer_with(const reply_handle& reply, Fn&& fn) {
  try {
    reply->answer(fn());
  } catch (const std::exception& e) {
    reply->answer(problem(error{errc::internal, e.what()}));
  }
}

/// Validates and submits; `then` gets the outcome on the journal's thread.
template <class Outcome, class Then>
void submit_command(gateway_state& state, const reply_handle& reply,
                    const command& cmd, Then then) {
  if (auto valid = validate(cmd); !valid) {
    reply->answer(problem(valid.error()));
    return;
  }
  state.backend.journal->submit(
    encode(cmd), [reply, then = std::move(then)](expected<outcome> result) {
      answer_with(reply, [&result, &then] {
        return result ? then(std::get<Outcome>(*result))
                      : problem(result.error());
      });
    });
}

/// Reads a consistent recent state on the calling thread.
[[nodiscard]] std::optional<read_transaction>
read_or_answer(gateway_state& state, http_call& call);

[[nodiscard]] timestamp wall_clock();

[[nodiscard]] http_response json_response(std::string body, int status = 200);

/// A list's answer ends early when it is this long.
inline constexpr std::size_t max_list_bytes = std::size_t{32} << 20;

// -- routes by file -----------------------------------------------------------

namespace routes {

// routes_enqueue.cpp
void enqueue_job(gateway_state& state, http_call& call);
void enqueue_batch(gateway_state& state, http_call& call);
void enqueue_workload(gateway_state& state, http_call& call);
void pull_completed(gateway_state& state, http_call& call);

// routes_jobs.cpp
void get_job(gateway_state& state, http_call& call);
void get_result(gateway_state& state, http_call& call);
void get_payload(gateway_state& state, http_call& call);
void cancel_job(gateway_state& state, http_call& call);
void retry_job(gateway_state& state, http_call& call);
void list_completed(gateway_state& state, http_call& call);

// routes_lists.cpp
void list_jobs(gateway_state& state, http_call& call);
void list_leases(gateway_state& state, http_call& call);

// routes_leases.cpp
void take_leases(gateway_state& state, http_call& call);
void complete_lease(gateway_state& state, http_call& call);
void fail_lease(gateway_state& state, http_call& call);
void extend_lease(gateway_state& state, http_call& call);
void release_lease(gateway_state& state, http_call& call);

// routes_queues.cpp
void list_queues(gateway_state& state, http_call& call);
void get_queue(gateway_state& state, http_call& call);
void configure_queue(gateway_state& state, http_call& call);
void purge_queue(gateway_state& state, http_call& call);

// routes_node.cpp
void list_workers(gateway_state& state, http_call& call);
void list_nodes(gateway_state& state, http_call& call);
void health(gateway_state& state, http_call& call);
void readiness(gateway_state& state, http_call& call);
void metrics(gateway_state& state, http_call& call);

// routes_inspect.cpp
void list_actors(gateway_state& state, http_call& call);
void get_actor(gateway_state& state, http_call& call);
void get_actor_state(gateway_state& state, http_call& call);
void restart_actor(gateway_state& state, http_call& call);
void stop_actor(gateway_state& state, http_call& call);
void kill_actor(gateway_state& state, http_call& call);
void drain_node(gateway_state& state, http_call& call);
void list_supervisors(gateway_state& state, http_call& call);

// routes_traces.cpp
void start_trace(gateway_state& state, http_call& call);
void read_trace(gateway_state& state, http_call& call);
void end_trace(gateway_state& state, http_call& call);
void read_log(gateway_state& state, http_call& call);
void set_log_level(gateway_state& state, http_call& call);

} // namespace routes

} // namespace muster
