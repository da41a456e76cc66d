#include "actors/actor_census.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <utility>

namespace muster {

namespace {

/// Those of all actor systems of the process.
class census_table {
public:
  std::shared_ptr<actor_census> get(const caf::actor_system& system) {
    std::lock_guard guard{mutex_};
    auto& place = all_[{&system, system.node()}];
    auto found = place.lock();
    if (found)
      return found;
    found = std::make_shared<actor_census>();
    place = found;
    std::erase_if(all_, [](auto& item) { return item.second.expired(); });
    return found;
  }

private:
  /// Systems without a network have no id, and an address may be used again.
  using key = std::pair<const caf::actor_system*, caf::node_id>;

  std::mutex mutex_;
  std::map<key, std::weak_ptr<actor_census>> all_;
};

} // namespace

std::shared_ptr<actor_census>
actor_census::of(const caf::actor_system& system) {
  static census_table table;
  return table.get(system);
}

std::shared_ptr<actor_record> actor_census::add(caf::local_actor& who) {
  auto record = std::make_shared<actor_record>(who.name(), who.id(),
                                               caf::weak_actor_ptr{who.ctrl()});
  std::lock_guard guard{mutex_};
  if (records_.size() >= max_actors)
    return nullptr;
  records_.insert_or_assign(who.id(), record);
  return record;
}

void actor_census::remove(std::uint64_t id) {
  // The actor may go with the record: not under the lock.
  std::shared_ptr<actor_record> last;
  std::lock_guard guard{mutex_};
  if (auto pos = records_.find(id); pos != records_.end()) {
    last = std::move(pos->second);
    records_.erase(pos);
  }
}

void actor_census::name(std::uint64_t id, std::string name,
                        std::string parent) {
  std::lock_guard guard{mutex_};
  auto pos = records_.find(id);
  if (pos == records_.end())
    return;
  auto& record = *pos->second;
  record.name = std::move(name);
  record.parent = std::move(parent);
  for (auto& [key, trace] : traces_)
    if (trace->actor() == record.name)
      record.attach(trace);
}

std::vector<actor_row> actor_census::rows() const {
  auto now = actor_record::clock::now();
  auto wall = std::chrono::floor<millis>(std::chrono::system_clock::now());
  std::vector<actor_row> result;
  std::lock_guard guard{mutex_};
  result.reserve(records_.size());
  for (auto& [id, record] : records_)
    result.push_back(record->read(now, wall));
  return result;
}

std::shared_ptr<actor_record> actor_census::find(std::string_view name) const {
  std::lock_guard guard{mutex_};
  // Of two with one name the later one is there, and the other one ends.
  for (auto pos = records_.rbegin(); pos != records_.rend(); ++pos)
    if (pos->second->name == name)
      return pos->second;
  return nullptr;
}

std::string actor_census::name_of(const caf::strong_actor_ptr& who) const {
  if (!who)
    return {};
  std::lock_guard guard{mutex_};
  auto pos = records_.find(who->id());
  if (pos != records_.end() && pos->second->is(who))
    return pos->second->name;
  if (auto node = nodes_.find(who->node()); node != nodes_.end())
    return "actor " + std::to_string(who->id()) + " of " + node->second;
  return to_string(who);
}

void actor_census::name_node(const caf::node_id& id, std::string name) {
  std::lock_guard guard{mutex_};
  if (name.empty())
    nodes_.erase(id);
  else
    nodes_.insert_or_assign(id, std::move(name));
}

expected<void> actor_census::start_trace(std::string id,
                                         const std::string& actor,
                                         trace_options options) {
  auto record = find(actor);
  if (!record)
    return fail_with(errc::not_found, "no actor has the name " + actor);
  auto now = message_trace::clock::now();
  auto trace = std::make_shared<message_trace>(actor, options, now);
  {
    std::lock_guard guard{mutex_};
    // One that nobody reads to its end goes after a while.
    std::erase_if(traces_, [now](auto& item) {
      return item.second->ended(now)
             && now - item.second->last_asked() > 2 * message_trace::patience;
    });
    if (traces_.size() >= max_traces)
      return fail_with(errc::busy, "too many traces; end one");
    traces_.emplace(std::move(id), trace);
  }
  record->attach(std::move(trace));
  return {};
}

std::shared_ptr<message_trace>
actor_census::find_trace(std::string_view id) const {
  std::lock_guard guard{mutex_};
  auto pos = traces_.find(id);
  return pos != traces_.end() ? pos->second : nullptr;
}

void actor_census::forget_trace(std::string_view id) {
  std::lock_guard guard{mutex_};
  auto pos = traces_.find(id);
  if (pos != traces_.end())
    traces_.erase(pos);
}

} // namespace muster
