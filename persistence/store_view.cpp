#include "persistence/store_view.hpp"

#include "persistence/store_reader.hpp"

namespace muster {

namespace {

queue_info to_info(const table_reader& from, std::uint32_t id,
                   queue_record rec) {
  queue_info info;
  info.name = std::move(rec.name);
  info.settings = std::move(rec.settings);
  info.depth = rec.depth;
  info.enqueued_total = rec.enqueued_total;
  info.leased_total = rec.leased_total;
  info.succeeded_total = rec.succeeded_total;
  info.failed_total = rec.failed_total;
  info.dead_total = rec.dead_total;
  info.cancelled_total = rec.cancelled_total;
  info.expired_leases_total = rec.expired_leases_total;
  if (info.count(job_state::ready) > 0) {
    auto pos = from.cursor(table::ready);
    if (pos.seek(keys::of_queue(id)) && keys::queue_of(pos.key()) == id)
      if (auto oldest = from.record(keys::job_of_ready(pos.key())))
        info.oldest_ready = oldest->enqueued_at;
  }
  return info;
}

} // namespace

std::optional<job_info> store_view::job(job_id id) const {
  return looked_up([&] { return table_reader{*store_, txn_}.job(id); });
}

std::optional<std::string> store_view::payload(job_id id) const {
  return payload_preview(id, SIZE_MAX);
}

std::optional<std::string> store_view::payload_preview(job_id id,
                                                       std::size_t max) const {
  return looked_up([&]() -> std::optional<std::string> {
    auto bytes
      = table_reader{*store_, txn_}.get(table::payloads, keys::of_job(id));
    if (!bytes)
      return std::nullopt;
    return std::string{bytes->substr(0, max)};
  });
}

std::optional<std::size_t> store_view::payload_bytes(job_id id) const {
  return looked_up([&]() -> std::optional<std::size_t> {
    auto bytes
      = table_reader{*store_, txn_}.get(table::payloads, keys::of_job(id));
    if (!bytes)
      return std::nullopt;
    return bytes->size();
  });
}

std::optional<std::string> store_view::result(job_id id) const {
  return looked_up([&]() -> std::optional<std::string> {
    auto bytes
      = table_reader{*store_, txn_}.get(table::results, keys::of_job(id));
    if (!bytes)
      return std::nullopt;
    return std::string{*bytes};
  });
}

std::optional<queue_info> store_view::queue(std::string_view name) const {
  return looked_up([&]() -> std::optional<queue_info> {
    table_reader from{*store_, txn_};
    auto id = from.queue_id(name);
    if (!id)
      return std::nullopt;
    auto rec = from.queue(*id);
    if (!rec)
      return std::nullopt;
    return to_info(from, *id, std::move(*rec));
  });
}

std::vector<queue_info> store_view::queues(std::string_view after,
                                           std::size_t limit) const {
  return looked_up([&] {
    std::vector<queue_info> result;
    table_reader from{*store_, txn_};
    auto pos = from.cursor(table::queue_names);
    auto more = after.empty() ? pos.first() : pos.seek(after);
    if (more && !after.empty() && pos.key() == after)
      more = pos.next();
    for (; more && result.size() < limit; more = pos.next()) {
      auto id = keys::queue_of(pos.value());
      if (auto rec = from.queue(id))
        result.push_back(to_info(from, id, std::move(*rec)));
    }
    return result;
  });
}

std::optional<timestamp> store_view::next_wake() const {
  return looked_up([&] {
    std::optional<timestamp> result;
    table_reader from{*store_, txn_};
    auto pos = from.cursor(table::timers);
    for (auto kind : timer_kinds) {
      if (!pos.seek(keys::of_timer(kind, timestamp{}, 0))
          || !keys::is_timer(pos.key(), kind))
        continue;
      auto at = keys::time_of_timer(pos.key());
      if (!result || at < *result)
        result = at;
    }
    return result;
  });
}

std::uint64_t store_view::applied() const {
  return looked_up([&]() -> std::uint64_t {
    meta_record rec;
    auto bytes = table_reader{*store_, txn_}.get(table::meta, meta_keys::state);
    return bytes && decode_record(*bytes, rec) ? rec.applied : 0;
  });
}

} // namespace muster
