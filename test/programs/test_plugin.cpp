// A plug-in for tests.

#include "actors/plugin.hpp"

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

using muster::plugin::failure;
using muster::plugin::job;
using muster::plugin::result;

namespace {

/// Takes its whole process with it: payload `segv` or `abort`.
result crash(job& job) {
  if (job.payload() == "segv") {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  }
  if (job.payload() == "abort")
    std::abort();
  return failure{"the payload must be segv or abort", false};
}

result shout(job& job) {
  std::string text{job.payload()};
  for (auto& c : text)
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
  return text;
}

/// Payload `exception` or anything else.
result throws(job& job) {
  if (job.payload() == "exception")
    throw std::runtime_error{"no luck"};
  throw 42;
}

/// Fails for good.
result refuse(job&) {
  return failure{"never", false};
}

/// Says what it sees of its job.
result describe(job& job) {
  auto text = std::string{job.queue()} + " " + std::string{job.handler()} + " "
              + std::to_string(job.id()) + " " + std::to_string(job.attempt())
              + " of " + std::to_string(job.max_attempts());
  job.progress(text);
  return text;
}

/// Waits until it is asked to stop.
result wait(job& job) {
  while (job.wait_for(std::chrono::milliseconds{60'000}))
    ;
  return failure{"stopped for reason "
                 + std::to_string(static_cast<int>(job.reason()))};
}

/// Does not stop, whatever it is asked.
result hang(job&) {
  while (true)
    std::this_thread::sleep_for(std::chrono::hours{1});
}

} // namespace

MUSTER_PLUGIN({"crash", crash}, {"shout", shout}, {"throws", throws},
              {"refuse", refuse}, {"describe", describe}, {"wait", wait},
              {"hang", hang})
