#pragma once

#include "runtime/http_client.hpp"
#include "runtime/node_json.hpp"
#include "runtime/process.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace muster {

/// How long a test waits for what must happen.
inline constexpr millis patience{60'000};

/// Asks until the answer is true; false at the end of the patience.
template <class Predicate>
bool eventually(Predicate done, millis limit = patience) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return true;
}

/// What a call of the program came to.
struct program_result {
  exit_status status;
  std::string out;
  std::string errors;
};

/// Runs `muster` in a directory to its end, with `input` as its standard input.
program_result run_program(const std::filesystem::path& dir,
                           const std::vector<std::string>& words,
                           std::string_view input = {});

/// A `muster node` on ports that the system chooses. Killed with its owner.
class node_process {
public:
  /// Starts it and waits until it is ready. Its data is in `home/muster-data`.
  explicit node_process(std::filesystem::path home,
                        std::vector<std::string> settings = {});

  [[nodiscard]] const std::string& ready_line() const noexcept {
    return ready_line_;
  }

  [[nodiscard]] const node_facts& facts() const noexcept {
    return facts_;
  }

  [[nodiscard]] std::filesystem::path data_dir() const {
    return home_ / "muster-data";
  }

  [[nodiscard]] process& child() noexcept {
    return *child_;
  }

  /// A connection of its own.
  [[nodiscard]] http_client client() const {
    return {facts_.http.host, facts_.http.port};
  }

  /// Fails the test unless the answer has this status.
  http_reply send(int status, std::string_view method, std::string_view target,
                  std::string_view body = {}, const http_headers& headers = {});

  /// Enqueues and returns the id.
  std::string enqueue(std::string_view queue, std::string_view payload,
                      std::string_view query = {});

  /// The job's state.
  std::string state_of(const std::string& id);

  /// Asks it to end and waits.
  exit_status stop(int signal = 15);
  /// Kills it without warning.
  void kill();

  /// What it has written to standard error.
  [[nodiscard]] std::string log() const;

private:
  std::filesystem::path home_;
  std::optional<process> child_;
  std::string ready_line_;
  node_facts facts_;
};

} // namespace muster
