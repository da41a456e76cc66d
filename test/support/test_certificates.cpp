#include "test/support/test_certificates.hpp"

#include "runtime/certificates.hpp"

#include <fstream>
#include <stdexcept>
#include <string_view>

namespace muster {

namespace {

void write_private(const std::filesystem::path& file, std::string_view text) {
  std::ofstream{file} << text;
  using std::filesystem::perms;
  std::filesystem::permissions(file, perms::owner_read | perms::owner_write);
}

} // namespace

test_certificates::test_certificates(std::filesystem::path dir,
                                     const std::string& name)
  : dir_(std::move(dir)) {
  auto made = make_authority("test " + name, 1);
  if (!made)
    throw std::runtime_error{made.error().message};
  ca_ = made->certificate;
  ca_key_ = made->key;
  ca_file_ = (dir_ / (name + ".pem")).string();
  write_private(ca_file_, ca_);
}

tls_files test_certificates::issue(const std::string& name,
                                   const std::string& host, int days) const {
  host_certificate wanted{name, {host}, days};
  if (host.empty())
    wanted.hosts = {"127.0.0.1", "::1", "localhost"};
  auto made = issue_certificate({ca_, ca_key_}, wanted);
  if (!made)
    throw std::runtime_error{made.error().message};
  tls_files result{ca_file_, (dir_ / (name + ".pem")).string(),
                   (dir_ / (name + "-key.pem")).string()};
  write_private(result.certificate, made->certificate);
  write_private(result.key, made->key);
  return result;
}

} // namespace muster
