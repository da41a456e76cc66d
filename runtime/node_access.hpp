#pragma once

#include "persistence/expected.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_client.hpp"
#include "runtime/node_json.hpp"

#include <caf/config_option_set.hpp>

#include <string>

namespace muster {

/// Where a node's HTTP is, and what its client shows and checks.
struct node_access {
  endpoint at;
  http_client_options http;
};

/// Where processes of this machine reach a node that listens there: loopback in
/// place of "every address".
[[nodiscard]] endpoint reachable_here(endpoint at);

/// The options by which commands are told how to reach a node. Must outlive
/// the option set.
struct node_access_options {
  /// `HOST:PORT`, `http://HOST:PORT` or `https://HOST:PORT`.
  std::string http;
  /// A file with the token and nothing else, which only its owner may read.
  std::string token_file;
  /// A PEM file with the authorities whose certificates are good; else those
  /// that the system trusts are.
  std::string ca_file;

  /// Adds `--http` and what `add_credentials_to` adds.
  void add_to(caf::config_option_set& options);

  /// Adds `--token-file` and `--ca-file`.
  void add_credentials_to(caf::config_option_set& options);

  /// The node that is meant: the given one, else that of `./muster-data`, else
  /// the default address. Reads files, and the environment's `MUSTER_TOKEN` if
  /// there is no token file. Errors: `invalid_argument` with one sentence,
  /// which never quotes a token.
  [[nodiscard]] expected<node_access> resolve() const;

  /// How to reach the node of this machine that wrote the facts.
  [[nodiscard]] expected<node_access>
  resolve_for(const node_facts& facts) const;

private:
  [[nodiscard]] expected<std::string> token() const;
};

} // namespace muster
