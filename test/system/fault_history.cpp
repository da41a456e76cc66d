#include "fault_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <utility>

namespace muster::fault {

namespace {

using token = std::pair<std::string, std::uint32_t>;

/// Attempts of a job beside each other while one worker cannot be reached are
/// what leases cannot prevent. Other faults are no reason for it: a manager
/// that is killed finds its workers' leases again, a drained worker ends its
/// attempts first.
bool excuses_overlap(fault_kind kind) {
  switch (kind) {
    case fault_kind::restart_worker:
    case fault_kind::fill_disk:
    case fault_kind::kill_manager:
    case fault_kind::move_manager:
      return false;
    default:
      return true;
  }
}

bool is_kill_of_manager(fault_kind kind) {
  return kind == fault_kind::kill_manager || kind == fault_kind::move_manager;
}

class checker {
public:
  explicit checker(const history& all) : all_(all) {
    for (auto& each : all.runs)
      runs_of_[each.job].push_back(&each);
    for (auto& [job, runs] : runs_of_)
      std::sort(runs.begin(), runs.end(), [](auto* x, auto* y) {
        return std::pair{x->attempt, x->start}
               < std::pair{y->attempt, y->start};
      });
    for (auto& each : all.settlements)
      settled_.emplace(token{each.job, each.attempt}, &each);
    for (auto& each : all.grants)
      grants_of_[each.job].push_back(&each);
    for (auto& [job, grants] : grants_of_)
      std::sort(grants.begin(), grants.end(), [](auto* x, auto* y) {
        return std::pair{x->attempt, x->received}
               < std::pair{y->attempt, y->received};
      });
  }

  std::vector<std::string> check() {
    check_results();
    check_list();
    for (auto& [job, runs] : runs_of_)
      check_runs(job, runs);
    for (auto& [job, grants] : grants_of_)
      check_grants(job, grants);
    check_settlements();
    return std::move(findings_);
  }

  history_figures figures() {
    history_figures result;
    result.runs = all_.runs.size();
    for (auto& [job, runs] : runs_of_) {
      result.run_again += runs.size() > 1;
      for (std::size_t i = 1; i < runs.size(); ++i)
        result.overlaps += overlap(*runs[i - 1], *runs[i]);
    }
    for (auto& each : all_.settlements)
      result.fenced += each.answer == verdict::refused;
    for (auto& each : all_.faults)
      add_recovery(each, result.recovery[each.kind]);
    return result;
  }

private:
  template <class... Ts>
  void find(fmt::format_string<Ts...> text, Ts&&... args) {
    findings_.push_back(fmt::format(text, std::forward<Ts>(args)...));
  }

  /// Accepted means recorded, by the attempt that held the lease.
  void check_results() {
    for (auto& [id, job] : all_.accepted) {
      auto pos = all_.finals.find(id);
      if (pos == all_.finals.end()) {
        find("job {} was acknowledged and is lost", id);
        continue;
      }
      auto& last = pos->second;
      auto wanted = fmt::format("{} {} {}", job.number, id, last.attempt);
      if (last.state != "succeeded")
        find("job {} was acknowledged and is {}", id, last.state);
      else if (last.result != wanted)
        find("job {} has the result '{}' instead of '{}'", id, last.result,
             wanted);
    }
  }

  /// Recorded exactly once, and nothing else is.
  void check_list() {
    for (auto& [id, job] : all_.accepted)
      if (!all_.listed.contains(id))
        find("job {} is not in the list of completed jobs", id);
    for (auto& [id, times] : all_.listed) {
      if (times > 1)
        find("job {} was recorded {} times", id, times);
      if (!all_.accepted.contains(id))
        find("job {} is completed and was never acknowledged", id);
    }
  }

  void check_runs(const std::string& job,
                  const std::vector<const run_record*>& runs) {
    if (job.empty())
      return find("the log of runs has a line that cannot be read");
    if (!all_.accepted.contains(job))
      return find("job {} ran and was never acknowledged", job);
    for (std::size_t i = 1; i < runs.size(); ++i) {
      auto& before = *runs[i - 1];
      auto& after = *runs[i];
      if (before.attempt == after.attempt)
        find("attempt {} of job {} ran on {} and on {}", after.attempt, job,
             before.node, after.node);
      else if (overlap(before, after) && !is_excused(before, after))
        find("attempt {} of job {} began while attempt {} ran on {}, which "
             "could be reached",
             after.attempt, job, before.attempt, before.node);
    }
    auto last = all_.finals.find(job);
    if (last == all_.finals.end())
      return;
    auto recorded = last->second.attempt;
    if (runs.back()->attempt > recorded)
      find("attempt {} of job {} ran after attempt {} was recorded",
           runs.back()->attempt, job, recorded);
    auto ran = std::any_of(runs.begin(), runs.end(), [&](auto* each) {
      return each->attempt == recorded && each->end
             && each->node == last->second.worker;
    });
    if (!ran)
      find("attempt {} of job {} is recorded and did not run on {} to its end",
           recorded, job, last->second.worker);
  }

  /// A token is given out once, and the next one only when it is over: given
  /// back, or past its deadline.
  void check_grants(const std::string& job,
                    const std::vector<const grant_record*>& grants) {
    for (std::size_t i = 1; i < grants.size(); ++i) {
      auto& before = *grants[i - 1];
      auto& after = *grants[i];
      if (before.attempt == after.attempt)
        find("the lease {}-{} was given out twice", job, after.attempt);
      else if (after.received < end_of(before))
        find("the lease {}-{} was given out while {}-{} was good", job,
             after.attempt, job, before.attempt);
    }
  }

  /// When the manager may have begun to see a lease as over.
  instant end_of(const grant_record& lease) {
    auto result = lease.deadline;
    auto [first, last] = settled_.equal_range({lease.job, lease.attempt});
    for (auto i = first; i != last; ++i)
      if (i->second->deadline)
        result = std::max(result, *i->second->deadline);
    for (auto i = first; i != last; ++i)
      if (i->second->kind == request_kind::fail
          || i->second->kind == request_kind::release)
        result = std::min(result, i->second->sent);
    return result;
  }

  /// Only the current token's outcome counts, and what was said to be recorded
  /// is.
  void check_settlements() {
    for (auto& each : all_.settlements) {
      auto last = all_.finals.find(each.job);
      auto recorded = last != all_.finals.end() ? last->second.attempt : 0;
      if (each.kind == request_kind::complete) {
        if (each.answer == verdict::accepted && each.attempt != recorded)
          find("the result of {}-{} was accepted, recorded is that of attempt "
               "{}",
               each.job, each.attempt, recorded);
        if (each.answer == verdict::refused && each.attempt == recorded)
          find("the result of {}-{} was refused and is recorded", each.job,
               each.attempt);
      } else if (each.kind == request_kind::extend
                 && each.answer == verdict::accepted
                 && was_superseded(each.job, each.attempt, each.sent)) {
        find("the lease {}-{} was extended when a later one was out", each.job,
             each.attempt);
      }
    }
  }

  bool was_superseded(const std::string& job, std::uint32_t attempt,
                      instant when) {
    auto pos = grants_of_.find(job);
    return pos != grants_of_.end()
           && std::any_of(
             pos->second.begin(), pos->second.end(), [&](auto* each) {
               return each->attempt > attempt && each->received < when;
             });
  }

  static bool overlap(const run_record& before, const run_record& after) {
    return before.start > after.start
           || (before.end && *before.end > after.start);
  }

  bool is_excused(const run_record& before, const run_record& after) const {
    auto first = std::min(before.start, after.start);
    auto last = std::max(before.start, after.start);
    auto meets = [&](auto& each) {
      return each.begin <= last && each.end + all_.aftermath >= first;
    };
    return std::any_of(all_.faults.begin(), all_.faults.end(),
                       [&](auto& each) {
                         return excuses_overlap(each.kind) && meets(each)
                                && (each.node.empty()
                                    || each.node == before.node);
                       })
           || std::any_of(all_.stalls.begin(), all_.stalls.end(), meets);
  }

  void add_recovery(const fault_record& what, std::vector<instant>& to) const {
    if (what.node.empty()) {
      if (is_kill_of_manager(what.kind))
        add_restart(what, to);
      return;
    }
    for (auto& [job, runs] : runs_of_) {
      for (std::size_t i = 0; i + 1 < runs.size(); ++i) {
        auto& hit = *runs[i];
        if (hit.attempt == 1 && hit.node == what.node && hit.start <= what.begin
            && (!hit.end || *hit.end > what.begin)
            && runs[i + 1]->start > what.begin
            && !is_hit_again(what, runs[i + 1]->start))
          to.push_back(runs[i + 1]->start - what.begin);
      }
    }
  }

  bool is_hit_again(const fault_record& what, instant until) const {
    return std::any_of(all_.faults.begin(), all_.faults.end(), [&](auto& each) {
      return each.node == what.node && each.begin > what.begin
             && each.begin < until;
    });
  }

  void add_restart(const fault_record& what, std::vector<instant>& to) const {
    std::optional<instant> first;
    for (auto& [id, job] : all_.accepted)
      if (job.accepted > what.end && (!first || job.accepted < *first))
        first = job.accepted;
    if (first)
      to.push_back(*first - what.end);
  }

  const history& all_;
  std::map<std::string, std::vector<const run_record*>> runs_of_;
  std::map<std::string, std::vector<const grant_record*>> grants_of_;
  std::multimap<token, const settle_record*> settled_;
  std::vector<std::string> findings_;
};

} // namespace

std::vector<run_record> parse_runs(std::string_view log) {
  std::vector<run_record> result;
  std::multimap<std::pair<token, long long>, std::size_t> open;
  while (!log.empty()) {
    auto end = log.find('\n');
    std::istringstream line{std::string{log.substr(0, end)}};
    log.remove_prefix(end == log.npos ? log.size() : end + 1);
    std::string what;
    run_record run;
    long long time = 0;
    long long pid = 0;
    line >> what >> run.job >> run.attempt >> run.node >> time >> pid;
    auto key = std::pair{token{run.job, run.attempt}, pid};
    if (!line || end == log.npos || (what != "start" && what != "end")) {
      result.emplace_back();
    } else if (what == "start") {
      run.start = instant{time};
      open.emplace(key, result.size());
      result.push_back(std::move(run));
    } else if (auto begun = open.find(key); begun != open.end()) {
      result[begun->second].end = instant{time};
      open.erase(begun);
    } else {
      result.emplace_back();
    }
  }
  return result;
}

std::vector<std::string> find_violations(const history& all) {
  return checker{all}.check();
}

history_figures count(const history& all) {
  return checker{all}.figures();
}

} // namespace muster::fault
