#include "persistence/admission.hpp"

#include <algorithm>

namespace muster {

namespace {

// What a command takes in the store besides its bytes, by generous guess:
// index entries, page headers, and copies of pages that it touches.
constexpr std::size_t overhead_per_command = 4'096;
constexpr std::size_t overhead_per_job = 512;

/// The alternatives of `command` by index.
template <class T>
constexpr std::uint8_t kind_of() {
  return static_cast<std::uint8_t>(command{T{}}.index());
}

std::size_t footprint(const encoded_command& cmd) {
  return cmd.bytes.size() + overhead_per_command + cmd.jobs * overhead_per_job;
}

} // namespace

void admission::store_used(std::size_t bytes) noexcept {
  used_ = bytes;
  admitted_ = 0;
}

void admission::disk_free(std::optional<std::size_t> bytes) noexcept {
  free_ = bytes;
}

errc admission::room_for(std::size_t bytes, std::size_t store_reserve,
                         std::size_t disk_reserve) const noexcept {
  if (used_ + admitted_ + bytes + store_reserve > reserves_.map_size)
    return errc::store_full;
  // The log and the store both get the bytes.
  if (free_ && 2 * (admitted_ + bytes) + disk_reserve > *free_)
    return errc::disk_full;
  return errc::none;
}

errc admission::admit(const encoded_command& cmd,
                      std::optional<state_machine::queue_depth> depth) {
  auto bytes = footprint(cmd);
  static const auto enqueue_kind = kind_of<enqueue_command>();
  static const auto complete_kind = kind_of<complete_command>();
  static const auto fail_kind = kind_of<fail_command>();
  if (cmd.kind == enqueue_kind) {
    auto waiting = under_way_.find(cmd.queue);
    if (depth && depth->max_depth > 0) {
      auto coming = waiting == under_way_.end() ? 0 : waiting->second;
      if (depth->waiting + coming + cmd.jobs > depth->max_depth)
        return errc::queue_full;
    }
    if (auto code = room_for(bytes, reserves_.store, reserves_.disk);
        code != errc::none)
      return code;
    if (waiting == under_way_.end())
      under_way_.emplace(cmd.queue, cmd.jobs);
    else
      waiting->second += cmd.jobs;
  } else if (cmd.kind == complete_kind) {
    if (auto code = room_for(bytes, reserves_.store / 2, reserves_.disk / 2);
        code != errc::none)
      return code;
  } else if (cmd.kind == fail_kind) {
    if (auto code = room_for(bytes, reserves_.store / 4, reserves_.disk / 4);
        code != errc::none)
      return code;
  }
  admitted_ += bytes;
  return errc::none;
}

void admission::applied(const encoded_command& cmd) {
  auto waiting = under_way_.find(cmd.queue);
  if (cmd.jobs == 0 || waiting == under_way_.end())
    return;
  waiting->second -= std::min<std::uint64_t>(waiting->second, cmd.jobs);
  if (waiting->second == 0)
    under_way_.erase(waiting);
}

} // namespace muster
