#pragma once

#include "persistence/expected.hpp"

#include <fstream>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// The payloads that `muster enqueue` was given: the content of each file, or
/// each line. Holds one payload at a time.
class job_source {
public:
  /// `-` and no file at all stand for `standard_input`, which must outlive
  /// this.
  job_source(std::vector<std::string> files, bool lines,
             std::istream& standard_input);

  /// Nothing at the end. `io_error` for a file that cannot be read.
  [[nodiscard]] expected<std::optional<std::string>> next();

private:
  [[nodiscard]] expected<void> open(const std::string& name);

  std::vector<std::string> files_;
  bool lines_;
  std::istream* standard_input_;
  std::size_t index_ = 0;
  std::ifstream file_;
  /// Null between inputs.
  std::istream* input_ = nullptr;
};

} // namespace muster
