#include "actors/child_directory.hpp"

namespace muster {

namespace {

bool is_id_of(std::string_view id, std::string_view name) {
  return name.size() > id.size() && name.ends_with(id)
         && name[name.size() - id.size() - 1] == '/';
}

} // namespace

caf::actor child_directory::find(std::string_view name) const {
  std::lock_guard guard{mutex_};
  if (auto pos = children_.find(name); pos != children_.end())
    return pos->second;
  if (name.find('/') != std::string_view::npos)
    return {};
  for (auto& [path, child] : children_)
    if (child && is_id_of(name, path))
      return child;
  return {};
}

std::vector<std::string> child_directory::names() const {
  std::lock_guard guard{mutex_};
  std::vector<std::string> result;
  for (auto& entry : children_)
    result.push_back(entry.first);
  return result;
}

void child_directory::put(const std::string& name, caf::actor child) {
  // An actor may end with its last handle: not under the lock.
  std::lock_guard guard{mutex_};
  std::swap(children_[name], child);
}

void child_directory::remove(const std::string& name) {
  caf::actor last;
  std::lock_guard guard{mutex_};
  auto pos = children_.find(name);
  if (pos == children_.end())
    return;
  std::swap(pos->second, last);
  children_.erase(pos);
}

void child_directory::publish(supervisor_info info) {
  std::lock_guard guard{mutex_};
  supervisors_.insert_or_assign(info.path, std::move(info));
}

void child_directory::withdraw(const std::string& supervisor) {
  std::lock_guard guard{mutex_};
  supervisors_.erase(supervisor);
}

std::vector<supervisor_info> child_directory::supervisors() const {
  std::lock_guard guard{mutex_};
  std::vector<supervisor_info> result;
  for (auto& entry : supervisors_)
    result.push_back(entry.second);
  return result;
}

void child_directory::count(const std::string& supervisor,
                            const std::string& child,
                            const child_counters& more) {
  std::lock_guard guard{mutex_};
  auto& sum = counters_[{supervisor, child}];
  sum.supervisor = supervisor;
  sum.child = child;
  sum.starts += more.starts;
  sum.restarts += more.restarts;
  sum.failures += more.failures;
  sum.give_ups += more.give_ups;
}

std::vector<child_counters> child_directory::counters() const {
  std::lock_guard guard{mutex_};
  std::vector<child_counters> result;
  for (auto& entry : counters_)
    result.push_back(entry.second);
  return result;
}

void child_directory::set_failure(error reason) {
  std::lock_guard guard{mutex_};
  failure_ = std::move(reason);
}

std::optional<error> child_directory::failure() const {
  std::lock_guard guard{mutex_};
  return failure_;
}

} // namespace muster
