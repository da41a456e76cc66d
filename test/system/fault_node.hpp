#pragma once

#include "persistence/expected.hpp"
#include "runtime/node_json.hpp"
#include "runtime/process.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muster::fault {

struct fault_node_options {
  std::string name;
  /// For its output; its data is in `data_dir`.
  std::filesystem::path home;
  std::filesystem::path data_dir;
  /// What the command begins with, such as `nsenter`.
  std::vector<std::string> prefix;
  /// `NAME=value` each.
  std::vector<std::string> environment;
  std::vector<std::string> settings;
};

/// A node that is started, ended and started again. Killed with its owner. Not
/// thread-safe.
class fault_node {
public:
  explicit fault_node(fault_node_options options);

  /// Starts it with these settings besides its own, and waits until it is
  /// ready. The error is what it said.
  [[nodiscard]] expected<void> start(const std::vector<std::string>& more);

  /// SIGKILL.
  void kill();
  void signal(int number);
  /// Waits for its end after SIGTERM. Fails, with the end of its log, if it had
  /// to be killed after the limit, or if its exit status is not 0.
  [[nodiscard]] expected<void> wait(millis limit);

  /// Of its last start.
  [[nodiscard]] const node_facts& facts() const noexcept {
    return facts_;
  }

  [[nodiscard]] const fault_node_options& options() const noexcept {
    return options_;
  }

  [[nodiscard]] bool running();

  /// The end of what it wrote to standard error.
  [[nodiscard]] std::string log_tail(std::size_t bytes) const;

private:
  fault_node_options options_;
  std::optional<process> process_;
  node_facts facts_;
};

} // namespace muster::fault
