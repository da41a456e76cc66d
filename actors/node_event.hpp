#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// Something that an operator may want to read.
struct node_event {
  /// How much it matters.
  enum class severity : std::uint8_t { info, warning, error };

  /// Of this event.
  severity level = severity::info;
  /// Of the actor, such as `manager`.
  std::string component;
  /// One line for a person.
  std::string text;
  /// Names and values that belong to it.
  std::vector<std::pair<std::string, std::string>> fields;
};

/// Takes events from any thread; must not block.
using event_sink = std::function<void(const node_event&)>;

} // namespace muster
