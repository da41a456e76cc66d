#pragma once

#include "persistence/command.hpp"
#include "persistence/expected.hpp"
#include "persistence/state_machine.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace muster {

/// Decides before the log whether a command may enter it, so that what was
/// accepted always fits: new jobs leave a reserve for completions, those leave
/// one for failures, which are remembered, too, and those one for purges. Pure:
/// figures are told to it.
class admission {
public:
  struct reserves {
    std::size_t map_size = 0;
    /// What must stay free of the map when new jobs are taken.
    std::size_t store = 0;
    /// What must stay free of the file system when new jobs are taken.
    std::size_t disk = 0;
  };

  explicit admission(reserves r) : reserves_(r) {
    // nop
  }

  /// Bytes in use of the map as of the last commit; counts anew what is
  /// admitted after that.
  void store_used(std::size_t bytes) noexcept;

  /// Bytes free for us in the file system; none if that cannot be told.
  void disk_free(std::optional<std::size_t> bytes) noexcept;

  /// `none`, `store_full`, `disk_full` or `queue_full`. What is admitted is
  /// counted as waiting in its queue until `applied`.
  [[nodiscard]] errc admit(const encoded_command& cmd,
                           std::optional<state_machine::queue_depth> depth);

  /// The command's jobs are in the store's own count now.
  void applied(const encoded_command& cmd);

  /// Bytes admitted since the figures were told.
  [[nodiscard]] std::size_t admitted_bytes() const noexcept {
    return admitted_;
  }

private:
  [[nodiscard]] errc room_for(std::size_t bytes, std::size_t store_reserve,
                              std::size_t disk_reserve) const noexcept;

  reserves reserves_;
  std::size_t used_ = 0;
  std::optional<std::size_t> free_;
  std::size_t admitted_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> under_way_;
};

} // namespace muster
