#pragma once

#include "runtime/http_client.hpp"
#include "runtime/node_access.hpp"
#include "runtime/shell_commands.hpp"
#include "runtime/shell_requests.hpp"

#include <tl/expected.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster {

/// Why there is no answer.
struct shell_failure {
  /// As in problem documents, such as `queue_not_found`; else by HTTP's status,
  /// such as `http_404`.
  std::string code;
  /// 0 if no answer came.
  int status = 0;
  /// For a person; `printable`.
  std::string text;
};

template <class T>
using shell_result = tl::expected<T, shell_failure>;

/// The failure of something that is ours.
[[nodiscard]] tl::unexpected<shell_failure> failure_of(const error& why);

/// The node that a shell talks to. It connects when it is asked, again if it
/// must, and finds a node of this machine at its new port after a restart.
/// Blocking; not thread-safe.
class shell_session {
public:
  struct settings {
    /// Without an address the node of the data directory is meant.
    node_access_options access;
    std::filesystem::path data_dir = "muster-data";
    /// Finds the HTTP of a node by the address at which other nodes find it;
    /// may be null.
    std::function<expected<endpoint>(const endpoint& node)> locate;
    /// As `http_client_options::interrupt`.
    int interrupt = -1;
    millis connect_limit{3'000};
    /// Of an answer; waits are added.
    millis answer_limit{8'000};
    /// Of the names that completion asks for.
    millis names_limit{700};
    /// Of `tell`.
    millis tell_limit{200};
  };

  /// Reads `node.json`, the token and the authorities. Errors:
  /// `invalid_argument`.
  [[nodiscard]] static expected<shell_session> open(settings with);

  /// The answer, if it is a success.
  [[nodiscard]] shell_result<http_reply>
  ask(const shell_request& request, millis wait = millis{0},
      std::size_t max_reply = usual_reply);

  /// Sends something whose answer does not matter, and waits no longer than a
  /// moment for it.
  void tell(const shell_request& request);

  /// What ends waits from now on, as `http_client_options::interrupt`. Returns
  /// what did so far.
  int interrupt_by(int fd);

  /// Asks the node for its name, as a first sign of life.
  [[nodiscard]] shell_result<void> greet();

  /// Talks to another node from now on, of the same token and authorities.
  /// What there was remains if this one cannot be reached.
  [[nodiscard]] shell_result<void> connect(std::string_view address);

  /// Names for completion: quickly, or none. Kept for a few seconds.
  [[nodiscard]] std::vector<std::string> names(word_kind kind);

  /// The node's name, if it has ever told; `printable`.
  [[nodiscard]] const std::string& node_name() const noexcept {
    return name_;
  }

  /// Where it is, such as `127.0.0.1:8420`; `printable`.
  [[nodiscard]] std::string address() const;

  /// Whether the latest request was answered, whatever the answer.
  [[nodiscard]] bool reachable() const noexcept {
    return reachable_;
  }

  /// Bytes of an answer that is shown as a table.
  static constexpr std::size_t usual_reply = std::size_t{8} << 20;
  /// Bytes of a result.
  static constexpr std::size_t largest_reply = std::size_t{256} << 20;

private:
  using clock = std::chrono::steady_clock;

  struct known_names {
    std::vector<std::string> names;
    clock::time_point until;
  };

  shell_session(settings with, node_access at);

  [[nodiscard]] static expected<node_access> resolve(const settings& from);
  /// True if there is another place to ask after this error.
  [[nodiscard]] bool look_elsewhere(const error& why);
  /// Whether the node of the directory has moved.
  [[nodiscard]] bool read_again();
  /// Whether the address was that of a node, and its HTTP was found.
  [[nodiscard]] bool locate_http();
  [[nodiscard]] http_client make_client(millis connect, millis read,
                                        std::size_t max_reply) const;
  [[nodiscard]] shell_failure explain(const error& why, millis limit,
                                      bool changes) const;
  [[nodiscard]] std::vector<std::string> fetch_names(word_kind kind) const;

  settings settings_;
  node_access at_;
  std::unique_ptr<http_client> client_;
  std::string name_;
  bool reachable_ = false;
  /// Whether HTTP was ever spoken there.
  bool met_ = false;
  std::unordered_map<int, known_names> names_;
};

} // namespace muster
