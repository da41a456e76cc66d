#pragma once

#include "actors/manager_actor.hpp"
#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// A manager on a real journal; the test plays the workers.
struct manager_fixture {
  explicit manager_fixture(bool remote_workers = false)
    : all_remote(remote_workers) {
    open_journal();
    start();
  }

  ~manager_fixture() {
    end_manager(caf::exit_reason::user_shutdown);
    close_journal();
  }

  void open_journal() {
    auto options = small_journal(dir.path());
    options.on_revoked = [this](std::vector<effects::revoked_lease> revoked) {
      revocations->publish(revoked);
    };
    options.on_paused = [this](std::vector<std::string> queues) {
      revocations->publish({}, queues);
    };
    auto opened = journal::open(options);
    REQUIRE(opened);
    port->attach(std::move(*opened));
  }

  void close_journal() {
    if (auto target = port->detach())
      target->close();
  }

  void start() {
    manager_options options{port, revocations, board, {}, all_remote};
    manager = spawn_actor<manager_state>(system, options);
    caf::scoped_actor self{system};
    self->request(manager, std::chrono::seconds{10}, start_child{})
      .receive([] {}, [](const caf::error& err) { FAIL(to_string(err)); });
  }

  void end_manager(caf::exit_reason reason) {
    caf::scoped_actor self{system};
    self->monitor(manager);
    caf::anon_send_exit(manager, reason);
    REQUIRE(next<caf::down_msg>(self));
  }

  bool all_remote;
  temp_dir dir;
  system_config config;
  caf::actor_system system{config};
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  std::shared_ptr<revocation_feed> revocations
    = std::make_shared<revocation_feed>();
  std::shared_ptr<worker_board> board = std::make_shared<worker_board>();
  caf::actor manager;
  journal_client client{port};
};

/// The worker's side of the conversation.
struct fake_worker {
  explicit fake_worker(manager_fixture& where, std::string worker_name = "w")
    : fix(where), name(std::move(worker_name)) {
    // nop
  }

  void join(std::uint32_t credit, std::vector<lease_token> held = {},
            millis ttl = std::chrono::seconds{30}) {
    register_worker msg;
    msg.worker = self;
    msg.name = name;
    msg.incarnation = "1";
    msg.concurrency = 2;
    msg.lease_ttl = ttl;
    msg.credit = credit;
    msg.held = std::move(held);
    msg.supervised = supervised;
    send(std::move(msg));
  }

  template <class T>
  void send(T msg) {
    self->send(fix.manager, std::move(msg));
  }

  // As many jobs as come, at least `n`.
  std::vector<leased_job> lease(std::size_t n) {
    std::vector<leased_job> result;
    while (result.size() < n) {
      auto batch = next<lease_batch>(self);
      if (!batch)
        break;
      for (auto& job : batch->jobs)
        result.push_back(std::move(job));
    }
    return result;
  }

  void complete(std::uint64_t number, lease_token token,
                std::string result = "done") {
    send(outcome_batch{
      number, {{token, outcome_kind::succeeded, std::move(result), true}}});
  }

  manager_fixture& fix;
  std::string name;
  bool supervised = false;
  caf::scoped_actor self{fix.system};
};

} // namespace muster::test
