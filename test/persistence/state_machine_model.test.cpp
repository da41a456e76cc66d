#include "persistence/state_machine.hpp"
#include "test/support/model_store.hpp"
#include "test/support/store_checker.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <random>

using namespace muster;

namespace {

constexpr std::array<std::string_view, 3> queue_names{"alpha", "beta", "dead"};
constexpr std::array<std::string_view, 4> key_names{"", "", "k1", "k2"};

store_options options_of(const temp_dir& dir) {
  store_options result;
  result.directory = dir.path();
  result.map_size = std::size_t{64} << 20;
  return result;
}

/// Makes random commands that have something to do with each other.
class commander {
public:
  explicit commander(unsigned seed) : random_(seed) {
    // nop
  }

  timestamp next_time() {
    // Now and then the clock jumps, also backwards.
    auto step = one_in(40) ? millis{pick(0, 200'000)} : millis{pick(0, 300)};
    now_ += one_in(50) ? -step : step;
    return now_;
  }

  command next() {
    switch (pick(0, 19)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return enqueue();
      case 4:
      case 5:
      case 6:
      case 7:
        return lease_command{queue(), one_in(2) ? "w1" : "w2",
                             static_cast<std::uint32_t>(pick(1, 5)),
                             millis{pick(1, 2'000)},
                             static_cast<std::uint64_t>(pick(0, 30))};
      case 8:
      case 9:
      case 10: {
        complete_command cmd;
        for (auto n = pick(1, 3); n > 0; --n)
          cmd.items.push_back({token(), one_in(2) ? "yes" : ""});
        return cmd;
      }
      case 11:
      case 12: {
        fail_command cmd;
        for (auto n = pick(1, 3); n > 0; --n)
          cmd.items.push_back(
            {token(), static_cast<failure_kind>(pick(0, 2)), "no", !one_in(6)});
        return cmd;
      }
      case 13:
        return extend_command{{{token(), millis{pick(1, 2'000)}, "half"}}};
      case 14:
        return release_command{{token(), token()}};
      case 15:
        return cancel_command{some_job()};
      case 16:
        return retry_command{some_job()};
      case 17:
        return configure();
      case 18:
        if (one_in(4))
          return purge_command{queue(), final_or_waiting(), 100'000};
        [[fallthrough]];
      default:
        return tick_command{100'000, millis{one_in(5) ? pick(1, 2'000) : 0}};
    }
  }

  void remember(const outcome& out) {
    if (auto* leased = std::get_if<lease_outcome>(&out))
      for (auto& job : leased->jobs)
        tokens_.push_back(job.token);
    while (tokens_.size() > 30)
      tokens_.pop_front();
    if (auto* added = std::get_if<enqueue_outcome>(&out))
      for (auto& job : added->jobs)
        last_job_ = std::max(last_job_, static_cast<std::uint64_t>(job.id));
  }

private:
  int pick(int min, int max) {
    return std::uniform_int_distribution{min, max}(random_);
  }

  bool one_in(int n) {
    return pick(1, n) == 1;
  }

  std::string_view queue() {
    return queue_names[static_cast<std::size_t>(pick(0, 2))];
  }

  lease_token token() {
    if (tokens_.empty() || one_in(12))
      return {some_job(), static_cast<std::uint32_t>(pick(1, 3))};
    auto index = pick(0, static_cast<int>(tokens_.size()) - 1);
    return tokens_[static_cast<std::size_t>(index)];
  }

  job_id some_job() {
    auto back = static_cast<std::uint64_t>(pick(0, 20));
    return job_id{last_job_ > back ? last_job_ - back : 1};
  }

  job_state final_or_waiting() {
    constexpr std::array states{job_state::scheduled, job_state::ready,
                                job_state::succeeded, job_state::dead,
                                job_state::cancelled};
    return states[static_cast<std::size_t>(pick(0, 4))];
  }

  enqueue_command enqueue() {
    enqueue_command cmd{queue(), {}};
    for (auto n = pick(1, 4); n > 0; --n) {
      new_job job;
      job.handler = "h";
      job.payload = one_in(2) ? "payload" : "";
      job.priority = static_cast<std::uint8_t>(one_in(3) ? pick(0, 255) : 100);
      if (one_in(4))
        job.delay = millis{pick(1, 3'000)};
      if (one_in(5))
        job.ttl = millis{pick(1, 3'000)};
      job.max_attempts = static_cast<std::uint32_t>(pick(1, 4));
      job.idempotency_key = key_names[static_cast<std::size_t>(pick(0, 3))];
      job.key_ttl = millis{pick(1, 20'000)};
      cmd.jobs.push_back(job);
    }
    return cmd;
  }

  configure_command configure() {
    configure_command cmd;
    cmd.queue = queue();
    if (one_in(3))
      cmd.paused = one_in(3);
    if (one_in(3))
      cmd.max_running = static_cast<std::uint64_t>(pick(0, 4));
    if (one_in(3))
      cmd.retention = millis{pick(0, 30'000)};
    if (one_in(3))
      cmd.backoff = backoff_policy{millis{pick(0, 50)}, millis{pick(50, 900)},
                                   1.0 + pick(0, 3), pick(0, 10) / 10.0};
    if (one_in(3))
      cmd.dead_letter = one_in(2) || cmd.queue == "dead" ? "" : "dead";
    return cmd;
  }

  std::mt19937 random_;
  timestamp now_{millis{1'700'000'000'000}};
  std::deque<lease_token> tokens_;
  std::uint64_t last_job_ = 0;
};

void compare(const outcome& real, const outcome& model) {
  REQUIRE(real.index() == model.index());
  if (auto* a = std::get_if<enqueue_outcome>(&real)) {
    auto& b = std::get<enqueue_outcome>(model);
    REQUIRE(a->jobs.size() == b.jobs.size());
    for (std::size_t i = 0; i < b.jobs.size(); ++i) {
      CHECK(a->jobs[i].id == b.jobs[i].id);
      CHECK(a->jobs[i].state == b.jobs[i].state);
      CHECK(a->jobs[i].duplicate == b.jobs[i].duplicate);
    }
  } else if (auto* leased = std::get_if<lease_outcome>(&real)) {
    auto& b = std::get<lease_outcome>(model);
    REQUIRE(leased->jobs.size() == b.jobs.size());
    for (std::size_t i = 0; i < b.jobs.size(); ++i) {
      CHECK(leased->jobs[i].token == b.jobs[i].token);
      CHECK(leased->jobs[i].payload == b.jobs[i].payload);
      CHECK(leased->jobs[i].deadline == b.jobs[i].deadline);
    }
  } else if (auto* settled = std::get_if<settle_outcome>(&real)) {
    auto& b = std::get<settle_outcome>(model);
    REQUIRE(settled->items.size() == b.items.size());
    for (std::size_t i = 0; i < b.items.size(); ++i) {
      CHECK(settled->items[i].status == b.items[i].status);
      CHECK(settled->items[i].deadline == b.items[i].deadline);
    }
  } else if (auto* changed = std::get_if<change_outcome>(&real)) {
    auto& b = std::get<change_outcome>(model);
    CHECK(changed->code == b.code);
    if (b.code != errc::job_not_found)
      CHECK(changed->state == b.state);
  } else if (auto* ticked = std::get_if<tick_outcome>(&real)) {
    auto& b = std::get<tick_outcome>(model);
    CHECK(ticked->promoted == b.promoted);
    CHECK(ticked->leases_expired == b.leases_expired);
    CHECK(ticked->leases_spared == b.leases_spared);
    CHECK(ticked->jobs_expired == b.jobs_expired);
  } else if (auto* configured = std::get_if<configure_outcome>(&real)) {
    CHECK(configured->settings == std::get<configure_outcome>(model).settings);
  } else if (auto* purged = std::get_if<purge_outcome>(&real)) {
    auto& b = std::get<purge_outcome>(model);
    CHECK(purged->code == b.code);
    CHECK(purged->removed == b.removed);
  }
}

void compare_attempts(const attempt_list& real,
                      const std::vector<model_store::tried>& model) {
  auto kept = std::min<std::size_t>(model.size(), limits::attempts_kept);
  auto skipped = model.size() - kept;
  CHECK(real.dropped == skipped);
  REQUIRE(real.attempts.size() == kept);
  for (std::size_t i = 0; i < kept; ++i) {
    auto& a = real.attempts[i];
    auto& b = model[skipped + i];
    CHECK(a.attempt == skipped + i + 1);
    CHECK(a.outcome == b.outcome);
    CHECK(a.worker == b.worker);
    CHECK(a.started_at == b.started);
    CHECK(a.ended_at == b.ended);
    CHECK(a.error == b.error);
  }
}

/// Every job of the queue, by pages of a random size.
std::vector<job_id> listed(const store_view& view, std::string_view queue,
                           std::optional<job_state> state, std::size_t limit) {
  std::vector<job_id> result;
  job_query query{queue, state, limit, std::nullopt};
  do {
    auto page = view.jobs(query);
    REQUIRE(page);
    CHECK(page->rows.size() <= limit);
    CHECK((page->next || page->rows.size() <= limit));
    for (auto& row : page->rows)
      result.push_back(row.job.id);
    query.after = page->next;
  } while (query.after);
  return result;
}

/// What a list has, put in order, each once.
void compare_lists(const store_view& view, const model_store& model,
                   std::size_t limit) {
  for (auto& [name, settings] : model.queues) {
    std::vector<job_id> all;
    for (std::size_t i = 0; i < job_state_count; ++i) {
      auto state = static_cast<job_state>(i);
      std::vector<job_id> wanted;
      for (auto& [id, job] : model.jobs)
        if (job.queue == name && job.state == state)
          wanted.push_back(id);
      all.insert(all.end(), wanted.begin(), wanted.end());
      auto found = listed(view, name, state, limit);
      std::sort(found.begin(), found.end());
      CHECK(found == wanted);
    }
    auto found = listed(view, name, std::nullopt, limit);
    std::sort(found.begin(), found.end());
    std::sort(all.begin(), all.end());
    CHECK(found == all);
  }
}

void compare_states(const store_view& view, const model_store& model) {
  for (auto& [id, expected_job] : model.jobs) {
    auto job = view.job(id);
    REQUIRE(job);
    CHECK(job->queue == expected_job.queue);
    CHECK(job->state == expected_job.state);
    CHECK(job->attempt == expected_job.attempt);
    CHECK(job->failures == expected_job.failures);
    CHECK(job->finish_sequence
          == (is_final(expected_job.state) ? expected_job.finish_sequence : 0));
    CHECK(view.payload(id) == expected_job.payload);
    compare_attempts(view.attempts(id), expected_job.attempts);
    if (expected_job.state == job_state::succeeded)
      CHECK(view.result(id) == expected_job.result);
  }
  for (auto& [name, settings] : model.queues) {
    auto queue = view.queue(name);
    REQUIRE(queue);
    CHECK(queue->settings == settings);
    std::array<std::uint64_t, job_state_count> depth{};
    for (auto& [id, job] : model.jobs)
      if (job.queue == name)
        ++depth[static_cast<std::size_t>(job.state)];
    CHECK(queue->depth == depth);
  }
}

/// The real store under random commands, committed, forgotten and replayed, and
/// reopened at random.
void run(unsigned seed, int steps) {
  INFO("seed " << seed);
  temp_dir dir;
  auto db = *store::open(options_of(dir));
  auto machine = std::make_unique<state_machine>(*db);
  model_store model;
  commander random{seed};
  std::mt19937 dice{seed + 1};
  std::vector<std::string> uncommitted;
  effects fx;
  for (int i = 0; i < steps; ++i) {
    auto now = random.next_time();
    auto cmd = random.next();
    REQUIRE(validate(cmd));
    std::string entry;
    begin_entry(entry, now);
    entry += encode(cmd).bytes;
    auto real = machine->apply_entry(entry, fx);
    REQUIRE(real);
    REQUIRE(real->size() == 1);
    INFO("step " << i << ", command " << cmd.index());
    compare(real->front(), model.apply(cmd, now));
    random.remember(real->front());
    uncommitted.push_back(entry);
    auto event = dice() % 60;
    if (event == 0) {
      REQUIRE(machine->commit());
      uncommitted.clear();
      auto wrong = check_store(*db);
      CHECK(wrong == std::vector<std::string>{});
    } else if (event == 1) {
      // A crash: what was not committed comes from the log again.
      machine->abort();
      for (auto& old : uncommitted)
        REQUIRE(machine->apply_entry(old, fx));
    } else if (event == 2) {
      REQUIRE(machine->commit());
      uncommitted.clear();
      machine.reset();
      db.reset();
      db = *store::open(options_of(dir));
      machine = std::make_unique<state_machine>(*db);
    }
    if (event < 4) {
      auto view = *machine->view();
      compare_states(view, model);
      compare_lists(view, model, 1 + dice() % 40);
    }
    fx.clear();
  }
  compare_states(*machine->view(), model);
}

} // namespace

TEST_CASE("the state machine does what a simple model does, whatever the "
          "commands and crashes") {
  for (unsigned seed = 1; seed <= 6; ++seed)
    run(seed, 2'000);
}

TEST_CASE("the state machine does what the model does for a fresh seed") {
  run(std::random_device{}(), 2'000);
}
