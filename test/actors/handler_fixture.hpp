#pragma once

#include "actors/handler.hpp"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

namespace muster::test {

/// One attempt of one job, for calling a handler without a worker.
struct attempt {
  explicit attempt(std::string payload,
                   millis limit = std::chrono::minutes{1}) {
    job.token = {job_id{42}, 1};
    job.queue = "images";
    job.payload = std::move(payload);
    job.timeout = limit;
    control.begin(attempt_control::clock::now() + limit);
  }

  expected<std::string> run(const handler_function& fn) {
    job_context ctx{job, control};
    return fn(ctx);
  }

  leased_job job;
  attempt_control control;
};

/// A built-in handler.
inline handler_function builtin(std::string_view name) {
  handler_registry registry;
  add_builtin_handlers(registry);
  return *registry.find(name);
}

/// Whether `condition` holds within ten seconds.
template <class Predicate>
bool eventually(Predicate condition,
                std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

} // namespace muster::test
