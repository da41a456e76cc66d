#include "muster_version.hpp"
#include "runtime/command_line.hpp"

#include <boost/version.hpp>
#include <caf/config.hpp>
#include <fmt/format.h>
#include <lmdb.h>
#include <openssl/crypto.h>
#include <uv.h>

#include <string>
#include <string_view>

namespace muster {

int run_version(arguments args) {
  if (!args.empty() && !wants_help(args))
    return usage_error("version",
                       "unexpected argument '" + std::string{args[0]} + "'");
  std::string_view revision = MUSTER_GIT_DESCRIPTION;
  fmt::print("muster {}{}{}{}\n", MUSTER_VERSION, revision.empty() ? "" : " (",
             revision, revision.empty() ? "" : ")");
  fmt::print("CAF {}.{}.{}, {}, libuv {}, Boost {}.{}, {}\n",
             CAF_VERSION / 10'000, CAF_VERSION / 100 % 100, CAF_VERSION % 100,
             mdb_version(nullptr, nullptr, nullptr), uv_version_string(),
             BOOST_VERSION / 100'000, BOOST_VERSION / 100 % 1'000,
             OpenSSL_version(OPENSSL_VERSION));
  return 0;
}

} // namespace muster
