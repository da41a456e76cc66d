#include "test/persistence/machine_fixture.hpp"

#include "persistence/store_tables.hpp"

using namespace muster;

namespace {

/// A fixture that also looks at histories.
class attempts_fixture : public machine_fixture {
public:
  attempt_list attempts(job_id id) {
    return machine->view()->attempts(id);
  }

  /// The one attempt of a job.
  attempt_info attempt(job_id id) {
    auto list = attempts(id);
    REQUIRE(list.attempts.size() == 1);
    CHECK(list.dropped == 0);
    CHECK(list.attempts.front().attempt == 1);
    return list.attempts.front();
  }

  /// How many records of attempts the store holds.
  std::size_t records() {
    REQUIRE(machine->commit());
    auto& tables = db->internals();
    MDB_txn* txn = nullptr;
    REQUIRE(mdb_txn_begin(tables.env, nullptr, MDB_RDONLY, &txn) == 0);
    MDB_stat stat{};
    CHECK(mdb_stat(txn, tables[table::attempts], &stat) == 0);
    mdb_txn_abort(txn);
    return stat.ms_entries;
  }
};

} // namespace

TEST_CASE_METHOD(attempts_fixture, "a job that never began has no attempts") {
  CHECK(attempts(enqueue("q")).attempts.empty());
  CHECK(attempts(job_id{99}).attempts.empty());
}

TEST_CASE_METHOD(attempts_fixture, "an attempt is shown from its beginning to "
                                   "its success, without a record of its own") {
  auto id = enqueue("q");
  auto token = lease("q");
  auto begun = now;
  auto shown = attempt(id);
  CHECK(shown.outcome == attempt_status::running);
  CHECK(shown.worker == "w");
  CHECK(shown.started_at == begun);
  CHECK_FALSE(shown.ended_at);
  now += millis{70};
  complete(token);
  shown = attempt(id);
  CHECK(shown.outcome == attempt_status::succeeded);
  CHECK(shown.started_at == begun);
  CHECK(shown.ended_at == now);
  CHECK(records() == 0);
}

TEST_CASE_METHOD(attempts_fixture, "how an attempt ended is told apart by what "
                                   "was reported of it") {
  auto id = enqueue("q");
  auto token = lease("q");
  auto end = now + millis{5};
  auto outcome = attempt_status::failed;
  std::string text = "why";
  SECTION("failed") {
    now = end;
    fail(token);
  }
  SECTION("timed out") {
    now = end;
    fail(token, failure_kind::timed_out);
    outcome = attempt_status::timed_out;
  }
  SECTION("lost") {
    now = end;
    fail(token, failure_kind::lost);
    outcome = attempt_status::lost;
  }
  SECTION("for good") {
    now = end;
    fail(token, failure_kind::error, false);
  }
  SECTION("expired") {
    end = now += millis{30'000};
    tick();
    outcome = attempt_status::expired;
    text = "lease expired: no heartbeat from worker w";
  }
  SECTION("released") {
    now = end;
    release(token);
    outcome = attempt_status::released;
    text.clear();
  }
  SECTION("cancelled") {
    now = end;
    cancel(id);
    outcome = attempt_status::cancelled;
    text.clear();
  }
  auto shown = attempt(id);
  CHECK(shown.outcome == outcome);
  CHECK(shown.worker == "w");
  CHECK(shown.ended_at == end);
  CHECK(shown.error == text);
  CHECK(records() == 1);
  // What happens to the job later does not change it.
  now += millis{1'000};
  cancel(id);
  CHECK(attempt(id).error == text);
  CHECK(attempt(id).ended_at == end);
}

TEST_CASE_METHOD(attempts_fixture, "an attempt whose result came after it was "
                                   "given up counts as succeeded") {
  auto id = enqueue("q");
  auto token = lease("q");
  now += millis{30'000};
  tick();
  CHECK(attempt(id).outcome == attempt_status::expired);
  now += millis{10};
  complete(token);
  CHECK(attempt(id).outcome == attempt_status::succeeded);
  CHECK(attempt(id).ended_at == now);
  CHECK(attempt(id).error.empty());
  CHECK(records() == 0);
}

TEST_CASE_METHOD(attempts_fixture, "attempts are listed oldest first, the "
                                   "latest of them only") {
  auto id = enqueue("q");
  for (std::uint32_t i = 1; i <= 40; ++i) {
    auto token = lease("q");
    CHECK(attempts(id).attempts.back().outcome == attempt_status::running);
    CHECK(attempts(id).attempts.size() == std::min(i, limits::attempts_kept));
    release(token);
    auto list = attempts(id);
    REQUIRE(list.attempts.size() == std::min(i, limits::attempts_kept));
    CHECK(list.dropped == i - list.attempts.size());
    for (std::size_t k = 0; k < list.attempts.size(); ++k)
      CHECK(list.attempts[k].attempt == list.dropped + k + 1);
  }
  CHECK(records() == limits::attempts_kept);
}

TEST_CASE_METHOD(attempts_fixture, "an attempt's error is cut between two "
                                   "characters") {
  auto id = enqueue("q");
  std::string text(limits::attempt_error - 1, 'x');
  settle(fail_command{
    {{lease("q"), failure_kind::error, text + "\xC3\xA4 and more", true}}});
  CHECK(attempt(id).error == text);
}

TEST_CASE_METHOD(attempts_fixture, "attempts go away with their job") {
  for (int i = 0; i < 4; ++i) {
    enqueue("q");
    release(lease("q"));
    release(lease("q"));
    fail(lease("q"), failure_kind::error, i % 2 == 0);
  }
  CHECK(records() == 12);
  SECTION("by retention") {
    now += std::chrono::hours{1};
    tick();
    while (queue("q").count(job_state::ready) > 0)
      complete(lease("q"));
    CHECK(records() == 12);
    now += defaults::retention;
    tick();
  }
  SECTION("by a purge of each state") {
    for (auto state : {job_state::scheduled, job_state::dead})
      run<purge_outcome>(purge_command{"q", state, 100});
  }
  SECTION("by a purge of ready jobs") {
    now += std::chrono::hours{1};
    tick();
    for (auto state : {job_state::ready, job_state::dead})
      run<purge_outcome>(purge_command{"q", state, 100});
  }
  CHECK(records() == 0);
}

TEST_CASE_METHOD(attempts_fixture, "attempts outlive a restart and a retry") {
  auto id = enqueue("q");
  fail(lease("q"), failure_kind::error, false);
  REQUIRE(machine->commit());
  open();
  retry(id);
  complete(lease("q"));
  auto list = attempts(id).attempts;
  REQUIRE(list.size() == 2);
  CHECK(list[0].outcome == attempt_status::failed);
  CHECK(list[1].outcome == attempt_status::succeeded);
}
