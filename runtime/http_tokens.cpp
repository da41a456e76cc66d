#include "runtime/http_tokens.hpp"

#include "persistence/job.hpp"
#include "runtime/command_line.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t min_secret = 16;
constexpr std::size_t max_secret = 512;
constexpr std::string_view hash_prefix = "sha256:";

constexpr std::array<std::pair<std::string_view, scope>, 4> scope_names{
  {{"read", scope::read},
   {"enqueue", scope::enqueue},
   {"work", scope::work},
   {"admin", scope::admin}}};

constexpr unsigned bit_of(scope what) noexcept {
  return 1u << static_cast<unsigned>(what);
}

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// The token of `Bearer TOKEN`; empty for anything else.
std::string_view bearer_of(std::string_view text) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (text.size() < scheme.size())
    return {};
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    auto c = text[i];
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c + ('a' - 'A'));
    if (c != scheme[i])
      return {};
  }
  text.remove_prefix(scheme.size());
  while (text.starts_with(' '))
    text.remove_prefix(1);
  while (text.ends_with(' '))
    text.remove_suffix(1);
  return text;
}

std::string_view next_word(std::string_view& line) noexcept {
  constexpr std::string_view blanks = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  auto word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

} // namespace

std::string_view to_string(scope what) noexcept {
  for (auto& [name, value] : scope_names)
    if (value == what)
      return name;
  return "open";
}

std::optional<scope> parse_scope(std::string_view word) noexcept {
  for (auto& [name, value] : scope_names)
    if (name == word)
      return value;
  return std::nullopt;
}

bool is_token_text(std::string_view text) noexcept {
  constexpr std::string_view others = "-._~+/=";
  return std::all_of(text.begin(), text.end(), [others](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || others.find(c) != others.npos;
  });
}

expected<token_table::digest> token_table::hash_of(std::string_view secret) {
  digest result{};
  if (secret.starts_with(hash_prefix)) {
    secret.remove_prefix(hash_prefix.size());
    if (secret.size() != 2 * result.size())
      return invalid("sha256: must be followed by 64 hexadecimal digits");
    for (std::size_t i = 0; i < result.size(); ++i) {
      auto high = hex_value(secret[2 * i]);
      auto low = hex_value(secret[2 * i + 1]);
      if (high < 0 || low < 0)
        return invalid("sha256: must be followed by 64 hexadecimal digits");
      result[i] = static_cast<unsigned char>(high * 16 + low);
    }
    return result;
  }
  if (secret.size() < min_secret || secret.size() > max_secret
      || !is_token_text(secret))
    return invalid("the secret must be 16 to 512 characters of A-Z a-z 0-9 "
                   "- . _ ~ + / =, or sha256: and its hash");
  if (EVP_Digest(secret.data(), secret.size(), result.data(), nullptr,
                 EVP_sha256(), nullptr)
      != 1)
    return fail_with(errc::internal, "no SHA-256");
  return result;
}

expected<void> token_table::add(std::string_view name, std::string_view secret,
                                const std::vector<std::string>& scopes) {
  if (!is_valid_name(name))
    return invalid("the name must be of A-Z a-z 0-9 . _ -");
  auto about = [name](std::string_view text) {
    return fmt::format("{}: {}", name, text);
  };
  auto hash = hash_of(secret);
  if (!hash)
    return fail_with(hash.error().code, about(hash.error().message));
  token result{std::string{name}, *hash, 0};
  for (auto& list : scopes)
    for (auto& word : split_list(list)) {
      auto found = parse_scope(word);
      // The word might be a secret at the wrong place.
      if (!found)
        return invalid(about("scopes are read, enqueue, work and admin"));
      result.scopes |= bit_of(*found);
    }
  if (result.scopes == 0)
    return invalid(about("it needs scopes: read, enqueue, work, admin"));
  for (auto& other : tokens_) {
    if (other.name == name)
      return invalid(about("there are two tokens of this name"));
    if (other.hash == *hash)
      return invalid(about("it is the same as " + other.name));
  }
  if (tokens_.size() == max_tokens)
    return invalid("there are more than 1000 tokens");
  tokens_.push_back(std::move(result));
  return {};
}

expected<void> token_table::add_lines(std::string_view text) {
  for (int number = 1; !text.empty(); ++number) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    auto name = next_word(line);
    if (name.empty() || name.starts_with('#'))
      continue;
    auto secret = next_word(line);
    auto scopes = next_word(line);
    if (scopes.empty() || !next_word(line).empty())
      return invalid(fmt::format("line {}: a token is NAME SECRET SCOPES, the "
                                 "scopes with commas between",
                                 number));
    if (auto ok = add(name, secret, {std::string{scopes}}); !ok)
      return invalid(fmt::format("line {}: {}", number, ok.error().message));
  }
  return {};
}

token_table::verdict token_table::check(std::string_view authorization,
                                        scope wanted) const noexcept {
  auto secret = bearer_of(authorization);
  digest presented{};
  if (secret.empty() || secret.size() > max_secret
      || EVP_Digest(secret.data(), secret.size(), presented.data(), nullptr,
                    EVP_sha256(), nullptr)
           != 1)
    return verdict::unknown;
  // Looks at all of them, so that time does not tell which one was near.
  const token* found = nullptr;
  for (auto& each : tokens_)
    if (CRYPTO_memcmp(each.hash.data(), presented.data(), presented.size())
        == 0)
      found = &each;
  if (found == nullptr)
    return verdict::unknown;
  return (found->scopes & bit_of(wanted)) != 0 ? verdict::granted
                                               : verdict::missing_scope;
}

} // namespace muster
