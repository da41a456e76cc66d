#include "actors/address_book.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace muster {

namespace {

millis pause_after(const backoff_policy& policy, std::uint32_t failures,
                   double chance) {
  auto steps = static_cast<double>(std::min(failures, 64u));
  auto pause
    = static_cast<double>(policy.min.count()) * std::pow(policy.factor, steps);
  pause = std::min(pause, static_cast<double>(policy.max.count()));
  pause *= 1 - policy.jitter * chance;
  return millis{static_cast<millis::rep>(pause)};
}

} // namespace

address_book::address_book(options opts, time_point now)
  : options_(std::move(opts)) {
  for (auto& at : options_.given) {
    auto& p = places_[at];
    p.given = true;
    p.next_try = now;
  }
  for (auto& node : options_.remembered)
    learn(node, now);
}

void address_book::put(const known_node& node, entry& into, time_point now) {
  for (auto& at : into.facts.addresses) {
    auto old = places_.find(at);
    if (old == places_.end() || old->second.node != node.name
        || std::find(node.addresses.begin(), node.addresses.end(), at)
             != node.addresses.end())
      continue;
    if (old->second.given || old->second.under_way)
      old->second.node.clear();
    else
      places_.erase(old);
  }
  for (auto& at : node.addresses) {
    auto [pos, is_new] = places_.try_emplace(at);
    if (is_new)
      pos->second.next_try = now;
    // What was found there counts more than what is said.
    if (is_new || !is_connected(pos->second.node))
      pos->second.node = node.name;
  }
  into.facts = node;
}

void address_book::learn(const known_node& node, time_point now) {
  auto pos = nodes_.find(node.name);
  if (pos == nodes_.end()) {
    forget_lost(now);
    if (nodes_.size() >= options_.max_nodes)
      return;
    pos = nodes_.try_emplace(node.name).first;
    pos->second.last_seen = now;
  } else if (pos->second.connected || pos->second.left) {
    // It tells its addresses itself.
    return;
  }
  put(node, pos->second, now);
}

bool address_book::is_wanted(const place& p) const {
  if (p.self || p.under_way)
    return false;
  auto pos = nodes_.find(p.node);
  if (pos == nodes_.end())
    return p.given;
  if (pos->second.connected)
    return false;
  return p.given || options_.self.manager || pos->second.facts.roles.manager;
}

std::vector<endpoint> address_book::take_due(time_point now) {
  forget_lost(now);
  std::vector<endpoint> result;
  for (auto& [at, p] : places_) {
    if (under_way_ >= options_.max_attempts)
      break;
    if (!is_wanted(p) || p.next_try > now)
      continue;
    p.under_way = true;
    ++under_way_;
    result.push_back(at);
  }
  return result;
}

std::optional<address_book::time_point> address_book::next_due() const {
  std::optional<time_point> result;
  if (under_way_ < options_.max_attempts)
    for (auto& item : places_)
      if (is_wanted(item.second))
        result
          = std::min(result.value_or(time_point::max()), item.second.next_try);
  return result;
}

void address_book::on_connected(const endpoint& at, const std::string& node) {
  auto& p = places_[at];
  if (std::exchange(p.under_way, false))
    --under_way_;
  p.failures = 0;
  p.node = node;
}

void address_book::on_failed(const endpoint& at, time_point now,
                             double chance) {
  auto& p = places_[at];
  if (std::exchange(p.under_way, false))
    --under_way_;
  p.next_try = now + pause_after(options_.backoff, p.failures++, chance);
}

void address_book::on_self(const endpoint& at) {
  auto& p = places_[at];
  if (std::exchange(p.under_way, false))
    --under_way_;
  p.self = true;
}

void address_book::join(const known_node& node, time_point now) {
  auto& e = nodes_[node.name];
  e.connected = true;
  e.left = false;
  e.last_seen = now;
  put(node, e, now);
}

void address_book::part(const std::string& node, time_point now,
                        double chance) {
  auto pos = nodes_.find(node);
  if (pos == nodes_.end() || !std::exchange(pos->second.connected, false))
    return;
  pos->second.last_seen = now;
  for (auto& [at, p] : places_) {
    if (p.node != node)
      continue;
    p.failures = 0;
    p.next_try = now + pause_after(options_.backoff, 0, chance);
  }
}

void address_book::leave(const std::string& node, time_point now,
                         double chance) {
  auto pos = nodes_.find(node);
  if (pos == nodes_.end() || pos->second.facts.roles.manager)
    return part(node, now, chance);
  pos->second.connected = false;
  pos->second.left = true;
  pos->second.last_seen = now;
  forget_places_of(node);
}

bool address_book::is_connected(const std::string& node) const {
  auto pos = nodes_.find(node);
  return pos != nodes_.end() && pos->second.connected;
}

std::vector<known_node> address_book::nodes() const {
  std::vector<known_node> result;
  result.reserve(nodes_.size());
  for (auto& item : nodes_)
    if (!item.second.left)
      result.push_back(item.second.facts);
  return result;
}

void address_book::forget_places_of(const std::string& node) {
  for (auto pos = places_.begin(); pos != places_.end();) {
    auto& p = pos->second;
    auto is_there = p.node == node;
    if (is_there)
      p.node.clear();
    if (is_there && !p.given && !p.under_way)
      pos = places_.erase(pos);
    else
      ++pos;
  }
}

void address_book::forget_lost(time_point now) {
  // Who has not heard that a node has left tells of it until it forgets it.
  auto patience = [this](const entry& e) {
    return e.left ? 2 * options_.forget_after : options_.forget_after;
  };
  auto crowded = nodes_.size() >= options_.max_nodes;
  std::erase_if(nodes_, [&, this](auto& item) {
    auto& e = item.second;
    if (e.connected
        || (now - e.last_seen < patience(e) && !(crowded && e.left)))
      return false;
    forget_places_of(item.first);
    return true;
  });
}

} // namespace muster
