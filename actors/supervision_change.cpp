#include "actors/supervision.hpp"

#include <set>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t max_id = 128;

expected<void> invalid(const child_rules& rules, const char* rule) {
  return fail_with(errc::invalid_argument, "child '" + rules.id + "': " + rule);
}

} // namespace

expected<void> supervision::check() const {
  if (is_simple())
    return model_ ? check(*model_)
                  : fail_with(errc::invalid_argument,
                              "simple_one_for_one needs one specification");
  std::set<std::string_view> ids;
  for (auto& child : children_) {
    if (auto valid = check(child.rules); !valid)
      return valid;
    if (!ids.insert(child.rules.id).second)
      return invalid(child.rules, "the id is taken");
  }
  return {};
}

expected<void> supervision::check(const child_rules& rules) const {
  if (rules.id.empty() || rules.id.size() > max_id
      || rules.id.find('/') != std::string::npos)
    return invalid(rules, "an id is 1 to 128 bytes without '/'");
  if (!rules.significant)
    return {};
  if (options_.shutdown == auto_shutdown::never)
    return invalid(rules, "significant needs an auto_shutdown other than "
                          "never");
  if (rules.restart == restart_kind::permanent)
    return invalid(rules, "a permanent child cannot be significant");
  return {};
}

supervised_child& supervision::put(child_rules rules) {
  children_.push_back({});
  children_.back().number = child_number{++last_number_};
  children_.back().rules = std::move(rules);
  return children_.back();
}

expected<supervised_child*> supervision::get(std::string_view id) {
  for (auto& child : children_)
    if (child.rules.id == id)
      return &child;
  return fail_with(errc::invalid_argument,
                   "there is no child '" + std::string{id} + "'");
}

expected<supervision::change> supervision::add(child_rules rules,
                                               time_point now) {
  if (ending_)
    return fail_with(errc::shutting_down);
  if (is_simple() && model_) {
    auto id = rules.id.empty()
                ? model_->id + '-' + std::to_string(last_number_ + 1)
                : std::move(rules.id);
    rules = *model_;
    rules.id = std::move(id);
  }
  if (auto valid = check(rules); !valid)
    return tl::unexpected{valid.error()};
  if (find(rules.id))
    return fail_with(errc::wrong_state,
                     "there is a child '" + rules.id + "' already");
  auto& child = put(std::move(rules));
  auto number = child.number;
  if (begun_) {
    child.cause = supervised_child::start_cause::added;
    child.due = now;
  }
  go_on(now);
  return change{number, take()};
}

expected<supervision::change> supervision::terminate(std::string_view id,
                                                     time_point now) {
  auto child = get(id);
  if (!child)
    return tl::unexpected{child.error()};
  auto number = (*child)->number;
  (*child)->due.reset();
  (*child)->settled = true;
  (*child)->unwanted = (*child)->phase == child_phase::starting
                       || (*child)->phase == child_phase::up;
  go_on(now);
  return change{number, take()};
}

expected<supervision::change> supervision::restart(std::string_view id,
                                                   time_point now) {
  if (ending_)
    return fail_with(errc::shutting_down);
  auto child = get(id);
  if (!child)
    return tl::unexpected{child.error()};
  if ((*child)->phase != child_phase::down || (*child)->due)
    return fail_with(errc::wrong_state, "the child '" + std::string{id}
                                          + "' is "
                                          + std::string{state_of(**child)});
  auto number = (*child)->number;
  (*child)->cause = supervised_child::start_cause::by_hand;
  (*child)->due = now;
  go_on(now);
  return change{number, take()};
}

expected<supervision::change> supervision::remove(std::string_view id) {
  if (ending_)
    return fail_with(errc::shutting_down);
  auto child = get(id);
  if (!child)
    return tl::unexpected{child.error()};
  if ((*child)->phase != child_phase::down || (*child)->due)
    return fail_with(errc::wrong_state, "the child '" + std::string{id}
                                          + "' is "
                                          + std::string{state_of(**child)});
  auto number = (*child)->number;
  std::erase_if(children_, [number](const supervised_child& each) {
    return each.number == number;
  });
  return change{number, {todo::forget{number}}};
}

} // namespace muster
