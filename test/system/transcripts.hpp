#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Pages of the documentation that show commands and what they print. They are
// written anew by
//
//     MUSTER_WRITE_TRANSCRIPTS=1 muster_system_tests "*transcripts*"

namespace muster {

/// A command of a page and what the page shows below it:
///
///     node$ muster node
///     muster node office ready ...
///
/// What stands before the dollar sign names the terminal.
struct transcript {
  /// Of the command's line, from 0.
  std::size_t line = 0;
  std::string terminal;
  std::string command;
  /// With a line's end, or empty.
  std::string shown;
};

class transcript_page {
public:
  /// `path` is below the source directory.
  explicit transcript_page(const std::filesystem::path& path);

  [[nodiscard]] const std::vector<transcript>& transcripts() const noexcept {
    return transcripts_;
  }

  /// Whether the page is to be written rather than checked.
  [[nodiscard]] static bool writing();

  /// Puts each transcript's output in place of what is shown.
  void rewrite(const std::vector<std::string>& outputs) const;

private:
  std::filesystem::path file_;
  std::vector<std::string> lines_;
  std::vector<transcript> transcripts_;
};

/// What changes from run to run made the same: times, ports, loads, counts,
/// what is not known yet, and the blanks before them.
[[nodiscard]] std::string normalised(std::string text);

/// Runs a command as a shell would, `muster` being ours, to its end; what it
/// writes to both outputs.
[[nodiscard]] std::string output_of(const std::filesystem::path& dir,
                                    const std::string& command);

} // namespace muster
