#pragma once

#include "actors/endpoint.hpp"
#include "persistence/expected.hpp"
#include "runtime/process.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster {

/// A directory of a command's own, for itself and the nodes that it starts.
/// Removed at the end; also at SIGINT and SIGTERM, which then end the program
/// after the nodes have been killed. Make it before any other thread.
class scratch {
public:
  /// Makes a directory in `parent`, or, if that is empty, where large temporary
  /// files belong. Errors: `io_error`.
  [[nodiscard]] static expected<std::unique_ptr<scratch>>
  make(std::filesystem::path parent, std::string_view prefix);

  ~scratch();
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept {
    return path_;
  }

  /// Whether it is held in memory rather than on a disk.
  [[nodiscard]] bool in_memory() const;

private:
  friend class private_node;

  explicit scratch(std::filesystem::path path);
  void watch_signals();
  void remove() noexcept;

  std::filesystem::path path_;
  /// Held while a process is started, and from the first signal to the end.
  std::mutex mutex_;
  std::vector<pid_t> children_;
  std::thread watcher_;
};

struct private_node_options {
  /// Of the node: `--name=value` each, beside ports and data directory.
  std::vector<std::string> settings;
  /// Below the scratch directory.
  std::string name = "node";
  millis ready_limit{120'000};
};

/// A `muster node`, the same program as this one, on ports of its own, with its
/// data in the scratch directory. Killed with its owner.
class private_node {
public:
  /// Starts it and waits until it is ready; on the data of an earlier one of
  /// the same name if there was one. Errors: what `process::start` says, and
  /// `unavailable` with the end of the node's log if it does not get ready.
  [[nodiscard]] static expected<private_node>
  start(scratch& where, private_node_options options);

  ~private_node();
  private_node(private_node&&) noexcept = default;
  private_node& operator=(private_node&&) = delete;

  [[nodiscard]] const std::string& host() const noexcept {
    return host_;
  }
  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }
  /// Where other nodes find it.
  [[nodiscard]] const endpoint& node_address() const noexcept {
    return node_address_;
  }
  [[nodiscard]] pid_t pid() const noexcept {
    return process_.pid();
  }

  /// Kills it without warning and waits for its end.
  void kill();

  /// Asks it to end, and waits. Fails if its exit status is not 0.
  [[nodiscard]] expected<void> stop(millis limit = millis{60'000});

private:
  private_node(scratch& where, process child);

  void forget() noexcept;

  scratch* where_;
  process process_;
  std::string host_;
  std::uint16_t port_ = 0;
  endpoint node_address_;
};

} // namespace muster
