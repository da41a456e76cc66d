#include "runtime/node_config.hpp"

#include "actors/tls_context.hpp"
#include "runtime/secret_file.hpp"

#include <caf/config_value.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/settings.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <utility>

// The settings that say who may use a node.

namespace muster {

namespace {

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

bool is_loopback_v4(const in_addr& address) {
  return (ntohl(address.s_addr) >> 24) == 127;
}

} // namespace

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1)
    return is_loopback_v4(v4);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1)
    return address == "localhost";
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    std::memcpy(&v4, &v6.s6_addr[12], sizeof(v4));
    return is_loopback_v4(v4);
  }
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

/// Hands the files to CAF, which reads them at each connection.
expected<void> node_config::set_node_tls() {
  auto given = {!raw_.node_ca.empty(), !raw_.node_certificate.empty(),
                !raw_.node_key.empty()};
  auto count = std::count(given.begin(), given.end(), true);
  if (count == 0)
    return {};
  if (count < 3)
    return invalid("node-ca, node-certificate and node-key go together");
  auto tried
    = tls_context::peer({raw_.node_ca, raw_.node_certificate, raw_.node_key});
  if (!tried)
    return invalid("node-certificate: " + tried.error().message);
  load<caf::openssl::manager>();
  openssl_cafile = raw_.node_ca;
  openssl_certificate = raw_.node_certificate;
  openssl_key = raw_.node_key;
  return {};
}

expected<void> node_config::read_https(node_settings& to) const {
  to.http.certificate = raw_.http_certificate;
  to.http.key = raw_.http_key;
  if (raw_.http_certificate.empty() != raw_.http_key.empty())
    return invalid("http-certificate and http-key go together");
  if (raw_.http_certificate.empty())
    return {};
  auto tried = tls_context::server(raw_.http_certificate, raw_.http_key);
  if (!tried)
    return invalid("http-certificate: " + tried.error().message);
  return {};
}

expected<void> node_config::read_tokens(node_settings& to) const {
  if (!raw_.http_token_file.empty()) {
    auto text = read_secret_file(raw_.http_token_file);
    if (!text)
      return invalid("http-token-file: " + text.error().message);
    if (auto ok = to.http.tokens.add_lines(*text); !ok)
      return invalid(fmt::format("http-token-file: '{}', {}",
                                 raw_.http_token_file, ok.error().message));
    // Whoever names a file wants it to keep somebody out.
    if (to.http.tokens.empty())
      return invalid(fmt::format("http-token-file: '{}' holds no token",
                                 raw_.http_token_file));
  }
  return add_tokens_of_file(to.http.tokens);
}

/// `http.tokens.NAME = ["SECRET", "SCOPE", ...]` of the configuration file.
expected<void> node_config::add_tokens_of_file(token_table& to) const {
  auto all = caf::get_if(&content, "http.tokens");
  if (all == nullptr)
    return {};
  auto* tokens = caf::get_if<caf::settings>(all);
  if (tokens == nullptr)
    return invalid("http.tokens must be a group of NAME = [\"SECRET\", "
                   "\"SCOPE\", ...]");
  for (auto& [name, value] : *tokens) {
    auto* list = caf::get_if<caf::config_value::list>(&value);
    std::vector<std::string> words;
    if (list != nullptr)
      for (auto& item : *list)
        if (auto* text = caf::get_if<std::string>(&item))
          words.push_back(*text);
    if (list == nullptr || words.size() < 2 || words.size() != list->size())
      return invalid("http.tokens." + name
                     + " must be a list of strings, the secret first and then "
                       "its scopes");
    auto secret = std::exchange(words.front(), {});
    if (auto ok = to.add(name, secret, words); !ok)
      return invalid("http.tokens." + ok.error().message);
    if (!secret.starts_with("sha256:") && !is_private_file(file_))
      return invalid(fmt::format(
        "http.tokens.{0}: others can read its secret in '{1}'; say chmod 600 "
        "'{1}', or give sha256: and the secret's hash",
        name, file_));
  }
  return {};
}

/// Refuses what would let everybody in who can reach the node.
expected<void> node_config::check_exposure(node_settings& to) const {
  to.node_tls = !raw_.node_ca.empty();
  if (raw_.insecure)
    return {};
  if (!is_loopback(raw_.http_address) && to.http.tokens.empty())
    return invalid(fmt::format(
      "http-address: without tokens (http-token-file) whoever reaches {} can "
      "use the node; give --insecure if that is meant",
      raw_.http_address));
  if (!is_loopback(raw_.node_address) && raw_.node_ca.empty())
    return invalid(fmt::format("node-address: without TLS between nodes "
                               "(node-ca) whoever reaches {} can "
                               "join; give --insecure if that is meant",
                               raw_.node_address));
  return {};
}

} // namespace muster
