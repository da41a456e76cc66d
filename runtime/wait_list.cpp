#include "runtime/wait_list.hpp"

#include <vector>

namespace muster {

wait_list::wait_id wait_list::add(clock::time_point until,
                                  std::function<void()> end) {
  std::lock_guard guard{mutex_};
  if (by_time_.size() >= max_)
    return wait_id::none;
  wait_id id{++last_id_};
  by_time_.emplace(key{until, id}, std::move(end));
  times_.emplace(id, until);
  return id;
}

void wait_list::remove(wait_id id) {
  std::lock_guard guard{mutex_};
  auto pos = times_.find(id);
  if (pos == times_.end())
    return;
  by_time_.erase(key{pos->second, id});
  times_.erase(pos);
}

wait_list::clock::time_point wait_list::expire(clock::time_point now) {
  std::vector<std::function<void()>> ended;
  auto next = clock::time_point::max();
  {
    std::lock_guard guard{mutex_};
    while (!by_time_.empty()) {
      auto pos = by_time_.begin();
      if (pos->first.first > now) {
        next = pos->first.first;
        break;
      }
      ended.push_back(std::move(pos->second));
      times_.erase(pos->first.second);
      by_time_.erase(pos);
    }
  }
  for (auto& end : ended)
    end();
  return next;
}

void wait_list::end_all() {
  std::map<key, std::function<void()>> all;
  {
    std::lock_guard guard{mutex_};
    all.swap(by_time_);
    times_.clear();
  }
  for (auto& [when, end] : all)
    end();
}

std::size_t wait_list::size() const {
  std::lock_guard guard{mutex_};
  return by_time_.size();
}

} // namespace muster
