#pragma once

#include "actors/worker_actor.hpp"
#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// A worker whose manager the test plays.
struct worker_fixture {
  explicit worker_fixture(std::uint32_t concurrency = 2,
                          bool remote_manager = false) {
    add_builtin_handlers(*handlers);
    metrics = std::make_shared<worker_metrics>(handlers);
    worker_actor_options options;
    options.settings.name = "w";
    options.settings.incarnation = "1";
    options.settings.concurrency = concurrency;
    options.settings.lease_ttl = std::chrono::milliseconds{600};
    options.settings.heartbeat = std::chrono::milliseconds{200};
    options.metrics = metrics;
    options.all_remote = remote_manager;
    options.locate_manager = [this] {
      std::lock_guard guard{mutex};
      return published;
    };
    options.on_runner = [this](std::shared_ptr<job_runner> given) {
      runner = std::move(given);
    };
    publish(*manager);
    worker = spawn_actor<worker_state>(system, options);
    caf::scoped_actor self{system};
    self->request(worker, std::chrono::seconds{10}, start_child{})
      .receive([] {}, [](const caf::error& err) { FAIL(to_string(err)); });
  }

  ~worker_fixture() {
    publish(nullptr);
    caf::scoped_actor self{system};
    self->monitor(worker);
    caf::anon_send_exit(worker, caf::exit_reason::user_shutdown);
    CHECK(next<caf::down_msg>(self));
    CHECK(runner->wait_until_ended(std::chrono::seconds{10}));
  }

  void publish(caf::actor handle) {
    std::lock_guard guard{mutex};
    published = std::move(handle);
  }

  void publish(caf::scoped_actor& self) {
    publish(caf::actor{self});
  }

  // The worker's registration, accepted; then what it grants.
  std::uint32_t accept() {
    registration = next<register_worker>(*manager).value_or(register_worker{});
    tell_worker(worker_accepted{});
    auto grant = next<grant_credit>(*manager);
    return grant ? grant->more : 0;
  }

  template <class T>
  void tell_worker(T msg) {
    (*manager)->send(worker, std::move(msg));
  }

  lease_token lease(std::string handler, std::string payload = {},
                    millis timeout = std::chrono::seconds{60},
                    std::string queue = "q") {
    leased_job job;
    job.queue = std::move(queue);
    job.token = {job_id{++last_id}, 1};
    job.handler = std::move(handler);
    job.payload = std::move(payload);
    job.timeout = timeout;
    tell_worker(lease_batch{{job}});
    return job.token;
  }

  std::optional<outcome_batch> outcomes() {
    return next<outcome_batch>(*manager);
  }

  void acknowledge(const outcome_batch& batch) {
    tell_worker(outcome_ack{
      batch.number, errc::none,
      std::vector<settle_status>(batch.items.size(), settle_status::ok)});
  }

  // A drain whose end the test waits for.
  void drain(millis limit) {
    client->send(worker, drain_worker{limit});
  }

  system_config config;
  caf::actor_system system{config};
  std::shared_ptr<handler_registry> handlers
    = std::make_shared<handler_registry>();
  std::shared_ptr<worker_metrics> metrics;
  std::unique_ptr<caf::scoped_actor> manager
    = std::make_unique<caf::scoped_actor>(system);
  caf::scoped_actor client{system};
  std::mutex mutex;
  caf::actor published;
  std::shared_ptr<job_runner> runner;
  caf::actor worker;
  register_worker registration;
  std::uint64_t last_id = 0;
};

} // namespace muster::test
