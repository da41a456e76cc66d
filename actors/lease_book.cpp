#include "actors/lease_book.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

std::uint64_t key_of(lease_token token) noexcept {
  return static_cast<std::uint64_t>(token.id);
}

} // namespace

void lease_book::add(worker_id worker) {
  workers_.try_emplace(worker);
}

void lease_book::grant(worker_id worker, lease_token token) {
  if (auto pos = workers_.find(worker); pos != workers_.end())
    pos->second.insert_or_assign(key_of(token), grant_state{token.attempt, 0});
}

void lease_book::settle(worker_id worker, lease_token token) {
  auto pos = workers_.find(worker);
  if (pos == workers_.end())
    return;
  auto& held = pos->second;
  if (auto i = held.find(key_of(token));
      i != held.end() && i->second.attempt == token.attempt)
    held.erase(i);
}

bool lease_book::holds(worker_id worker, lease_token token) const {
  auto pos = workers_.find(worker);
  if (pos == workers_.end())
    return false;
  auto i = pos->second.find(key_of(token));
  return i != pos->second.end() && i->second.attempt == token.attempt;
}

std::vector<lease_token> lease_book::leases_of(worker_id worker) const {
  std::vector<lease_token> result;
  if (auto pos = workers_.find(worker); pos != workers_.end()) {
    result.reserve(pos->second.size());
    for (auto& [id, grant] : pos->second)
      result.push_back({job_id{id}, grant.attempt});
  }
  return result;
}

std::vector<lease_token>
lease_book::compare(worker_id worker, const std::vector<lease_token>& named) {
  std::vector<lease_token> result;
  auto pos = workers_.find(worker);
  if (pos == workers_.end())
    return result;
  auto& held = pos->second;
  for (auto& item : held)
    ++item.second.missed;
  for (auto token : named)
    if (auto i = held.find(key_of(token));
        i != held.end() && i->second.attempt == token.attempt)
      i->second.missed = 0;
  for (auto& [id, grant] : held)
    if (grant.missed >= 2)
      result.push_back({job_id{id}, grant.attempt});
  return result;
}

std::vector<lease_token> lease_book::take(worker_id worker) {
  auto result = leases_of(worker);
  workers_.erase(worker);
  return result;
}

void lease_book::add_orphan(const std::string& name, lease_token token) {
  orphans_[name].push_back(token);
}

std::vector<lease_token>
lease_book::take_orphans(std::string_view name,
                         const std::vector<lease_token>& held) {
  auto pos = orphans_.find(name);
  if (pos == orphans_.end())
    return {};
  auto result = std::move(pos->second);
  orphans_.erase(pos);
  auto presented = held;
  std::sort(presented.begin(), presented.end());
  std::erase_if(result, [&presented](lease_token token) {
    return std::binary_search(presented.begin(), presented.end(), token);
  });
  return result;
}

std::vector<lease_token> lease_book::take_orphans() {
  std::vector<lease_token> result;
  for (auto& [name, tokens] : std::exchange(orphans_, {}))
    result.insert(result.end(), tokens.begin(), tokens.end());
  return result;
}

void lease_book::drop_orphans() {
  orphans_.clear();
}

} // namespace muster
