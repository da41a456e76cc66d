#include "actors/outcome_outbox.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

bool is_fault_of_content(errc code) noexcept {
  return code == errc::invalid_argument || code == errc::malformed
         || code == errc::payload_too_large || code == errc::result_too_large;
}

} // namespace

const outcome_batch& outcome_outbox::content_of(const batch& b) {
  return b.content.get_as<outcome_batch>(0);
}

caf::message outcome_outbox::add(std::vector<attempt_outcome> items) {
  if (items.empty())
    return {};
  return add_batch(std::move(items), false);
}

caf::message outcome_outbox::add_batch(std::vector<attempt_outcome> items,
                                       bool replaced) {
  batch added;
  added.items = items.size();
  added.replaced = replaced;
  size_ += items.size();
  auto number = ++last_number_;
  added.content = caf::make_message(outcome_batch{number, std::move(items)});
  auto result = added.content;
  batches_.emplace(number, std::move(added));
  return result;
}

std::vector<caf::message> outcome_outbox::take_due(time_point now) {
  std::vector<caf::message> due;
  std::size_t looked_at = 0;
  for (auto& [number, b] : batches_) {
    if (looked_at++ == window)
      break;
    if (b.due > now)
      continue;
    resent_ += b.sent ? 1 : 0;
    b.sent = true;
    b.due = now + answer_limit;
    due.push_back(b.content);
  }
  return due;
}

void outcome_outbox::send_again() {
  for (auto& [number, b] : batches_)
    b.due = {};
}

void outcome_outbox::on_carrying(std::uint64_t number) {
  if (auto pos = batches_.find(number); pos != batches_.end())
    pos->second.due = time_point::max();
}

void outcome_outbox::on_carried(std::uint64_t number, time_point now) {
  if (auto pos = batches_.find(number);
      pos != batches_.end() && pos->second.due == time_point::max())
    pos->second.due = now + answer_limit;
}

outcome_outbox::progress outcome_outbox::on_ack(const outcome_ack& ack,
                                                time_point now) {
  progress out;
  auto pos = batches_.find(ack.number);
  if (pos == batches_.end())
    return out;
  if (ack.code != errc::none && !is_fault_of_content(ack.code)) {
    postpone(pos->second, now);
    return out;
  }
  auto done = std::move(pos->second);
  batches_.erase(pos);
  size_ -= done.items;
  if (ack.code != errc::none) {
    split(done, ack.code, out);
    return out;
  }
  out.settled = std::move(done.content);
  out.acknowledged = done.items;
  out.stale = static_cast<std::size_t>(
    std::count_if(ack.items.begin(), ack.items.end(),
                  [](auto status) { return status != settle_status::ok; }));
  return out;
}

void outcome_outbox::postpone(batch& b, time_point now) {
  auto pause = min_pause * (1u << std::min(b.refusals, 10u));
  b.due = now + std::min(pause, max_pause);
  ++b.refusals;
}

void outcome_outbox::split(const batch& refused, errc code, progress& out) {
  auto& items = content_of(refused).items;
  if (items.size() > 1) {
    auto middle = items.begin() + static_cast<std::ptrdiff_t>(items.size() / 2);
    out.replaced.push_back(add_batch({items.begin(), middle}, false));
    out.replaced.push_back(add_batch({middle, items.end()}, false));
  } else if (refused.replaced) {
    out.settled = refused.content;
    ++out.dropped;
  } else {
    auto text
      = "the outcome cannot be recorded: " + std::string{describe(code)};
    out.replaced.push_back(add_batch(
      {{items.front().token, outcome_kind::failed, text, false}}, true));
  }
}

std::vector<lease_token> outcome_outbox::tokens() const {
  std::vector<lease_token> all;
  all.reserve(size_);
  for (auto& [number, b] : batches_)
    for (auto& item : content_of(b).items)
      all.push_back(item.token);
  return all;
}

} // namespace muster
