#include "runtime/certificates.hpp"
#include "runtime/command_line.hpp"
#include "runtime/secret_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace muster {

namespace {

constexpr auto help = R"(muster certs [--OPTION=VALUE ...] [NAME ...]

Makes certificates for TLS between nodes and for HTTPS: a private authority
(ca.pem and ca-key.pem) unless there is one already, and for each NAME a
certificate (NAME.pem) and its key (NAME-key.pem), signed by the authority. A
NAME is a node's host name or address. Files are for their owner alone (0600),
and none is ever overwritten.

  --dir=./muster-certs   where the files are
  --hosts=A,B            further names and addresses of each NAME
  --days=825             how long certificates are good
  --ca-days=3650         how long a new authority is good
  --ca-name="Muster CA"  the name of a new authority

Whoever has ca-key.pem can let nodes join: keep it off the nodes. A node needs
ca.pem, its own certificate and its own key:

  muster certs node1.example node2.example
  muster node --node-ca=ca.pem --node-certificate=node1.example.pem \
              --node-key=node1.example-key.pem

Exit status: 0; 1 if something could not be made; 2 if called wrongly.
)";

constexpr int max_days = 36'500;

struct certs_options {
  std::string dir = "./muster-certs";
  std::string hosts;
  std::uint32_t days = 825;
  std::uint32_t ca_days = 3'650;
  std::string ca_name = "Muster CA";

  caf::config_option_set options() {
    caf::config_option_set result;
    result.add(dir, "dir", "where the files are")
      .add(hosts, "hosts", "further names and addresses")
      .add(days, "days", "how long certificates are good")
      .add(ca_days, "ca-days", "how long a new authority is good")
      .add(ca_name, "ca-name", "a new authority's name");
    return result;
  }
};

struct pair_files {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

pair_files files_of(const certs_options& opts, const std::string& name) {
  auto base = std::filesystem::path{opts.dir};
  return {base / (name + ".pem"), base / (name + "-key.pem")};
}

expected<void> check(const certs_options& opts,
                     const std::vector<std::string>& names) {
  auto invalid = [](std::string text) {
    return fail_with(errc::invalid_argument, std::move(text));
  };
  for (auto& name : names)
    if (!is_host(name) || name == "ca")
      return invalid("'" + name + "' is neither a host's name nor an address");
  for (auto& host : split_list(opts.hosts))
    if (!is_host(host))
      return invalid("hosts: '" + host
                     + "' is neither a host's name nor an address");
  if (opts.days < 1 || opts.days > max_days || opts.ca_days < 1
      || opts.ca_days > max_days)
    return invalid("days and ca-days must be 1 to 36500");
  if (opts.ca_name.empty() || opts.ca_name.size() > 64)
    return invalid("ca-name must be 1 to 64 bytes");
  return {};
}

/// Both or neither.
expected<void> write_pair(const pair_files& to, const certificate_pair& made) {
  if (auto ok = create_secret_file(to.key, made.key); !ok)
    return ok;
  if (auto ok = create_secret_file(to.certificate, made.certificate); !ok) {
    std::error_code ignored;
    std::filesystem::remove(to.key, ignored);
    return ok;
  }
  fmt::print("{}\n{}\n", to.certificate.string(), to.key.string());
  return {};
}

/// Reads the authority, or makes it.
expected<certificate_pair> authority(const certs_options& opts) {
  auto files = files_of(opts, "ca");
  std::error_code ignored;
  if (std::filesystem::exists(files.key, ignored)
      || std::filesystem::exists(files.certificate, ignored)) {
    auto certificate = read_secret_file(files.certificate);
    if (!certificate)
      return tl::unexpected{std::move(certificate.error())};
    auto key = read_secret_file(files.key);
    if (!key)
      return tl::unexpected{std::move(key.error())};
    return certificate_pair{std::move(*certificate), std::move(*key)};
  }
  auto made = make_authority(opts.ca_name, static_cast<int>(opts.ca_days));
  if (!made)
    return made;
  if (auto ok = write_pair(files, *made); !ok)
    return tl::unexpected{std::move(ok.error())};
  return made;
}

expected<void> make_all(const certs_options& opts,
                        const std::vector<std::string>& names) {
  // Says so before anything is made.
  std::error_code ec;
  for (auto& name : names)
    for (auto& file :
         {files_of(opts, name).certificate, files_of(opts, name).key})
      if (std::filesystem::exists(file, ec))
        return fail_with(errc::invalid_argument,
                         fmt::format("'{}' is there already", file.string()));
  std::filesystem::create_directories(opts.dir, ec);
  if (ec)
    return fail_with(errc::io_error, fmt::format("cannot make '{}': {}",
                                                 opts.dir, ec.message()));
  auto signer = authority(opts);
  if (!signer)
    return tl::unexpected{std::move(signer.error())};
  for (auto& name : names) {
    host_certificate wanted{name, {name}, static_cast<int>(opts.days)};
    for (auto& host : split_list(opts.hosts))
      wanted.hosts.push_back(host);
    auto made = issue_certificate(*signer, wanted);
    if (!made)
      return tl::unexpected{std::move(made.error())};
    if (auto ok = write_pair(files_of(opts, name), *made); !ok)
      return ok;
  }
  return {};
}

} // namespace

int run_certs(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  certs_options opts;
  auto names = parse_options(opts.options(), args);
  if (!names)
    return usage_error("certs", names.error().message);
  if (auto ok = check(opts, *names); !ok)
    return usage_error("certs", ok.error().message);
  if (auto ok = make_all(opts, *names); !ok)
    return report_failure("certs", ok.error().message);
  return 0;
}

} // namespace muster
