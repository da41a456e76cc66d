#pragma once

#include "persistence/journal.hpp"
#include "runtime/gateway.hpp"
#include "runtime/http_client.hpp"
#include "test/support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

/// Nodes that say what the test wants, at once, or nothing at all.
class scripted_nodes : public inspection_port {
public:
  [[nodiscard]] std::vector<inspected_node> nodes() const override {
    return {{"press", "self"}, {"far", "connected"}};
  }

  void call(inspection_call what) override {
    auto answer = respond(what);
    // A kept way to answer would keep the gateway that keeps this.
    auto on_answer = std::exchange(what.on_answer, {});
    calls.push_back(std::move(what));
    if (answer)
      on_answer(std::move(*answer));
  }

  /// None: no answer.
  std::function<std::optional<inspection_answer>(const inspection_call&)>
    respond = [](const inspection_call& what) { return plausible(what); };
  std::vector<inspection_call> calls;

  /// What such a node would say.
  static inspection_answer plausible(const inspection_call& what);
};

/// A gateway on a real journal in a fresh directory. Every answer that it gives
/// to `send` is held against docs/openapi.yaml.
class gateway_fixture {
public:
  explicit gateway_fixture(const gateway_options& options = local(),
                           const journal_options& storage = {},
                           const http_client_options& client = {});
  ~gateway_fixture();
  gateway_fixture(const gateway_fixture&) = delete;
  gateway_fixture& operator=(const gateway_fixture&) = delete;

  /// On a free port of this machine.
  static gateway_options local();

  // -- requests ---------------------------------------------------------------

  http_reply send(std::string_view method, std::string_view target,
                  std::string_view body = {}, const http_headers& headers = {});

  /// The body of an answer that must have the status.
  nlohmann::json json(int status, std::string_view method,
                      std::string_view target, std::string_view body = {},
                      const http_headers& headers = {});

  /// The sentence of a problem that must have the status and the code; empty is
  /// none.
  std::string problem(int status, std::string_view code,
                      std::string_view method, std::string_view target,
                      std::string_view body = {},
                      const http_headers& headers = {});

  /// Enqueues and returns the id.
  std::string enqueue(std::string_view queue, std::string_view payload = {},
                      std::string_view query = {});

  /// Leases one job, which must be there, and returns the lease.
  nlohmann::json lease(std::string_view queue, std::string_view query = {});

  /// Leases a job and completes it.
  void finish(std::string_view queue, std::string_view result = {});

  /// Leases a job and fails it for good.
  void bury(std::string_view queue, std::string_view reason = "no");

  nlohmann::json job(std::string_view id);

  /// Asks until `fits` likes the answer's body.
  nlohmann::json await(std::string_view method, std::string_view target,
                       const std::function<bool(const nlohmann::json&)>& fits);

  // -- the server -------------------------------------------------------------

  [[nodiscard]] std::uint16_t port() const {
    return server->port();
  }

  /// A figure of `/metrics`; 0 if it is not there.
  std::uint64_t metric(std::string_view name_and_labels);

  /// Waits until the figure has the value.
  void await_metric(std::string_view name_and_labels, std::uint64_t value);

  temp_dir dir;
  std::shared_ptr<journal_port> storage = std::make_shared<journal_port>();
  std::atomic<bool> serving{true};
  std::vector<worker_info> workers;
  std::vector<supervisor_info> supervisors;
  std::vector<node_info> nodes;
  std::shared_ptr<scripted_nodes> inspected
    = std::make_shared<scripted_nodes>();
  std::unique_ptr<gateway> server;

private:
  std::unique_ptr<http_client> client_;
};

/// Calls `done` until it is true; fails the test after 20 seconds.
void await_true(const std::function<bool()>& done);

} // namespace muster
