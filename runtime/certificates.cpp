#include "runtime/certificates.hpp"

#include "actors/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace muster {

namespace {

template <auto Free>
struct freer {
  template <class T>
  void operator()(T* ptr) const noexcept {
    Free(ptr);
  }
};

using key_ptr = std::unique_ptr<EVP_PKEY, freer<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freer<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freer<BIO_free_all>>;
using number_ptr = std::unique_ptr<BIGNUM, freer<BN_free>>;
using extension_ptr
  = std::unique_ptr<X509_EXTENSION, freer<X509_EXTENSION_free>>;

/// Clocks of hosts differ a little.
constexpr long early_seconds = 3'600;
constexpr int serial_bits = 127;

tl::unexpected<error> broken() {
  return fail_with(errc::internal, "OpenSSL: " + tls_error_text());
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

expected<certificate_pair> to_pem(X509* certificate, EVP_PKEY* key) {
  bio_ptr first{BIO_new(BIO_s_mem())};
  bio_ptr second{BIO_new(BIO_s_mem())};
  if (!first || !second || PEM_write_bio_X509(first.get(), certificate) != 1
      || PEM_write_bio_PKCS8PrivateKey(second.get(), key, nullptr, nullptr, 0,
                                       nullptr, nullptr)
           != 1)
    return broken();
  return certificate_pair{text_of(first.get()), text_of(second.get())};
}

bool extend(X509* certificate, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  extension_ptr made{X509V3_EXT_conf_nid(nullptr, &context, what, value)};
  return made && X509_add_ext(certificate, made.get(), -1) == 1;
}

/// Version 3, a random serial number, a time, a name and a key.
bool fill(X509* certificate, EVP_PKEY* key, std::string_view name, int days) {
  number_ptr serial{BN_new()};
  if (!serial
      || BN_rand(serial.get(), serial_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY)
           != 1
      || BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate))
           == nullptr)
    return false;
  auto* subject = X509_get_subject_name(certificate);
  return X509_set_version(certificate, 2) == 1
         && X509_gmtime_adj(X509_getm_notBefore(certificate), -early_seconds)
              != nullptr
         && X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr)
              != nullptr
         && X509_NAME_add_entry_by_txt(
              subject, "CN", MBSTRING_UTF8,
              reinterpret_cast<const unsigned char*>(name.data()),
              static_cast<int>(name.size()), -1, 0)
              == 1
         && X509_set_pubkey(certificate, key) == 1;
}

bool is_address(const std::string& text) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, text.c_str(), &ignored) == 1
         || ::inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string result;
  for (auto& host : hosts) {
    if (!result.empty())
      result += ',';
    result += (is_address(host) ? "IP:" : "DNS:") + host;
  }
  return result;
}

/// Nothing is asked for at a terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

} // namespace

bool is_host(std::string_view text) {
  if (is_address(std::string{text}))
    return true;
  return !text.empty() && text.size() <= 253 && text.front() != '-'
         && text.front() != '.'
         && std::all_of(text.begin(), text.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                     || (c >= '0' && c <= '9') || c == '.' || c == '-';
            });
}

expected<certificate_pair> make_authority(std::string_view name, int days) {
  ERR_clear_error();
  key_ptr key{EVP_EC_gen("P-256")};
  x509_ptr made{X509_new()};
  if (!key || !made || !fill(made.get(), key.get(), name, days)
      || X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()))
           != 1
      || !extend(made.get(), made.get(), NID_basic_constraints,
                 "critical,CA:TRUE,pathlen:0")
      || !extend(made.get(), made.get(), NID_key_usage,
                 "critical,keyCertSign,cRLSign")
      || !extend(made.get(), made.get(), NID_subject_key_identifier, "hash")
      || X509_sign(made.get(), key.get(), EVP_sha256()) == 0)
    return broken();
  return to_pem(made.get(), key.get());
}

expected<certificate_pair> issue_certificate(const certificate_pair& authority,
                                             const host_certificate& wanted) {
  ERR_clear_error();
  for (auto& host : wanted.hosts)
    if (!is_host(host))
      return fail_with(errc::invalid_argument,
                       "'" + host
                         + "' is neither a host's name nor an address");
  bio_ptr first{
    BIO_new_mem_buf(authority.certificate.data(),
                    static_cast<int>(authority.certificate.size()))};
  bio_ptr second{BIO_new_mem_buf(authority.key.data(),
                                 static_cast<int>(authority.key.size()))};
  x509_ptr issuer{
    PEM_read_bio_X509(first.get(), nullptr, no_passphrase, nullptr)};
  key_ptr signer{
    PEM_read_bio_PrivateKey(second.get(), nullptr, no_passphrase, nullptr)};
  if (!issuer || !signer
      || X509_check_private_key(issuer.get(), signer.get()) != 1)
    return fail_with(errc::invalid_argument,
                     "the authority's certificate and key do not fit together: "
                       + tls_error_text());
  key_ptr key{EVP_EC_gen("P-256")};
  x509_ptr made{X509_new()};
  auto names = alternative_names(wanted.hosts);
  if (!key || !made || !fill(made.get(), key.get(), wanted.name, wanted.days)
      || X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()))
           != 1
      || !extend(made.get(), issuer.get(), NID_basic_constraints,
                 "critical,CA:FALSE")
      || !extend(made.get(), issuer.get(), NID_key_usage,
                 "critical,digitalSignature")
      || !extend(made.get(), issuer.get(), NID_ext_key_usage,
                 "serverAuth,clientAuth")
      || !extend(made.get(), issuer.get(), NID_subject_key_identifier, "hash")
      || !extend(made.get(), issuer.get(), NID_authority_key_identifier,
                 "keyid")
      || (!names.empty()
          && !extend(made.get(), issuer.get(), NID_subject_alt_name,
                     names.c_str()))
      || X509_sign(made.get(), signer.get(), EVP_sha256()) == 0)
    return broken();
  return to_pem(made.get(), key.get());
}

} // namespace muster
