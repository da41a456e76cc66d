#include "actors/manager_inbox.hpp"

#include <utility>

namespace muster {

void manager_inbox::open(caf::actor manager) {
  bell_.connect(std::move(manager));
}

manager_inbox::contents manager_inbox::close() {
  bell_.disconnect();
  std::lock_guard guard{mutex_};
  closed_ = true;
  return std::exchange(contents_, {});
}

bool manager_inbox::deliver(std::uint64_t demand,
                            std::vector<leased_job>& jobs) {
  {
    std::lock_guard guard{mutex_};
    if (closed_)
      return false;
    contents_.deliveries.push_back({demand, std::move(jobs)});
  }
  bell_.ring();
  return true;
}

void manager_inbox::post(task fn) {
  {
    std::lock_guard guard{mutex_};
    if (closed_)
      return;
    contents_.tasks.push_back(std::move(fn));
  }
  bell_.ring();
}

manager_inbox::contents manager_inbox::take() {
  bell_.answer();
  std::lock_guard guard{mutex_};
  return std::exchange(contents_, {});
}

void revocation_feed::subscribe(listener fn) {
  std::lock_guard guard{mutex_};
  listener_ = std::move(fn);
}

void revocation_feed::publish(
  const std::vector<effects::revoked_lease>& revoked,
  const std::vector<std::string>& paused) {
  listener current;
  {
    std::lock_guard guard{mutex_};
    current = listener_;
  }
  if (current)
    current(revoked, paused);
}

} // namespace muster
