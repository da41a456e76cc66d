#include "test/runtime/gateway_fixture.hpp"

#include "test/runtime/api_description.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <thread>

namespace muster {

using namespace std::chrono_literals;

inspection_answer scripted_nodes::plausible(const inspection_call& what) {
  inspection_answer result;
  switch (what.request.kind) {
    case inspection_kind::list_actors: {
      actor_row row;
      row.name = "node/worker";
      row.type = "muster.worker";
      row.parent = "node";
      row.id = 7;
      row.busy_us = 1'500;
      row.last_error = "a \"reason\"";
      row.last_message_at = timestamp{1'700'000'000'000ms};
      result.actors.push_back(std::move(row));
      break;
    }
    case inspection_kind::get_state:
      result.text = R"({"phase":"serving"})";
      break;
    case inspection_kind::read_trace:
      result.trace.events.push_back(
        {timestamp{}, "node/worker", "node/manager", "lease_batch(…)", 12});
      break;
    case inspection_kind::read_log:
      result.text = R"({"lines":[],"next":0,"missed":0,"level":"info"})";
      break;
    case inspection_kind::list_supervisors:
      result.text = "[]";
      break;
    default:
      break;
  }
  return result;
}

gateway_options gateway_fixture::local() {
  gateway_options options;
  options.port = 0;
  return options;
}

gateway_fixture::gateway_fixture(const gateway_options& options,
                                 const journal_options& wish,
                                 const http_client_options& client) {
  auto settings = wish;
  settings.directory = dir.path();
  if (settings.map_size == journal_options{}.map_size)
    settings.map_size = std::size_t{1} << 30;
  settings.segment_size = std::size_t{1} << 20;
  settings.disk_reserve = std::size_t{1} << 20;
  auto opened = journal::open(settings);
  REQUIRE(opened);
  storage->attach(std::move(*opened));
  gateway_backend backend;
  backend.journal = storage;
  backend.workers = [this] { return workers; };
  backend.nodes = [this] { return nodes; };
  backend.supervisors = [this] { return supervisors; };
  backend.serving = [this] { return serving.load(); };
  backend.metrics = [] { return "muster_node_figure 1\n"; };
  backend.inspection = inspected;
  auto started = gateway::start(options, std::move(backend));
  REQUIRE(started);
  server = std::move(*started);
  client_ = std::make_unique<http_client>("127.0.0.1", server->port(), client);
}

gateway_fixture::~gateway_fixture() {
  client_.reset();
  server.reset();
  if (auto target = storage->detach())
    target->close();
}

http_reply gateway_fixture::send(std::string_view method,
                                 std::string_view target, std::string_view body,
                                 const http_headers& headers) {
  auto reply = client_->send(method, target, headers, body);
  INFO(method << ' ' << target);
  REQUIRE(reply);
  for (auto& fault : api_description::get().faults(method, target, *reply))
    FAIL_CHECK(fault);
  return std::move(*reply);
}

nlohmann::json gateway_fixture::json(int status, std::string_view method,
                                     std::string_view target,
                                     std::string_view body,
                                     const http_headers& headers) {
  auto reply = send(method, target, body, headers);
  INFO(method << ' ' << target << ": " << reply.body);
  REQUIRE(reply.status == status);
  return nlohmann::json::parse(reply.body);
}

std::string gateway_fixture::problem(int status, std::string_view code,
                                     std::string_view method,
                                     std::string_view target,
                                     std::string_view body,
                                     const http_headers& headers) {
  auto value = json(status, method, target, body, headers);
  CHECK(value.at("status") == status);
  CHECK(value.value("code", "") == code);
  return value.at("detail").get<std::string>();
}

std::string gateway_fixture::enqueue(std::string_view queue,
                                     std::string_view payload,
                                     std::string_view query) {
  auto target = "/v1/queues/" + std::string{queue} + "/jobs?";
  return json(201, "POST", target.append(query), payload).at("id");
}

nlohmann::json gateway_fixture::lease(std::string_view queue,
                                      std::string_view query) {
  auto target = "/v1/queues/" + std::string{queue} + "/leases?";
  auto leases = json(200, "POST", target.append(query)).at("leases");
  REQUIRE(leases.size() == 1);
  return leases.at(0);
}

void gateway_fixture::finish(std::string_view queue, std::string_view result) {
  auto token = lease(queue).at("token").get<std::string>();
  json(200, "POST", "/v1/leases/" + token + "/complete", result);
}

void gateway_fixture::bury(std::string_view queue, std::string_view reason) {
  auto token = lease(queue).at("token").get<std::string>();
  nlohmann::json body{{"error", reason}, {"retry", false}};
  json(200, "POST", "/v1/leases/" + token + "/fail", body.dump());
}

nlohmann::json gateway_fixture::job(std::string_view id) {
  return json(200, "GET", "/v1/jobs/" + std::string{id});
}

nlohmann::json
gateway_fixture::await(std::string_view method, std::string_view target,
                       const std::function<bool(const nlohmann::json&)>& fits) {
  nlohmann::json result;
  await_true([&] {
    result = json(200, method, target);
    return fits(result);
  });
  return result;
}

std::uint64_t gateway_fixture::metric(std::string_view name_and_labels) {
  auto text = server->metrics().render();
  auto line = '\n' + std::string{name_and_labels} + ' ';
  auto pos = text.find(line);
  return pos == std::string::npos ? 0
                                  : std::stoull(text.substr(pos + line.size()));
}

void gateway_fixture::await_metric(std::string_view name_and_labels,
                                   std::uint64_t value) {
  await_true([&] { return metric(name_and_labels) == value; });
}

void await_true(const std::function<bool()>& done) {
  auto until = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    REQUIRE(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(2ms);
  }
}

} // namespace muster
