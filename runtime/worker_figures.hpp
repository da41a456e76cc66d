#pragma once

#include "actors/worker_info.hpp"
#include "persistence/expected.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

// The figures of worker processes, which their parent shows as its own. A
// process leaves them in a file; it may die at any time.

namespace muster {

/// The figures of one start of a process.
struct process_figures {
  std::string incarnation;
  worker_counters counters;
};

/// In a process' directory.
inline constexpr std::string_view figures_file_name = "figures.json";

/// Replaces the file, which is not flushed. Errors: `io_error`.
[[nodiscard]] expected<void> keep_figures(const process_figures& figures,
                                          const std::filesystem::path& file);

/// Errors: `io_error`, also where there is none; `malformed`.
[[nodiscard]] expected<process_figures>
read_figures(const std::filesystem::path& file);

/// Adds counters; handlers by name.
void add(worker_counters& to, const worker_counters& more);

/// Sums of counters that begin at zero with each start of a process, so that
/// the sums never go back.
class figure_sums {
public:
  /// What a process tells at the moment.
  void update(const std::string& process, process_figures now);

  [[nodiscard]] worker_counters total() const;

private:
  std::map<std::string, process_figures> latest_;
  /// Of earlier starts.
  worker_counters before_;
};

} // namespace muster
