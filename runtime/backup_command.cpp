#include "persistence/backup.hpp"
#include "runtime/command_line.hpp"

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
  std::filesystem::path destination = positional->front();
  if (auto ok = backup_store(data_dir, destination); !ok)
    return report_failure("backup", ok.error().message);
  std::error_code ec;
  auto size = std::filesystem::file_size(destination / "store.mdb", ec);
  fmt::print("copied {} bytes to {}\n", size,
             (destination / "store.mdb").string());
  return 0;
}

} // namespace muster
