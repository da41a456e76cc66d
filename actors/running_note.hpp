#pragma once

#include "persistence/expected.hpp"
#include "persistence/job.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

namespace limits {

inline constexpr std::size_t noted_incarnation = 63;

} // namespace limits

/// Which attempts run at the moment, noted in a file that is mapped into
/// memory: whatever ends the process, the kernel keeps what was noted, and
/// whoever watches the process reads which attempts its end has ended. Nothing
/// is flushed; the note does not outlive the machine, and need not.
///
/// One thread at a time for each slot.
class running_note {
public:
  /// Replaces what is there. An incarnation is cut at
  /// `limits::noted_incarnation` bytes. Errors: `io_error`.
  [[nodiscard]] static expected<std::shared_ptr<running_note>>
  create(const std::filesystem::path& file, std::string_view incarnation,
         std::size_t slots);

  ~running_note();
  running_note(const running_note&) = delete;
  running_note& operator=(const running_note&) = delete;

  /// The slot's thread runs the attempt from now on. Slots beyond those of the
  /// file are ignored.
  void begin(std::size_t slot, lease_token token) noexcept;

  /// It runs none.
  void end(std::size_t slot) noexcept;

  /// Where to note the process group that works for the slot's attempt; null
  /// for a slot beyond those of the file. Valid as long as the note.
  [[nodiscard]] std::atomic<std::int32_t>* group(std::size_t slot) noexcept;

private:
  struct layout;
  running_note(layout* at, std::size_t slots) noexcept;
  layout* layout_;
  std::size_t slots_;
};

/// What a note says after its writer's end.
struct noted_attempts {
  std::string incarnation;
  std::vector<lease_token> running;
  /// Process groups that worked for them, and may still do so.
  std::vector<std::int32_t> groups;

  friend bool operator==(const noted_attempts&, const noted_attempts&)
    = default;
};

/// Errors: `io_error`, also where there is none; `malformed`.
[[nodiscard]] expected<noted_attempts>
read_running_note(const std::filesystem::path& file);

} // namespace muster
