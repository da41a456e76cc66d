#include "runtime/node_access.hpp"

#include "runtime/http_tokens.hpp"
#include "runtime/secret_file.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

namespace muster {

namespace {

constexpr auto token_variable = "MUSTER_TOKEN";

/// Takes the scheme away; true for https.
bool take_scheme(std::string_view& text) {
  constexpr std::string_view plain = "http://";
  constexpr std::string_view secure = "https://";
  auto result = text.starts_with(secure);
  if (result)
    text.remove_prefix(secure.size());
  else if (text.starts_with(plain))
    text.remove_prefix(plain.size());
  if (text.ends_with('/'))
    text.remove_suffix(1);
  return result;
}

std::string trimmed(std::string text) {
  constexpr auto blanks = " \t\r\n";
  text.erase(text.find_last_not_of(blanks) + 1);
  text.erase(0, text.find_first_not_of(blanks));
  return text;
}

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

} // namespace

endpoint reachable_here(endpoint at) {
  if (at.host == "0.0.0.0")
    at.host = "127.0.0.1";
  else if (at.host == "::")
    at.host = "::1";
  return at;
}

void node_access_options::add_to(caf::config_option_set& options) {
  options.add(http, "http", "the node's address");
  add_credentials_to(options);
}

void node_access_options::add_credentials_to(caf::config_option_set& options) {
  options.add(token_file, "token-file", "file with the token")
    .add(ca_file, "ca-file", "authorities for https");
}

expected<std::string> node_access_options::token() const {
  std::string result;
  std::string source = token_variable;
  if (!token_file.empty()) {
    source = fmt::format("token-file: '{}'", token_file);
    auto text = read_secret_file(token_file);
    if (!text)
      return invalid("token-file: " + text.error().message);
    result = trimmed(std::move(*text));
    if (result.empty())
      return invalid(source + " is empty");
  } else if (auto* text = std::getenv(token_variable)) {
    result = trimmed(text);
  }
  if (!is_token_text(result))
    return invalid(source
                   + " holds more than a token, whose characters are "
                     "A-Z a-z 0-9 - . _ ~ + / =");
  return result;
}

expected<node_access> node_access_options::resolve() const {
  node_facts facts;
  facts.http = {"127.0.0.1", 8420};
  if (!http.empty()) {
    std::string_view text = http;
    facts.https = take_scheme(text);
    auto given = parse_endpoint(text);
    if (!given)
      return invalid("http: " + given.error().message);
    facts.http = std::move(*given);
  } else if (auto found = read_node_json("muster-data")) {
    facts = std::move(*found);
  }
  return resolve_for(facts);
}

expected<node_access>
node_access_options::resolve_for(const node_facts& facts) const {
  auto secret = token();
  if (!secret)
    return tl::unexpected{std::move(secret.error())};
  node_access result{reachable_here(facts.http), {}};
  result.http.token = std::move(*secret);
  if (!facts.https) {
    if (!ca_file.empty())
      return invalid("ca-file: it is for https://HOST:PORT only");
    return result;
  }
  auto context = tls_context::client(ca_file);
  if (!context)
    return invalid("ca-file: " + context.error().message);
  result.http.tls = std::move(*context);
  return result;
}

} // namespace muster
