#pragma once

#include "persistence/expected.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Who may do what over HTTP; pure functions and values.

namespace muster {

/// What a route asks for. All but `open` are scopes of tokens; none includes
/// another.
enum class scope : std::uint8_t {
  /// Anybody may.
  open,
  /// Look at jobs, results, queues and the node.
  read,
  /// Put jobs into queues.
  enqueue,
  /// Take leases and settle them.
  work,
  /// Cancel, retry and purge jobs, and change queues.
  admin,
};

[[nodiscard]] std::string_view to_string(scope what) noexcept;

/// Nothing for a word that is no scope.
[[nodiscard]] std::optional<scope> parse_scope(std::string_view word) noexcept;

/// The tokens that a gateway knows. Of each only the SHA-256 is kept. Not
/// thread-safe while it is filled; `check` is.
class token_table {
public:
  /// Adds a token. `secret` is its text, of 16 to 512 characters as RFC 6750
  /// allows them, or `sha256:` and the 64 hexadecimal digits of its hash. Each
  /// item of `scopes` is one or some with commas between. The error names the
  /// token and never quotes the secret.
  [[nodiscard]] expected<void> add(std::string_view name,
                                   std::string_view secret,
                                   const std::vector<std::string>& scopes);

  /// Adds tokens from text: lines of name, secret and scopes with commas
  /// between, separated by blanks. Lines that are empty or begin with `#` are
  /// passed over. The error names the line.
  [[nodiscard]] expected<void> add_lines(std::string_view text);

  [[nodiscard]] bool empty() const noexcept {
    return tokens_.empty();
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return tokens_.size();
  }

  enum class verdict : std::uint8_t {
    granted,
    /// There is no token, or none of these.
    unknown,
    /// The token's scopes are others.
    missing_scope,
  };

  /// Whether the value of an `Authorization` header gives the right to what
  /// needs `wanted`. Takes the same time for whatever secret is wrong.
  [[nodiscard]] verdict check(std::string_view authorization,
                              scope wanted) const noexcept;

  static constexpr std::size_t max_tokens = 1'000;

private:
  using digest = std::array<unsigned char, 32>;

  struct token {
    std::string name;
    digest hash;
    /// A bit for each scope.
    unsigned scopes = 0;
  };

  [[nodiscard]] static expected<digest> hash_of(std::string_view secret);

  std::vector<token> tokens_;
};

/// Whether text can be a bearer token's: letters, digits and `-._~+/=`.
[[nodiscard]] bool is_token_text(std::string_view text) noexcept;

} // namespace muster
