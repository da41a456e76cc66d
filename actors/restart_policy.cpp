#include "actors/restart_policy.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace muster {

std::string_view to_string(restart_strategy strategy) noexcept {
  switch (strategy) {
    case restart_strategy::one_for_one:
      return "one_for_one";
    case restart_strategy::one_for_all:
      return "one_for_all";
    case restart_strategy::rest_for_one:
      return "rest_for_one";
    case restart_strategy::simple_one_for_one:
      return "simple_one_for_one";
  }
  return "unknown";
}

restart_policy::decision restart_policy::on_end(restart_kind kind, bool normal,
                                                history& child, time_point now,
                                                double chance) {
  on_stop(child, now);
  auto stays_down = kind == restart_kind::temporary
                    || (kind == restart_kind::transient && normal);
  if (stays_down)
    return {};
  if (exceeds_intensity(now))
    return {verdict::give_up};
  return {verdict::restart, delay_of(child, chance)};
}

void restart_policy::on_stop(history& child, time_point now) const {
  auto up_since = std::exchange(child.up_since, std::nullopt);
  if (up_since && now - *up_since >= options_.quiet)
    child.failures_in_row = 0;
}

// OTP's window: a restart that is as old as the period still counts.
bool restart_policy::exceeds_intensity(time_point now) {
  while (!restarts_.empty() && now - restarts_.front() > options_.period)
    restarts_.pop_front();
  restarts_.push_back(now);
  return restarts_.size() > options_.max_restarts;
}

millis restart_policy::delay_of(history& child, double chance) const {
  auto& policy = options_.backoff;
  auto pause = static_cast<double>(policy.min.count())
               * std::pow(policy.factor, child.failures_in_row);
  pause = std::min(pause, static_cast<double>(policy.max.count()));
  pause *= 1.0 + policy.jitter * (2.0 * chance - 1.0);
  ++child.failures_in_row;
  return millis{static_cast<millis::rep>(std::max(pause, 0.0))};
}

} // namespace muster
