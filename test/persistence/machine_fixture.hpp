#pragma once

#include "persistence/state_machine.hpp"
#include "test/support/store_checker.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// A state machine on a store of its own, with a clock that stands still until
/// it is moved. Each test ends with a commit, and a look at whether everything
/// in the store agrees.
class machine_fixture {
public:
  machine_fixture() {
    open();
  }

  ~machine_fixture() {
    if (std::uncaught_exceptions() == 0 && machine) {
      CHECK(machine->commit());
      CHECK(check_store(*db) == std::vector<std::string>{});
    }
  }

  machine_fixture(const machine_fixture&) = delete;
  machine_fixture& operator=(const machine_fixture&) = delete;

  void open() {
    machine.reset();
    db.reset();
    store_options options;
    options.directory = dir.path();
    options.map_size = std::size_t{256} << 20;
    auto opened = store::open(options);
    REQUIRE(opened);
    db = std::move(*opened);
    machine = std::make_unique<state_machine>(*db);
  }

  /// Applies a valid command, with effects of its own in `fx`.
  template <class Outcome>
  Outcome run(const command& cmd) {
    REQUIRE(validate(cmd));
    fx.clear();
    auto out = machine->apply(cmd, now, fx);
    REQUIRE(out);
    return std::get<Outcome>(std::move(*out));
  }

  job_id enqueue(std::string_view queue, new_job job = {}) {
    if (job.handler.empty())
      job.handler = "h";
    auto out = run<enqueue_outcome>(enqueue_command{queue, {job}});
    REQUIRE(out.jobs.size() == 1);
    return out.jobs.front().id;
  }

  std::vector<leased_job> lease_many(std::string_view queue,
                                     std::uint32_t max) {
    return run<lease_outcome>(lease_command{queue, "w", max, millis{30'000}})
      .jobs;
  }

  /// Leases the one job that is next.
  lease_token lease(std::string_view queue) {
    auto jobs = lease_many(queue, 1);
    REQUIRE(jobs.size() == 1);
    return jobs.front().token;
  }

  settle_status complete(lease_token token, std::string_view result = "r") {
    return settle(complete_command{{{token, result}}}).status;
  }

  settle_status fail(lease_token token, failure_kind kind = failure_kind::error,
                     bool retry = true) {
    return settle(fail_command{{{token, kind, "why", retry}}}).status;
  }

  settle_status release(lease_token token) {
    return settle(release_command{{token}}).status;
  }

  settled_lease extend(lease_token token, millis ttl) {
    return settle(extend_command{{{token, ttl, std::nullopt}}});
  }

  settled_lease settle(const command& cmd) {
    auto out = run<settle_outcome>(cmd);
    REQUIRE(out.items.size() == 1);
    return out.items.front();
  }

  tick_outcome tick(std::uint32_t max = 1'000) {
    return run<tick_outcome>(tick_command{max});
  }

  change_outcome cancel(job_id id) {
    return run<change_outcome>(cancel_command{id});
  }

  change_outcome retry(job_id id) {
    return run<change_outcome>(retry_command{id});
  }

  void configure(const configure_command& cmd) {
    run<configure_outcome>(cmd);
  }

  job_info job(job_id id) {
    auto found = machine->view()->job(id);
    REQUIRE(found);
    return *found;
  }

  job_state state(job_id id) {
    return job(id).state;
  }

  bool exists(job_id id) {
    return machine->view()->job(id).has_value();
  }

  queue_info queue(std::string_view name) {
    auto found = machine->view()->queue(name);
    REQUIRE(found);
    return *found;
  }

  temp_dir dir;
  std::unique_ptr<store> db;
  std::unique_ptr<state_machine> machine;
  effects fx;
  timestamp now{millis{1'700'000'000'000}};
};

} // namespace muster
