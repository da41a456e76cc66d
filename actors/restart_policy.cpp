#include "actors/restart_policy.hpp"

#include <algorithm>
#include <cmath>

namespace muster {

std::string_view to_string(restart_strategy strategy) noexcept {
  switch (strategy) {
    case restart_strategy::one_for_one:
      return "one_for_one";
    case restart_strategy::one_for_all:
      return "one_for_all";
    case restart_strategy::rest_for_one:
      return "rest_for_one";
  }
  return "unknown";
}

restart_policy::restart_policy(supervision_options options,
                               std::vector<restart_kind> kinds)
  : options_(options) {
  children_.reserve(kinds.size());
  for (auto kind : kinds)
    children_.push_back(child{kind});
}

void restart_policy::on_start(std::size_t index, time_point now) {
  children_[index].up = true;
  children_[index].up_since = now;
}

restart_policy::decision restart_policy::on_end(std::size_t index, bool normal,
                                                time_point now, double chance) {
  decision result;
  auto& ended = children_[index];
  auto stays_down = ended.kind == restart_kind::temporary
                    || (ended.kind == restart_kind::transient && normal);
  if (stays_down) {
    ended.up = false;
    return result;
  }
  if (exceeds_intensity(now)) {
    result.what = verdict::give_up;
    return result;
  }
  result.what = verdict::restart;
  result.delay = delay_of(ended, now, chance);
  auto is_concerned = [this, index](std::size_t other) {
    switch (options_.strategy) {
      case restart_strategy::one_for_all:
        return true;
      case restart_strategy::rest_for_one:
        return other >= index;
      default:
        return other == index;
    }
  };
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (!is_concerned(i))
      continue;
    if (i != index)
      result.stop.push_back(i);
    if (children_[i].kind != restart_kind::temporary)
      result.start.push_back(i);
    children_[i].up = false;
  }
  std::reverse(result.stop.begin(), result.stop.end());
  return result;
}

bool restart_policy::exceeds_intensity(time_point now) {
  while (!restarts_.empty() && now - restarts_.front() >= options_.period)
    restarts_.pop_front();
  restarts_.push_back(now);
  return restarts_.size() > options_.max_restarts;
}

millis restart_policy::delay_of(child& failed, time_point now, double chance) {
  if (failed.up && now - failed.up_since >= options_.quiet)
    failed.failures_in_row = 0;
  auto& policy = options_.backoff;
  auto pause = static_cast<double>(policy.min.count())
               * std::pow(policy.factor, failed.failures_in_row);
  pause = std::min(pause, static_cast<double>(policy.max.count()));
  pause *= 1.0 + policy.jitter * (2.0 * chance - 1.0);
  ++failed.failures_in_row;
  return millis{static_cast<millis::rep>(std::max(pause, 0.0))};
}

} // namespace muster
