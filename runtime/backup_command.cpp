#include "persistence/backup.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_client.hpp"
#include "runtime/metrics.hpp"
#include "runtime/node_access.hpp"
#include "runtime/node_json.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace muster {

namespace {

constexpr auto help = R"(muster backup [--OPTION=VALUE ...] DESTINATION

Copies the store of a data directory, whether its node runs or not, into the
directory DESTINATION, which must be empty or not exist. The copy is consistent
and holds everything that was accepted before the command began. A node can be
started on it:

  muster backup --data-dir=/var/lib/muster /backups/today
  muster node --data-dir=/backups/today

  --data-dir=./muster-data  what to copy
  --token-file=FILE         the token that a running node asks for (chmod 600);
                            default: the environment's MUSTER_TOKEN. It needs
                            the scope read
  --ca-file=FILE            whose certificates are good for a node with HTTPS
                            (PEM); default: what the system trusts
)";

/// How many entries the directory's node has applied; none if none answers.
expected<std::optional<std::uint64_t>>
applied_entries(const std::string& data_dir, const node_access_options& how) {
  auto facts = read_node_json(data_dir);
  if (!facts)
    return std::nullopt;
  auto access = how.resolve_for(*facts);
  if (!access)
    return tl::unexpected{std::move(access.error())};
  http_client client{access->at.host, access->at.port, access->http};
  auto reply = client.get("/metrics");
  // A node that was killed leaves its file behind.
  if (reply && (reply->status == 401 || reply->status == 403)
      && ::kill(facts->pid, 0) == 0)
    return fail_with(errc::invalid_argument,
                     "the running node asks for a token with the scope read: "
                     "give --token-file");
  // The file may be a crashed node's, and its port another's by now.
  if (!reply || !reply->ok() || !is_metrics_of(reply->body, facts->incarnation))
    return std::nullopt;
  return find_sample(reply->body, applied_entries_metric);
}

} // namespace

int run_backup(arguments args) {
  if (wants_help(args)) {
    fmt::print("{}", help);
    return 0;
  }
  std::string data_dir = "./muster-data";
  caf::config_option_set options;
  options.add(data_dir, "data-dir", "the data directory to copy");
  node_access_options access;
  access.add_credentials_to(options);
  auto positional = parse_options(options, args);
  if (!positional)
    return usage_error("backup", positional.error().message);
  if (positional->size() != 1)
    return usage_error("backup", "give one destination directory");
  backup_options what;
  what.data_dir = data_dir;
  what.destination = positional->front();
  auto applied = applied_entries(data_dir, access);
  if (!applied)
    return report_failure("backup", applied.error().message);
  what.applied = *applied;
  auto done = backup_store(what);
  if (!done)
    return report_failure("backup", done.error().message);
  fmt::print("copied {} bytes to {}\n", done->bytes,
             (what.destination / "store.mdb").string());
  return 0;
}

} // namespace muster
