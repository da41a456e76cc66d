#include "actors/worker_metrics.hpp"

#include <utility>

namespace muster {

namespace {

handler_counters read_entry(std::string name,
                            const worker_metrics::handler_entry& entry) {
  handler_counters result;
  result.handler = std::move(name);
  result.started = entry.started;
  result.succeeded = entry.succeeded;
  result.failed = entry.failed;
  result.timed_out = entry.timed_out;
  result.cancelled = entry.cancelled;
  result.released = entry.released;
  result.run_us = entry.run_us.read();
  return result;
}

} // namespace

worker_metrics::worker_metrics(std::shared_ptr<const handler_registry> handlers)
  : handlers_(std::move(handlers)) {
  if (!handlers_)
    return;
  for (auto& name : handlers_->names())
    entries_[name].function = handlers_->find(name);
}

worker_metrics::handler_entry&
worker_metrics::entry(std::string_view handler) noexcept {
  auto pos = entries_.find(handler);
  return pos != entries_.end() ? pos->second : unknown_;
}

worker_counters worker_metrics::read() const {
  worker_counters result;
  if (unknown_.started != 0)
    result.handlers.push_back(read_entry({}, unknown_));
  for (auto& [name, entry] : entries_)
    result.handlers.push_back(read_entry(name, entry));
  result.stuck_total = stuck_total;
  result.stuck = stuck;
  result.outcome_batches = outcome_batches;
  result.outcome_batches_resent = outcome_batches_resent;
  result.outcomes_acknowledged = outcomes_acknowledged;
  result.outcomes_stale = outcomes_stale;
  return result;
}

} // namespace muster
