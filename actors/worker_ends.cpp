#include "actors/worker_ends.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

worker_ends::verdict judge(const std::vector<lease_token>& leases,
                           worker_end end) {
  worker_ends::verdict result;
  result.reason = std::move(end.reason);
  std::sort(end.running.begin(), end.running.end());
  std::sort(end.kept.begin(), end.kept.end());
  for (auto token : leases) {
    if (std::binary_search(end.kept.begin(), end.kept.end(), token))
      result.kept.push_back(token);
    else if (!end.complete
             || std::binary_search(end.running.begin(), end.running.end(),
                                   token))
      result.failed.push_back(token);
    else
      result.not_begun.push_back(token);
  }
  return result;
}

} // namespace

std::optional<worker_ends::verdict>
worker_ends::on_gone(const std::string& name, const std::string& incarnation,
                     std::vector<lease_token> leases, time_point now) {
  auto [pos, is_new] = halves_.try_emplace({name, incarnation});
  auto& known = pos->second;
  if (!is_new && known.end) {
    auto result = judge(leases, std::move(*known.end));
    halves_.erase(pos);
    return result;
  }
  known.until = now + patience;
  known.leases.insert(known.leases.end(), leases.begin(), leases.end());
  return std::nullopt;
}

std::optional<worker_ends::verdict>
worker_ends::on_told(const std::string& name, const std::string& incarnation,
                     worker_end end, time_point now) {
  auto [pos, is_new] = halves_.try_emplace({name, incarnation});
  auto& known = pos->second;
  if (!is_new && !known.end) {
    auto result = judge(known.leases, std::move(end));
    halves_.erase(pos);
    return result;
  }
  known.until = now + patience;
  known.end = std::move(end);
  return std::nullopt;
}

std::vector<worker_ends::verdict> worker_ends::take_overdue(time_point now) {
  std::vector<verdict> result;
  for (auto pos = halves_.begin(); pos != halves_.end();) {
    auto& known = pos->second;
    if (now < known.until) {
      ++pos;
      continue;
    }
    if (!known.end && !known.leases.empty()) {
      verdict lost;
      lost.failed = std::move(known.leases);
      result.push_back(std::move(lost));
    }
    pos = halves_.erase(pos);
  }
  return result;
}

} // namespace muster
