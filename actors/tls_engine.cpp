#include "actors/tls_engine.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <algorithm>
#include <climits>

namespace muster {

namespace {

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1
         || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

/// An `SSL` on two buffers in memory; null without memory.
SSL* make_ssl(const tls_context& context) {
  ERR_clear_error();
  auto* ssl = SSL_new(context.get());
  auto* input = BIO_new(BIO_s_mem());
  auto* output = BIO_new(BIO_s_mem());
  if (ssl == nullptr || input == nullptr || output == nullptr) {
    SSL_free(ssl);
    BIO_free(input);
    BIO_free(output);
    return nullptr;
  }
  // An empty buffer is not the end.
  BIO_set_mem_eof_return(input, -1);
  BIO_set_mem_eof_return(output, -1);
  SSL_set_bio(ssl, input, output);
  return ssl;
}

int chunk_of(std::size_t size) noexcept {
  return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

} // namespace

tls_engine::tls_engine(SSL* ssl) : ssl_(ssl) {
  // nop
}

tls_engine::~tls_engine() {
  SSL_free(ssl_);
}

std::unique_ptr<tls_engine> tls_engine::accepting(const tls_context& context) {
  auto* ssl = make_ssl(context);
  if (ssl == nullptr)
    return nullptr;
  SSL_set_accept_state(ssl);
  return std::unique_ptr<tls_engine>{new tls_engine{ssl}};
}

std::unique_ptr<tls_engine> tls_engine::connecting(const tls_context& context,
                                                   const std::string& host) {
  auto* ssl = make_ssl(context);
  if (ssl == nullptr)
    return nullptr;
  std::unique_ptr<tls_engine> result{new tls_engine{ssl}};
  SSL_set_connect_state(ssl);
  if (host.empty())
    return result;
  auto* rules = SSL_get0_param(ssl);
  auto ok = is_address(host)
              ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1
              : SSL_set1_host(ssl, host.c_str()) == 1
                  && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  return ok ? std::move(result) : nullptr;
}

tls_engine::status tls_engine::status_of(int result) {
  auto kind = SSL_get_error(ssl_, result);
  switch (kind) {
    case SSL_ERROR_NONE:
      return status::done;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return status::want_input;
    case SSL_ERROR_ZERO_RETURN:
      return status::closed;
    default:
      break;
  }
  if (failure_.empty()) {
    auto reason = ERR_GET_REASON(ERR_peek_error());
    is_refusal_
      = kind == SSL_ERROR_SSL && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING;
    failure_ = tls_error_text();
    if (auto verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK)
      failure_ = std::string{"the certificate is not good: "}
                 + X509_verify_cert_error_string(verdict);
    else if (is_refusal_ && reason == SSL_R_WRONG_VERSION_NUMBER)
      failure_ = "what answers does not speak TLS (" + failure_ + ")";
  }
  ERR_clear_error();
  return status::failed;
}

tls_engine::status tls_engine::handshake() {
  ERR_clear_error();
  return status_of(SSL_do_handshake(ssl_));
}

void tls_engine::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    auto taken
      = BIO_write(SSL_get_rbio(ssl_), bytes.data(), chunk_of(bytes.size()));
    if (taken <= 0)
      return;
    bytes.remove_prefix(static_cast<std::size_t>(taken));
  }
}

void tls_engine::feed_end() {
  BIO_set_mem_eof_return(SSL_get_rbio(ssl_), 0);
}

tls_engine::status tls_engine::read(char* to, std::size_t size,
                                    std::size_t& got) {
  ERR_clear_error();
  got = 0;
  return status_of(SSL_read_ex(ssl_, to, size, &got));
}

tls_engine::status tls_engine::write(std::string_view bytes) {
  ERR_clear_error();
  while (!bytes.empty()) {
    std::size_t taken = 0;
    auto result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &taken);
    if (result != 1)
      return status_of(result);
    bytes.remove_prefix(taken);
  }
  return status::done;
}

void tls_engine::close() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string& tls_engine::output() {
  auto* from = SSL_get_wbio(ssl_);
  if (auto waiting = BIO_ctrl_pending(from); waiting > 0) {
    auto old = output_.size();
    output_.resize(old + waiting);
    auto got = BIO_read(from, output_.data() + old, chunk_of(waiting));
    output_.resize(old + static_cast<std::size_t>(std::max(got, 0)));
  }
  return output_;
}

} // namespace muster
