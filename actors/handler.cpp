#include "actors/handler.hpp"

#include "actors/utf8.hpp"

#include <algorithm>
#include <utility>

namespace muster {

millis job_context::time_left() const noexcept {
  auto left = deadline() - clock::now();
  return std::max(std::chrono::duration_cast<millis>(left), millis{0});
}

tl::unexpected<error> job_context::stopped() const {
  return tl::unexpected<error>{to_error(control_->reason())};
}

bool job_context::wait_for(millis duration) {
  return control_->wait_for(duration);
}

void job_context::progress(std::string text) {
  control_->set_progress(clean_text(text));
}

expected<void> handler_registry::add(std::string name, handler_function fn) {
  if (!is_valid_name(name))
    return fail_with(errc::invalid_argument,
                     "handler: a name is 1 to 128 of A-Z a-z 0-9 . _ -");
  if (!fn)
    return fail_with(errc::invalid_argument,
                     "handler " + name + ": has no function");
  if (!handlers_.try_emplace(name, std::move(fn)).second)
    return fail_with(errc::invalid_argument,
                     "handler " + name + ": the name is taken");
  return {};
}

const handler_function* handler_registry::find(std::string_view name) const {
  auto pos = handlers_.find(name);
  return pos != handlers_.end() ? &pos->second : nullptr;
}

std::vector<std::string> handler_registry::names() const {
  std::vector<std::string> result;
  result.reserve(handlers_.size());
  for (auto& entry : handlers_)
    result.push_back(entry.first);
  return result;
}

} // namespace muster
