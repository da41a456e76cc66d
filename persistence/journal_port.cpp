#include "persistence/journal.hpp"

#include <utility>

namespace muster {

void journal_port::attach(std::shared_ptr<journal> target) {
  std::lock_guard guard{mutex_};
  target_ = std::move(target);
}

std::shared_ptr<journal> journal_port::detach() {
  std::lock_guard guard{mutex_};
  return std::exchange(target_, nullptr);
}

std::shared_ptr<journal> journal_port::get() const {
  std::lock_guard guard{mutex_};
  return target_;
}

void journal_port::submit(encoded_command cmd, journal::submit_callback done) {
  if (auto target = get())
    target->submit(std::move(cmd), std::move(done));
  else
    done(fail_with(errc::unavailable));
}

void journal_port::read(journal::read_callback fn) {
  if (auto target = get())
    target->read(std::move(fn));
  else
    fn(fail_with(errc::unavailable));
}

expected<read_transaction> journal_port::snapshot() const {
  if (auto target = get())
    return target->snapshot();
  return fail_with(errc::unavailable);
}

demand_id journal_port::open_demand(lease_demand demand) {
  if (auto target = get())
    return target->open_demand(std::move(demand));
  demand.deliver({});
  return demand_id::none;
}

void journal_port::add_credit(demand_id id, std::uint32_t more) {
  if (auto target = get())
    target->add_credit(id, more);
}

void journal_port::withdraw(demand_id id) {
  if (auto target = get())
    target->withdraw(id);
}

watch_id journal_port::watch(job_id id, journal::watch_callback fn) {
  if (auto target = get())
    return target->watch(id, std::move(fn));
  fn(std::nullopt);
  return watch_id::none;
}

void journal_port::unwatch(watch_id id) {
  if (auto target = get())
    target->unwatch(id);
}

expected<void> journal_port::backup(const std::filesystem::path& file) {
  if (auto target = get())
    return target->backup(file);
  return fail_with(errc::unavailable);
}

expected<store_usage> journal_port::usage() const {
  if (auto target = get())
    return target->usage();
  return fail_with(errc::unavailable);
}

journal_stats journal_port::stats() const {
  if (auto target = get())
    return target->stats();
  return {};
}

} // namespace muster
