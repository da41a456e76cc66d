#include "persistence/dispatcher.hpp"

#include <algorithm>

namespace muster {

void dispatcher::open(demand_id id, std::vector<std::string> queues,
                      std::uint32_t credit, bool once) {
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  demand d;
  d.in_ring.resize(std::max<std::size_t>(queues.size(), 1));
  d.queues = std::move(queues);
  d.credit = credit;
  d.once = once;
  auto& added = demands_.insert_or_assign(id, std::move(d)).first->second;
  enter_rings(id, added);
}

void dispatcher::close(demand_id id) {
  // Rings drop the id when they meet it.
  demands_.erase(id);
}

void dispatcher::add_credit(demand_id id, std::uint32_t more) {
  auto pos = demands_.find(id);
  if (pos == demands_.end())
    return;
  pos->second.credit += more;
  enter_rings(id, pos->second);
}

std::vector<dispatcher::choice> dispatcher::choose(std::string_view queue,
                                                   std::uint64_t available) {
  std::vector<choice> result;
  if (auto pos = rings_.find(queue); pos != rings_.end()) {
    take(pos->second, queue, available, result);
    if (pos->second.empty())
      rings_.erase(pos);
  }
  take(any_, queue, available, result);
  return result;
}

void dispatcher::settle(const choice& chosen, std::uint32_t delivered) {
  auto pos = demands_.find(chosen.demand);
  if (pos == demands_.end())
    return;
  auto& d = pos->second;
  if (delivered < chosen.max)
    d.credit += chosen.max - delivered;
  if (d.once && delivered == 0)
    d.busy = false;
  enter_rings(chosen.demand, d);
}

bool dispatcher::wanted(std::string_view queue) {
  if (any_wanted())
    return true;
  auto pos = rings_.find(queue);
  return pos != rings_.end() && front_of(pos->second, queue) != nullptr;
}

bool dispatcher::any_wanted() {
  return front_of(any_, {}) != nullptr;
}

const std::vector<std::string>& dispatcher::queues_of(demand_id id) const {
  static const std::vector<std::string> none;
  auto pos = demands_.find(id);
  return pos == demands_.end() ? none : pos->second.queues;
}

void dispatcher::enter_rings(demand_id id, demand& d) {
  if (d.credit == 0 || d.busy)
    return;
  for (std::size_t i = 0; i < d.in_ring.size(); ++i) {
    if (d.in_ring[i])
      continue;
    d.in_ring[i] = true;
    (d.queues.empty() ? any_ : rings_[d.queues[i]]).push_back(id);
  }
}

/// Drops stale ids until a demand that can be served is in front.
dispatcher::demand* dispatcher::front_of(ring& r, std::string_view queue) {
  while (!r.empty()) {
    auto pos = demands_.find(r.front());
    if (pos != demands_.end()) {
      auto& d = pos->second;
      if (d.credit > 0 && !d.busy)
        return &d;
      d.in_ring[slot_of(d, queue)] = false;
    }
    r.pop_front();
  }
  return nullptr;
}

std::size_t dispatcher::slot_of(const demand& d, std::string_view queue) {
  if (d.queues.empty())
    return 0;
  auto pos = std::lower_bound(d.queues.begin(), d.queues.end(), queue);
  return static_cast<std::size_t>(pos - d.queues.begin());
}

void dispatcher::take(ring& r, std::string_view queue, std::uint64_t& available,
                      std::vector<choice>& out) {
  // One turn for each that stands in the ring now, with an even share, and
  // further turns while somebody still has credit.
  while (available > 0 && front_of(r, queue) != nullptr) {
    auto turns = r.size();
    auto share = std::max<std::uint64_t>(1, (available + turns - 1) / turns);
    for (; turns > 0 && available > 0; --turns) {
      auto* d = front_of(r, queue);
      if (d == nullptr)
        return;
      auto id = r.front();
      r.pop_front();
      auto max = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({d->credit, share, available}));
      d->credit -= max;
      available -= max;
      d->busy = d->once;
      auto pos = std::find_if(out.begin(), out.end(),
                              [id](auto& c) { return c.demand == id; });
      if (pos == out.end())
        out.push_back({id, max});
      else
        pos->max += max;
      if (d->credit > 0 && !d->busy)
        r.push_back(id);
      else
        d->in_ring[slot_of(*d, queue)] = false;
    }
  }
}

} // namespace muster
