#pragma once

#include "actors/caf_helpers.hpp"
#include "actors/local_node.hpp"
#include "handler_fixture.hpp"
#include "persistence/journal.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// An actor system set up as a node sets it up.
struct system_config : caf::actor_system_config {
  system_config() {
    set_scheduler_defaults(*this);
  }
};

/// A journal in a directory of its own, and what a client does with it.
class journal_client {
public:
  explicit journal_client(std::shared_ptr<journal_port> port)
    : port_(std::move(port)) {
    // nop
  }

  expected<outcome> submit(const command& cmd) {
    auto promise = std::make_shared<std::promise<expected<outcome>>>();
    auto result = promise->get_future();
    port_->submit(encode(cmd), [promise](expected<outcome> answer) {
      promise->set_value(std::move(answer));
    });
    return result.get();
  }

  /// Enqueues one job.
  job_id enqueue(new_job job, std::string_view queue = "q") {
    enqueue_command cmd;
    cmd.queue = queue;
    cmd.jobs.push_back(job);
    auto answer = submit(cmd);
    REQUIRE(answer);
    return std::get<enqueue_outcome>(*answer).jobs.at(0).id;
  }

  job_id enqueue(std::string_view handler, std::string_view payload = {}) {
    new_job job;
    job.handler = handler;
    job.payload = payload;
    return enqueue(job);
  }

  std::optional<job_info> job(job_id id) {
    return read<std::optional<job_info>>(
      [id](const store_view& view) { return view.job(id); });
  }

  std::optional<std::string> result(job_id id) {
    return read<std::optional<std::string>>(
      [id](const store_view& view) { return view.result(id); });
  }

  job_state state(job_id id) {
    auto info = job(id);
    return info ? info->state : job_state::scheduled;
  }

  bool reaches(job_id id, job_state wanted) {
    return eventually([&] { return state(id) == wanted; });
  }

  template <class T, class F>
  T read(F fn) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    port_->read([promise, fn](expected<store_view> view) {
      promise->set_value(view ? fn(*view) : T{});
    });
    return future.get();
  }

private:
  std::shared_ptr<journal_port> port_;
};

/// Small, so that a test costs little.
inline journal_options small_journal(const std::filesystem::path& dir) {
  journal_options options;
  options.directory = dir;
  options.map_size = std::size_t{1} << 30;
  options.segment_size = std::size_t{1} << 20;
  return options;
}

/// The next message of a type that an actor gets within ten seconds; others
/// stay in its mailbox.
template <class T>
std::optional<T> next(caf::scoped_actor& self, std::chrono::milliseconds limit
                                               = std::chrono::seconds{10}) {
  std::optional<T> result;
  self->receive([&result](T& msg) { result = std::move(msg); },
                caf::after(limit) >> [] {});
  return result;
}

} // namespace muster::test
