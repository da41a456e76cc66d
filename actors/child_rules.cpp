#include "actors/child_rules.hpp"

namespace muster {

namespace {

constexpr millis default_shutdown{5'000};

} // namespace

std::string_view to_string(child_type type) noexcept {
  return type == child_type::supervisor ? "supervisor" : "worker";
}

shutdown_rule shutdown_of(const child_rules& rules) {
  if (rules.shutdown)
    return *rules.shutdown;
  if (rules.type == child_type::supervisor)
    return shutdown_rule::infinite();
  return default_shutdown;
}

} // namespace muster
