#pragma once

#include "persistence/expected.hpp"

#include <memory>
#include <string>

struct ssl_ctx_st;

namespace muster {

/// The PEM files that say who one is and whom one trusts.
struct tls_files {
  /// Of the authorities whose certificates are accepted.
  std::string ca;
  /// One's own, with those of authorities between it and the root after it.
  std::string certificate;
  /// Its private key, without a passphrase; not for all to read.
  std::string key;
};

/// What TLS connections of one purpose have in common: TLS 1.2 or later, no
/// renegotiation, no compression. Files are read once. Thread-safe once made;
/// copies share.
class tls_context {
public:
  /// No TLS.
  tls_context() = default;

  /// Shows a certificate and asks for none.
  [[nodiscard]] static expected<tls_context>
  server(const std::string& certificate, const std::string& key);

  /// Asks for a certificate of the authorities in `ca`, or of those that the
  /// system trusts if that is empty. Shows none.
  [[nodiscard]] static expected<tls_context> client(const std::string& ca);

  /// Shows a certificate and asks for one of the authorities in `ca`, as client
  /// and as server alike.
  [[nodiscard]] static expected<tls_context> peer(const tls_files& files);

  explicit operator bool() const noexcept {
    return ctx_ != nullptr;
  }

  [[nodiscard]] ssl_ctx_st* get() const noexcept {
    return ctx_.get();
  }

private:
  explicit tls_context(ssl_ctx_st* ctx);

  std::shared_ptr<ssl_ctx_st> ctx_;
};

/// What OpenSSL has against the last thing that was asked of it, in words;
/// empties the thread's list of errors.
[[nodiscard]] std::string tls_error_text();

} // namespace muster
