#include "actors/actor_record.hpp"

#include "actors/utf8.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr std::size_t max_error = 512;

timestamp wall_clock() {
  return std::chrono::floor<millis>(std::chrono::system_clock::now());
}

} // namespace

actor_record::actor_record(std::string type, std::uint64_t id,
                           caf::weak_actor_ptr self)
  : name(type + '-' + std::to_string(id)),
    type_(std::move(type)),
    id_(id),
    self_(std::move(self)),
    started_(wall_clock()) {
  // nop
}

caf::actor actor_record::self() const {
  return caf::actor_cast<caf::actor>(self_);
}

actor_row actor_record::read(clock::time_point now, timestamp wall) const {
  actor_row row;
  row.name = name;
  row.type = type_;
  row.parent = parent;
  row.id = id_;
  row.started_at = started_;
  row.messages_in = handled();
  row.messages_out = sent_.load(std::memory_order_relaxed);
  row.busy_us = static_cast<std::uint64_t>(processing_.sum() * 1e6);
  row.mailbox
    = static_cast<std::uint64_t>(std::max<std::int64_t>(mailbox_.value(), 0));
  auto age = [now](std::int64_t since) {
    return std::chrono::floor<millis>(
      std::max(now - clock::time_point{clock::duration{since}},
               clock::duration::zero()));
  };
  auto begun = begun_.load(std::memory_order_relaxed);
  auto waiting = waiting_since_.load(std::memory_order_relaxed);
  // The message at hand counts as one that waits until it is done.
  if (begun != 0 && row.mailbox > 0)
    --row.mailbox;
  if (row.mailbox > 0 && waiting != 0)
    row.oldest_waiting = age(waiting);
  auto stuck = begun != 0 ? age(begun) : row.oldest_waiting;
  if (stuck > unresponsive_after)
    row.state = actor_state::unresponsive;
  auto last = last_begun_.load(std::memory_order_relaxed);
  if (last != 0 && (row.messages_in > 0 || begun != 0))
    row.last_message_at = wall - age(last);
  std::lock_guard guard{mutex_};
  row.last_error = error_;
  return row;
}

void actor_record::mark() noexcept {
  auto waiting = std::max<std::int64_t>(mailbox_.value(), 0);
  marked_.store(handled() + static_cast<std::uint64_t>(waiting) + 1,
                std::memory_order_relaxed);
  waiting_since_.store(ticks(clock::now()), std::memory_order_release);
}

void actor_record::look_at_mark() noexcept {
  auto since = waiting_since_.load(std::memory_order_acquire);
  if (since != 0
      && (handled() >= marked_.load(std::memory_order_relaxed)
          || mailbox_.value() <= 0))
    waiting_since_.compare_exchange_strong(since, 0, std::memory_order_relaxed);
}

void actor_record::set_error(const std::string& text) {
  std::lock_guard guard{mutex_};
  error_ = utf8_head(text, max_error);
}

void actor_record::attach(std::shared_ptr<message_trace> trace) {
  std::lock_guard guard{mutex_};
  traces_.push_back(std::move(trace));
  traced_.store(true, std::memory_order_relaxed);
}

std::vector<std::shared_ptr<message_trace>>
actor_record::wanting(clock::time_point now) {
  std::lock_guard guard{mutex_};
  std::erase_if(traces_, [now](auto& trace) { return trace->ended(now); });
  traced_.store(!traces_.empty(), std::memory_order_relaxed);
  std::vector<std::shared_ptr<message_trace>> result;
  for (auto& trace : traces_)
    if (trace->wants(now))
      result.push_back(trace);
  return result;
}

void note_actor_error(const std::string& text) {
  if (current_record != nullptr)
    current_record->set_error(text);
}

} // namespace muster
