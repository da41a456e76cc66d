#include "test/support/store_checker.hpp"

#include "persistence/store_tables.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace muster {

namespace {

using findings = std::vector<std::string>;

/// One reading of all tables.
class checker {
public:
  checker(const store& db, MDB_txn* txn) : db_(db.internals()), txn_(txn) {
    // nop
  }

  findings run() {
    read_queues();
    read_jobs();
    check_ready();
    check_states();
    check_finished();
    check_timers();
    check_payloads();
    check_attempts();
    check_counters();
    return std::move(found_);
  }

private:
  struct seen {
    job_record rec;
    /// In how many indexes of its state the job stands.
    int indexed = 0;
    bool lease_timer = false;
    bool due_timer = false;
    bool finished = false;
  };

  template <class... Ts>
  void complain(fmt::format_string<Ts...> text, Ts&&... args) {
    found_.push_back(fmt::format(text, std::forward<Ts>(args)...));
  }

  template <class Visit>
  void each(table t, Visit visit) {
    lmdb::cursor pos{txn_, db_[t]};
    for (bool more = pos.first(); more; more = pos.next())
      visit(pos.key(), pos.value());
  }

  seen* job(std::uint64_t id, std::string_view where) {
    auto pos = jobs_.find(id);
    if (pos != jobs_.end())
      return &pos->second;
    complain("{} names job {}, which is not there", where, id);
    return nullptr;
  }

  void read_queues() {
    each(table::queues, [this](auto key, auto value) {
      queue_record rec;
      auto id = static_cast<std::uint32_t>(lmdb::number_at(key, 0, 4));
      if (!decode_record(value, rec))
        complain("the record of queue {} is damaged", id);
      queues_.emplace(id, rec);
    });
    std::size_t names = 0;
    each(table::queue_names, [this, &names](auto key, auto value) {
      ++names;
      auto id = static_cast<std::uint32_t>(lmdb::number_at(value, 0, 4));
      if (!queues_.contains(id) || queues_.at(id).name != key)
        complain("the name {} leads to a queue of another name", key);
    });
    if (names != queues_.size())
      complain("{} names for {} queues", names, queues_.size());
  }

  void read_jobs() {
    each(table::jobs, [this](auto key, auto value) {
      auto id = lmdb::number_at(key, 0, 8);
      seen entry;
      if (!decode_record(value, entry.rec))
        complain("the record of job {} is damaged", id);
      if (!queues_.contains(entry.rec.queue))
        complain("job {} belongs to no queue", id);
      ++counts_[entry.rec.queue][static_cast<std::size_t>(entry.rec.state)];
      jobs_.emplace(id, std::move(entry));
    });
  }

  void check_ready() {
    each(table::ready, [this](auto key, auto) {
      auto* entry = job(lmdb::number_at(key, 5, 8), "ready");
      if (entry == nullptr)
        return;
      ++entry->indexed;
      if (entry->rec.state != job_state::ready
          || entry->rec.queue != lmdb::number_at(key, 0, 4)
          || entry->rec.priority != 255 - lmdb::number_at(key, 4, 1))
        complain("ready has job {} wrongly", lmdb::number_at(key, 5, 8));
    });
  }

  void check_states() {
    each(table::states, [this](auto key, auto value) {
      auto id = lmdb::number_at(value, 0, 8);
      auto* entry = job(id, "states");
      if (entry == nullptr)
        return;
      ++entry->indexed;
      auto& rec = entry->rec;
      auto order = is_final(rec.state) ? rec.finish_sequence : id;
      if (rec.queue != lmdb::number_at(key, 0, 4)
          || static_cast<std::uint64_t>(rec.state) != lmdb::number_at(key, 4, 1)
          || order != lmdb::number_at(key, 5, 8))
        complain("states has job {} wrongly", id);
    });
  }

  void check_finished() {
    each(table::finished, [this](auto key, auto value) {
      auto id = lmdb::number_at(value, 0, 8);
      auto* entry = job(id, "finished");
      if (entry == nullptr)
        return;
      entry->finished = true;
      if (!is_final(entry->rec.state)
          || entry->rec.finish_sequence != lmdb::number_at(key, 0, 8))
        complain("finished has job {} wrongly", id);
    });
  }

  void check_timers() {
    std::set<std::uint64_t> retention;
    each(table::timers, [&](auto key, auto value) {
      auto kind = static_cast<timer_kind>(lmdb::number_at(key, 0, 1));
      auto at = keys::time_of_timer(key);
      auto id = keys::id_of_timer(key);
      switch (kind) {
        case timer_kind::due:
          if (auto* entry = job(id, "a due timer")) {
            entry->due_timer = true;
            if (entry->rec.state != job_state::scheduled
                || entry->rec.due_at != at)
              complain("the due timer of job {} is wrong", id);
          }
          break;
        case timer_kind::lease:
          if (auto* entry = job(id, "a lease timer")) {
            entry->lease_timer = true;
            if (entry->rec.state != job_state::leased
                || entry->rec.lease_deadline != at)
              complain("the lease timer of job {} is wrong", id);
          }
          break;
        case timer_kind::ttl:
          if (auto* entry = job(id, "a ttl timer"))
            if (is_final(entry->rec.state) || entry->rec.expires_at != at)
              complain("the ttl timer of job {} is wrong", id);
          break;
        case timer_kind::key:
          if (!lmdb::get(txn_, db_[table::keys], value))
            complain("a key timer leads to no key");
          break;
        case timer_kind::retention: {
          auto queue = queues_.find(static_cast<std::uint32_t>(id));
          if (queue == queues_.end() || queue->second.retention_at != at
              || !retention.insert(id).second)
            complain("the retention timer of queue {} is wrong", id);
          break;
        }
      }
    });
    for (auto& [id, queue] : queues_)
      if (queue.retention_at && !retention.contains(id))
        complain("queue {} has no retention timer", id);
  }

  void check_payloads() {
    std::size_t payloads = 0;
    each(table::payloads, [&](auto key, auto) {
      ++payloads;
      (void)job(lmdb::number_at(key, 0, 8), "payloads");
    });
    if (payloads != jobs_.size())
      complain("{} payloads for {} jobs", payloads, jobs_.size());
    std::set<std::uint64_t> results;
    each(table::results, [&](auto key, auto) {
      auto id = lmdb::number_at(key, 0, 8);
      results.insert(id);
      if (auto* entry = job(id, "results"))
        if (entry->rec.state != job_state::succeeded)
          complain("job {} has a result and did not succeed", id);
    });
    for (auto& [id, entry] : jobs_) {
      auto& rec = entry.rec;
      if (rec.state == job_state::succeeded && !results.contains(id))
        complain("job {} succeeded without a result", id);
      auto indexes = rec.state == job_state::leased ? 0 : 1;
      if (entry.indexed != indexes)
        complain("job {} stands in {} indexes", id, entry.indexed);
      if (entry.lease_timer != (rec.state == job_state::leased))
        complain("job {} and its lease timer disagree", id);
      if (entry.due_timer != (rec.state == job_state::scheduled))
        complain("job {} and its due timer disagree", id);
      if (entry.finished != is_final(rec.state))
        complain("job {} and the list of finished jobs disagree", id);
    }
  }

  void check_attempts() {
    std::map<std::uint64_t, std::uint32_t> kept;
    each(table::attempts, [&](auto key, auto value) {
      auto id = lmdb::number_at(key, 0, 8);
      auto number = keys::number_of_attempt(key);
      attempt_record rec;
      if (!decode_record(value, rec))
        complain("the record of attempt {} of job {} is damaged", number, id);
      auto* entry = job(id, "attempts");
      if (entry == nullptr)
        return;
      auto& of = entry->rec;
      auto goes_on
        = of.state == job_state::leased || of.state == job_state::succeeded;
      if (number == 0 || number > of.attempt
          || number + limits::attempts_kept < of.attempt
          || (goes_on && number == of.attempt))
        complain("attempt {} of job {} has a record wrongly", number, id);
      if (rec.outcome == attempt_status::running
          || rec.outcome == attempt_status::succeeded || !rec.ended_at
          || rec.error.size() > limits::attempt_error)
        complain("the record of attempt {} of job {} is wrong", number, id);
      if (!may_have_history(of))
        complain("job {} has records of attempts that nobody removes", id);
      if (++kept[id] > limits::attempts_kept)
        complain("job {} has too many records of attempts", id);
    });
  }

  void check_counters() {
    for (auto& [id, queue] : queues_)
      for (std::size_t i = 0; i < job_state_count; ++i)
        if (queue.depth[i] != counts_[id][i])
          complain("queue {} counts {} {} jobs and has {}", queue.name,
                   queue.depth[i], to_string(static_cast<job_state>(i)),
                   counts_[id][i]);
  }

  const store::impl& db_;
  MDB_txn* txn_;
  findings found_;
  std::map<std::uint32_t, queue_record> queues_;
  std::map<std::uint32_t, std::array<std::uint64_t, job_state_count>> counts_;
  std::map<std::uint64_t, seen> jobs_;
};

} // namespace

std::vector<std::string> check_store(const store& db) {
  MDB_txn* txn = nullptr;
  if (mdb_txn_begin(db.internals().env, nullptr, MDB_RDONLY, &txn) != 0)
    return {"the store cannot be read"};
  findings result;
  try {
    result = checker{db, txn}.run();
  } catch (lmdb::failure& failed) {
    result.push_back(failed.reason.message);
  }
  mdb_txn_abort(txn);
  return result;
}

} // namespace muster
