#include "persistence/lease_desk.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

/// How many queues one entry offers to those who take any.
constexpr std::size_t queues_per_turn = 64;

} // namespace

void lease_desk::open(demand_id id, lease_demand demand) {
  dispatcher_.open(id, demand.queues, demand.credit, demand.once);
  clients_.insert_or_assign(id, client{std::move(demand)});
  mark(id);
}

void lease_desk::add_credit(demand_id id, std::uint32_t more) {
  auto pos = clients_.find(id);
  if (pos == clients_.end() || pos->second.withdrawn)
    return;
  dispatcher_.add_credit(id, more);
  mark(id);
}

void lease_desk::withdraw(demand_id id) {
  auto pos = clients_.find(id);
  if (pos == clients_.end() || pos->second.withdrawn)
    return;
  pos->second.withdrawn = true;
  dispatcher_.close(id);
  if (pos->second.in_flight == 0)
    finish(id);
}

void lease_desk::withdraw_all() {
  while (!clients_.empty()) {
    auto id = clients_.begin()->first;
    dispatcher_.close(id);
    finish(id);
  }
}

void lease_desk::wake(std::string_view queue) {
  if (auto pos = throttled_.find(queue); pos != throttled_.end())
    throttled_.erase(pos);
  if (hot_.find(queue) == hot_.end())
    hot_.emplace(queue);
  if (asked_.find(queue) == asked_.end())
    asked_.emplace(queue);
}

std::vector<lease_desk::order> lease_desk::compose(state_machine& machine,
                                                   timestamp now,
                                                   const fresh_jobs& fresh) {
  std::vector<order> result;
  while (!throttled_.empty()) {
    auto due = std::find_if(throttled_.begin(), throttled_.end(),
                            [now](auto& kvp) { return kvp.second <= now; });
    if (due == throttled_.end())
      break;
    wake(std::string{due->first});
  }
  for (auto& [queue, jobs] : fresh) {
    wake(queue);
    offer(std::string{queue}, machine, now, jobs, result);
  }
  for (auto& queue : std::exchange(asked_, {}))
    if (dispatcher_.wanted(queue))
      offer(queue, machine, now, 0, result);
  for (std::size_t i = 0; i < queues_per_turn; ++i) {
    if (hot_.empty() || !dispatcher_.any_wanted())
      break;
    auto pos = hot_.upper_bound(cursor_);
    if (pos == hot_.end())
      pos = hot_.begin();
    cursor_ = *pos;
    offer(cursor_, machine, now, 0, result);
  }
  return result;
}

void lease_desk::offer(const std::string& queue, state_machine& machine,
                       timestamp now, std::uint64_t fresh,
                       std::vector<order>& out) {
  auto capacity = machine.capacity(queue, now);
  auto under_way = std::uint64_t{0};
  if (auto pos = in_flight_.find(queue); pos != in_flight_.end())
    under_way = pos->second;
  auto available = std::min(capacity.jobs + fresh, capacity.room);
  if (available <= under_way) {
    if (under_way > 0)
      return;
    if (capacity.retry_at)
      throttled_.insert_or_assign(queue, *capacity.retry_at);
    if (fresh == 0 || capacity.room == 0)
      hot_.erase(queue);
    return;
  }
  for (auto& chosen : dispatcher_.choose(queue, available - under_way)) {
    auto& who = clients_.at(chosen.demand);
    who.in_flight += chosen.max;
    in_flight_[queue] += chosen.max;
    out.push_back({chosen, queue, who.demand.worker, who.demand.ttl});
  }
}

void lease_desk::settle(const order& done, std::vector<leased_job> jobs) {
  if (auto pos = in_flight_.find(done.queue); pos != in_flight_.end()) {
    pos->second -= std::min<std::uint64_t>(pos->second, done.chosen.max);
    if (pos->second == 0)
      in_flight_.erase(pos);
  }
  // What is left in the queue is for somebody else, or for this one again.
  wake(done.queue);
  auto pos = clients_.find(done.chosen.demand);
  if (pos == clients_.end())
    return;
  auto& who = pos->second;
  who.in_flight -= std::min(who.in_flight, done.chosen.max);
  auto count = static_cast<std::uint32_t>(jobs.size());
  dispatcher_.settle(done.chosen, count);
  if (count > 0) {
    if (who.demand.once) {
      auto deliver = std::move(who.demand.deliver);
      dispatcher_.close(done.chosen.demand);
      clients_.erase(pos);
      deliver(std::move(jobs));
      return;
    }
    who.demand.deliver(std::move(jobs));
  }
  if (who.withdrawn && who.in_flight == 0)
    finish(done.chosen.demand);
  else
    mark(done.chosen.demand);
}

bool lease_desk::has_work() {
  if (!hot_.empty() && dispatcher_.any_wanted())
    return true;
  return std::any_of(asked_.begin(), asked_.end(),
                     [this](auto& queue) { return dispatcher_.wanted(queue); });
}

std::optional<timestamp> lease_desk::retry_at() const {
  std::optional<timestamp> result;
  for (auto& [queue, at] : throttled_)
    if (!result || at < *result)
      result = at;
  return result;
}

/// Has the hot queues that a demand names offered again.
void lease_desk::mark(demand_id id) {
  for (auto& queue : dispatcher_.queues_of(id))
    if (hot_.find(queue) != hot_.end())
      asked_.insert(queue);
}

void lease_desk::finish(demand_id id) {
  auto pos = clients_.find(id);
  auto deliver = std::move(pos->second.demand.deliver);
  clients_.erase(pos);
  deliver({});
}

} // namespace muster
