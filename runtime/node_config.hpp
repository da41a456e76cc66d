#pragma once

#include "actors/local_node.hpp"
#include "persistence/expected.hpp"
#include "runtime/cli.hpp"
#include "runtime/gateway.hpp"
#include "runtime/logging.hpp"

#include <caf/actor_system_config.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What a node is told to be, checked.
struct node_settings {
  bool manager = true;
  bool worker = true;
  /// Empty: kept in the data directory, or made up.
  std::string name;
  std::filesystem::path data_dir;
  gateway_options http;
  std::string node_address;
  std::uint16_t node_port = 0;
  bool strict_ports = false;
  bool insecure = false;
  /// End when the standard input does.
  bool exit_with_stdin = false;
  /// Whether this is a process that another node has made to run jobs.
  bool worker_process = false;
  /// How many such processes this node makes; it runs no jobs itself then.
  std::uint32_t worker_processes = 0;
  /// As given on the command line.
  std::vector<std::string> arguments;
  /// Whether nodes show each other certificates.
  bool node_tls = false;
  /// How others reach this node, if not by the address that it listens on. Port
  /// 0 is the one that it listens on.
  endpoint advertise;
  std::vector<endpoint> join;
  worker_options worker_settings;
  journal_options journal;
  std::map<std::string, std::vector<std::string>> exec_handlers;
  /// Plug-ins to load; files that are there.
  std::vector<std::filesystem::path> plugins;
  std::size_t max_result = 0;
  millis drain_timeout{0};
  log_level level = log_level::info;
  bool json_log = false;
};

/// The settings of `muster node`: flags over the file given by `--config-file`
/// over defaults, by CAF's own machinery; CAF's own settings are there too.
class node_config : public caf::actor_system_config {
public:
  node_config();

  /// Reads flags and file. The error is one sentence.
  [[nodiscard]] expected<void> read(arguments args);

  /// Checks what was read.
  [[nodiscard]] expected<node_settings> settings() const;

  /// True if a flag asked for text only, which was printed.
  [[nodiscard]] bool only_printed() const noexcept {
    return cli_helptext_printed;
  }

  /// For `muster node --help`.
  [[nodiscard]] static std::string_view help();

private:
  /// As given.
  struct raw_settings {
    std::string roles = "manager,worker";
    std::string name;
    std::string data_dir = "./muster-data";
    std::string http_address = "127.0.0.1";
    std::uint16_t http_port = 8420;
    std::string node_address = "127.0.0.1";
    std::uint16_t node_port = 8421;
    bool strict_ports = false;
    bool insecure = false;
    bool exit_with_stdin = false;
    bool worker_process = false;
    std::string worker_processes = "auto";
    std::string http_token_file;
    std::string http_certificate;
    std::string http_key;
    std::string node_ca;
    std::string node_certificate;
    std::string node_key;
    std::string join;
    std::string node_advertise;
    std::string node_heartbeat = "1s";
    std::string node_timeout = "4s";
    std::uint32_t concurrency = 0;
    std::string queues;
    std::string handlers;
    std::string lease_ttl = "30s";
    std::string heartbeat = "0";
    std::string lease_grace = "5s";
    std::string drain_timeout = "30s";
    std::string log_level = "info";
    std::string log_format = "text";
    std::string map_size = "1TiB";
    std::string segment_size = "32MiB";
    std::string snapshot_bytes = "48MiB";
    std::string store_reserve = "0";
    std::string disk_reserve = "0";
    std::string commit_interval = "100ms";
    std::string max_payload = "16MiB";
    std::string max_result = "16MiB";
    std::string max_batch_body = "32MiB";
    std::string max_bodies = "512MiB";
    std::string max_outbox = "256MiB";
    std::uint32_t http_threads = 1;
    std::uint32_t max_connections = 10'000;
  };

  [[nodiscard]] expected<void> check_file(const std::string& text) const;
  [[nodiscard]] expected<void> check_scheduler() const;
  /// Puts CAF's own settings behind ours.
  [[nodiscard]] expected<void> set_node_traffic();
  [[nodiscard]] expected<void> read_roles(node_settings& to) const;
  [[nodiscard]] expected<void> read_join(node_settings& to) const;
  [[nodiscard]] expected<void> read_addresses(node_settings& to) const;
  // node_security.cpp
  [[nodiscard]] expected<void> set_node_tls();
  [[nodiscard]] expected<void> read_https(node_settings& to) const;
  [[nodiscard]] expected<void> read_tokens(node_settings& to) const;
  [[nodiscard]] expected<void> add_tokens_of_file(token_table& to) const;
  [[nodiscard]] expected<void> check_exposure(node_settings& to) const;
  [[nodiscard]] expected<void> read_worker(node_settings& to) const;
  [[nodiscard]] expected<void> read_durations(node_settings& to) const;
  [[nodiscard]] expected<void> read_sizes(node_settings& to) const;
  [[nodiscard]] expected<void> read_logging(node_settings& to) const;
  [[nodiscard]] expected<void> read_exec(node_settings& to) const;
  [[nodiscard]] expected<void> read_processes(node_settings& to) const;
  [[nodiscard]] expected<void> read_plugins(node_settings& to) const;

  raw_settings raw_;
  /// What `--config-file` named.
  std::string file_;
  std::vector<std::string> arguments_;
};

/// Whether an IP address, or `localhost`, can be reached from this machine
/// only. False for all other names.
[[nodiscard]] bool is_loopback(const std::string& address);

} // namespace muster
