#pragma once

#include "actors/supervisor_info.hpp"
#include "persistence/job.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a list of actors shows, and what is done with such lists. Plain values
// and pure functions.

namespace muster {

enum class actor_state : std::uint8_t {
  running = 0,
  /// In one message for longer than `unresponsive_after`, or with a message
  /// that waits so long for a thread.
  unresponsive = 1,
  /// Supervised, and not there at the moment.
  down = 2,
};

inline constexpr millis unresponsive_after{2'000};

[[nodiscard]] std::string_view to_string(actor_state state) noexcept;

/// An actor and its figures since its start, or over a window of time.
struct actor_row {
  /// The path of supervisors down to it, such as `node/worker`; of one that is
  /// not supervised its type and number. Unique in a node.
  std::string name;
  std::string type;
  /// The path of its supervisor; empty: it has none.
  std::string parent;
  /// The number that CAF gave it; 0: none.
  std::uint64_t id = 0;
  actor_state state = actor_state::running;
  timestamp started_at;
  std::uint64_t messages_in = 0;
  /// Those to actors of other processes count where they are sent by `tell` or
  /// `ask`.
  std::uint64_t messages_out = 0;
  std::uint64_t busy_us = 0;
  /// Messages that wait.
  std::uint64_t mailbox = 0;
  /// The oldest of these waits at least so long.
  millis oldest_waiting{0};
  /// Why it ended the last time, or what it complained of last.
  std::string last_error;
  /// When it began with its last message; zero: it had none.
  timestamp last_message_at;
  /// By its supervisor.
  std::uint64_t restarts = 0;

  friend bool operator==(const actor_row&, const actor_row&) = default;
};

enum class actor_order : std::uint8_t {
  by_name = 0,
  by_mailbox = 1,
  by_busy = 2,
  by_messages = 3,
};

[[nodiscard]] std::optional<actor_order>
parse_actor_order(std::string_view text) noexcept;

/// Whether `a` is shown before `b`: names ascending, figures descending.
[[nodiscard]] bool comes_before(const actor_row& a, const actor_row& b,
                                actor_order order);

/// Actors in one answer.
inline constexpr std::uint64_t max_actor_rows = 1'000;

/// Sorts, and keeps the first `limit`.
void sort_and_cut(std::vector<actor_row>& rows, actor_order order,
                  std::size_t limit);

/// Makes the figures those of the time between two looks. An actor that was not
/// there before has what it did since its start.
void subtract(std::vector<actor_row>& now,
              const std::vector<actor_row>& before);

/// Adds what supervisors know: restarts, last errors, and rows for children
/// that are down or that do not count what they do.
void add_supervision(std::vector<actor_row>& rows,
                     std::span<const supervisor_info> supervisors);

} // namespace muster
