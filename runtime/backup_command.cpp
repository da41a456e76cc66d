#include "persistence/backup.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_client.hpp"
#include "runtime/metrics.hpp"
#include "runtime/node_json.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace muster {

namespace {

constexpr auto help = R"(muster backup [--data-dir=./muster-data] DESTINATION

Copies the store of a data directory, whether its node runs or not, into the
directory DESTINATION, which must be empty or not exist. The copy is consistent
and holds everything that was accepted before the command began. A node can be
started on it:

  muster backup --data-dir=/var/lib/muster /backups/today
  muster node --data-dir=/backups/today
)";

/// How many entries the directory's node has applied; none if none answers.
std::optional<std::uint64_t> applied_entries(const std::string& data_dir) {
  auto facts = read_node_json(data_dir);
  if (!facts)
    return std::nullopt;
  http_client client{facts->http.host, facts->http.port};
  auto reply = client.get("/metrics");
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
  auto positional = parse_options(options, args);
  if (!positional)
    return usage_error("backup", positional.error().message);
  if (positional->size() != 1)
    return usage_error("backup", "give one destination directory");
  backup_options what;
  what.data_dir = data_dir;
  what.destination = positional->front();
  what.applied = applied_entries(data_dir);
  auto done = backup_store(what);
  if (!done)
    return report_failure("backup", done.error().message);
  fmt::print("copied {} bytes to {}\n", done->bytes,
             (what.destination / "store.mdb").string());
  return 0;
}

} // namespace muster
