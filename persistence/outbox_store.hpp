#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// How an attempt ended, as a worker keeps it until its manager has it.
struct kept_outcome {
  lease_token token;
  /// The worker's own number for the kind of end.
  std::uint8_t kind = 0;
  /// The result, or the error's text.
  std::string text;
  /// Of a failure: whether to try again.
  bool retry = true;

  friend bool operator==(const kept_outcome&, const kept_outcome&) = default;
};

/// The same without a copy of the text.
struct kept_outcome_view {
  lease_token token;
  std::uint8_t kind = 0;
  std::string_view text;
  bool retry = true;
};

struct outbox_store_options {
  /// Holds `outbox.mdb` and `lock`; made if it does not exist.
  std::filesystem::path directory;
  /// The largest size of the file.
  std::size_t map_size = std::size_t{1} << 30;
};

/// Outcomes on a worker's disk. One thread at a time.
class outbox_store {
public:
  /// Opens or creates it, and locks the directory to this process. Errors:
  /// `store_locked`, `store_foreign`, `store_newer`, `store_corrupt`,
  /// `disk_full`, `io_error`.
  [[nodiscard]] static expected<std::unique_ptr<outbox_store>>
  open(const outbox_store_options& options);

  ~outbox_store();
  outbox_store(const outbox_store&) = delete;
  outbox_store& operator=(const outbox_store&) = delete;

  /// All that is kept, by job. Error: `store_corrupt`.
  [[nodiscard]] expected<std::vector<kept_outcome>> load() const;

  /// Removes and adds in one step, which is on disk when this returns. After an
  /// error (`store_full`, `disk_full`, `io_error`) nothing has changed.
  [[nodiscard]] expected<void>
  write(const std::vector<kept_outcome_view>& added,
        const std::vector<lease_token>& removed);

private:
  struct impl;
  explicit outbox_store(std::unique_ptr<impl> ptr);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
