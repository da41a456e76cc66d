#include "actors/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <fmt/format.h>

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace muster {

namespace {

tl::unexpected<error> invalid(std::string text) {
  return fail_with(errc::invalid_argument, std::move(text));
}

/// A key with a passphrase is refused, rather than asked for at a terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

SSL_CTX* make_context() {
  ERR_clear_error();
  auto* ctx = SSL_CTX_new(TLS_method());
  if (ctx == nullptr)
    return nullptr;
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                             | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // What is written may move between tries, and connections that rest keep no
  // buffers.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                          | SSL_MODE_RELEASE_BUFFERS);
  // For TLS 1.2; those of 1.3 are all good.
  SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
  return ctx;
}

expected<void> check_readable(const std::string& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0)
    return invalid(
      fmt::format("cannot read '{}': {}", file,
                  std::error_code{errno, std::system_category()}.message()));
  return {};
}

expected<void> check_key_file(const std::string& file) {
  if (auto ok = check_readable(file); !ok)
    return ok;
  struct stat facts {};
  if (::stat(file.c_str(), &facts) == 0 && (facts.st_mode & S_IRWXO) != 0)
    return invalid(fmt::format("the key '{0}' is open to everybody; say chmod "
                               "600 '{0}'",
                               file));
  return {};
}

expected<void> use_certificate(SSL_CTX* ctx, const std::string& certificate,
                               const std::string& key) {
  if (auto ok = check_readable(certificate); !ok)
    return ok;
  if (auto ok = check_key_file(key); !ok)
    return ok;
  if (SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()) != 1)
    return invalid(fmt::format("'{}' holds no certificate (PEM): {}",
                               certificate, tls_error_text()));
  if (SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return invalid(fmt::format("'{}' is not the key (PEM, without passphrase) "
                               "of '{}': {}",
                               key, certificate, tls_error_text()));
  if (SSL_CTX_check_private_key(ctx) != 1)
    return invalid(fmt::format("'{}' is not the key of '{}': {}", key,
                               certificate, tls_error_text()));
  return {};
}

expected<void> trust(SSL_CTX* ctx, const std::string& ca) {
  if (auto ok = check_readable(ca); !ok)
    return ok;
  if (SSL_CTX_load_verify_locations(ctx, ca.c_str(), nullptr) != 1)
    return invalid(fmt::format("'{}' holds no certificates (PEM): {}", ca,
                               tls_error_text()));
  return {};
}

} // namespace

tls_context::tls_context(SSL_CTX* ctx) : ctx_(ctx, &SSL_CTX_free) {
  // nop
}

expected<tls_context> tls_context::server(const std::string& certificate,
                                          const std::string& key) {
  tls_context result{make_context()};
  if (!result)
    return fail_with(errc::internal, tls_error_text());
  if (auto ok = use_certificate(result.get(), certificate, key); !ok)
    return tl::unexpected{std::move(ok.error())};
  return result;
}

expected<tls_context> tls_context::client(const std::string& ca) {
  tls_context result{make_context()};
  if (!result)
    return fail_with(errc::internal, tls_error_text());
  SSL_CTX_set_verify(result.get(), SSL_VERIFY_PEER, nullptr);
  if (ca.empty()) {
    SSL_CTX_set_default_verify_paths(result.get());
    return result;
  }
  if (auto ok = trust(result.get(), ca); !ok)
    return tl::unexpected{std::move(ok.error())};
  return result;
}

expected<tls_context> tls_context::peer(const tls_files& files) {
  tls_context result{make_context()};
  if (!result)
    return fail_with(errc::internal, tls_error_text());
  SSL_CTX_set_verify(
    result.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Sessions that are taken up again would need it.
  static constexpr unsigned char name[] = "muster";
  SSL_CTX_set_session_id_context(result.get(), name, sizeof(name) - 1);
  if (auto ok = trust(result.get(), files.ca); !ok)
    return tl::unexpected{std::move(ok.error())};
  if (auto ok = use_certificate(result.get(), files.certificate, files.key);
      !ok)
    return tl::unexpected{std::move(ok.error())};
  return result;
}

std::string tls_error_text() {
  auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0)
    return "no reason given";
  if (auto* text = ERR_reason_error_string(code))
    return text;
  return fmt::format("error {:x}", code);
}

} // namespace muster
