#pragma once

#include "actors/tls_context.hpp"

#include <filesystem>
#include <string>

namespace muster {

/// A private authority in a directory, and certificates of it.
class test_certificates {
public:
  /// Makes the authority; `name` is the file's, without its ending.
  explicit test_certificates(std::filesystem::path dir,
                             const std::string& name = "ca");

  /// Makes a certificate for 127.0.0.1 and localhost, or for another host.
  tls_files issue(const std::string& name, const std::string& host = {},
                  int days = 1) const;

  [[nodiscard]] const std::string& ca() const noexcept {
    return ca_file_;
  }

private:
  std::filesystem::path dir_;
  std::string ca_file_;
  std::string ca_;
  std::string ca_key_;
};

} // namespace muster
