#pragma once

#include "persistence/expected.hpp"

#include <string>
#include <string_view>
#include <vector>

// A private certificate authority: keys on the curve P-256, signatures with
// SHA-256, PEM text.

namespace muster {

/// A certificate and its private key.
struct certificate_pair {
  std::string certificate;
  std::string key;
};

/// Makes an authority, which signs itself and may sign hosts' certificates
/// only. Errors: `internal`.
[[nodiscard]] expected<certificate_pair> make_authority(std::string_view name,
                                                        int days);

struct host_certificate {
  /// Its common name.
  std::string name;
  /// The host names and IP addresses that it is for.
  std::vector<std::string> hosts;
  int days = 825;
};

/// Makes a key and has the authority sign its certificate, which is good for
/// servers and for clients. Errors: `invalid_argument` for a host that is
/// neither a name nor an address, and for an authority that cannot be read.
[[nodiscard]] expected<certificate_pair>
issue_certificate(const certificate_pair& authority,
                  const host_certificate& wanted);

/// Whether text is a host's name or an IP address. Names are of letters,
/// digits, dots and dashes.
[[nodiscard]] bool is_host(std::string_view text);

} // namespace muster
