#include "actors/local_node.hpp"

#include "actors/process_actor.hpp"
#include "actors/supervisor_actor.hpp"
#include "node_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::eventually;

namespace {

struct fixture {
  fixture() {
    add_builtin_handlers(*handlers);
    options.journal = test::small_journal(dir.path());
    options.worker_settings.name = "w";
    options.worker_settings.concurrency = 2;
    options.handlers = handlers;
  }

  void start() {
    auto started = local_node::start(system, options, port);
    if (!started)
      FAIL(started.error().message);
    node = std::move(*started);
  }

  child_info child(std::string_view id) const {
    auto supervisors = node->supervisors();
    for (auto& info : supervisors.at(0).children)
      if (info.id == id)
        return info;
    return {};
  }

  void crash(std::string_view id) {
    auto victim = node->find(id);
    REQUIRE(victim);
    ask_to_end(victim, caf::exit_reason::kill);
    REQUIRE(eventually([&] {
      auto now = node->find(id);
      return now && now != victim && node->serving();
    }));
  }

  // Attempts that a handler has begun.
  std::uint64_t started(std::string_view handler) const {
    auto counters = node->counters();
    for (auto& entry : counters.handlers)
      if (entry.handler == handler)
        return entry.started;
    return 0;
  }

  // Enqueues so many jobs at once.
  std::vector<job_id> enqueue_many(std::size_t n, std::string_view handler,
                                   std::string_view payload = {}) {
    enqueue_command cmd;
    cmd.queue = "q";
    new_job job;
    job.handler = handler;
    job.payload = payload;
    cmd.jobs.assign(n, job);
    auto answer = client.submit(cmd);
    REQUIRE(answer);
    std::vector<job_id> ids;
    for (auto& made : std::get<enqueue_outcome>(*answer).jobs)
      ids.push_back(made.id);
    return ids;
  }

  bool all_succeed(const std::vector<job_id>& ids) {
    return eventually(
      [&] {
        return std::all_of(ids.begin(), ids.end(), [&](job_id id) {
          return client.state(id) == job_state::succeeded;
        });
      },
      30s);
  }

  temp_dir dir;
  test::system_config config;
  caf::actor_system system{config};
  std::shared_ptr<handler_registry> handlers
    = std::make_shared<handler_registry>();
  std::shared_ptr<journal_port> port = std::make_shared<journal_port>();
  local_node_options options;
  test::journal_client client{port};
  std::unique_ptr<local_node> node;
};

} // namespace

TEST_CASE("a node runs jobs and keeps their results") {
  fixture fix;
  fix.start();
  CHECK(fix.node->serving());
  CHECK(!fix.node->failed());
  auto id = fix.client.enqueue("echo", "hello");
  REQUIRE(fix.client.reaches(id, job_state::succeeded));
  CHECK(fix.client.result(id) == "hello");
  auto info = fix.client.job(id);
  CHECK(info->worker == "w");
  CHECK(info->attempt == 1);
  REQUIRE(eventually(
    [&] { return fix.node->counters().outcomes_acknowledged == 1; }));
}

TEST_CASE("a node runs thousands of jobs and loses none") {
  fixture fix;
  fix.start();
  auto ids = fix.enqueue_many(5'000, "echo", "x");
  CHECK(fix.all_succeed(ids));
  auto counters = fix.node->counters();
  for (auto& entry : counters.handlers)
    if (entry.handler == "echo")
      CHECK(entry.succeeded == 5'000);
}

TEST_CASE("a job that fails is tried again until it succeeds") {
  fixture fix;
  fix.start();
  configure_command backoff;
  backoff.queue = "q";
  backoff.backoff = backoff_policy{1ms, 2ms, 2.0, 0};
  REQUIRE(fix.client.submit(backoff));
  auto id = fix.client.enqueue("fail", "2");
  REQUIRE(fix.client.reaches(id, job_state::succeeded));
  CHECK(fix.client.job(id)->attempt == 3);
  CHECK(fix.client.job(id)->failures == 2);
  auto hopeless = fix.client.enqueue("fail", "1000");
  REQUIRE(fix.client.reaches(hopeless, job_state::dead));
  CHECK(fix.client.job(hopeless)->error == "attempt 5 fails as asked");
}

TEST_CASE("a job whose handler nobody has says so") {
  fixture fix;
  fix.start();
  new_job job;
  job.handler = "nobody";
  job.max_attempts = 1;
  auto id = fix.client.enqueue(job);
  REQUIRE(fix.client.reaches(id, job_state::dead));
  CHECK(fix.client.job(id)->error == "no handler is named 'nobody'");
}

TEST_CASE("a running job is cancelled within moments") {
  std::atomic<bool> stopped{false};
  fixture fix;
  REQUIRE(fix.handlers->add("wait", [&](job_context& ctx) {
    static_cast<void>(ctx.wait_for(1h));
    stopped = ctx.reason() == stop_reason::cancelled;
    return expected<std::string>{};
  }));
  fix.start();
  new_job job;
  job.handler = "wait";
  job.timeout = 2h;
  auto id = fix.client.enqueue(job);
  REQUIRE(fix.client.reaches(id, job_state::leased));
  REQUIRE(fix.client.submit(cancel_command{id}));
  CHECK(eventually([&] { return stopped.load(); }));
  CHECK(fix.client.state(id) == job_state::cancelled);
}

TEST_CASE("a job that runs for longer than its lease keeps it") {
  fixture fix;
  fix.options.worker_settings.lease_ttl = 1s;
  fix.start();
  auto id = fix.client.enqueue("sleep", "2500ms");
  REQUIRE(fix.client.reaches(id, job_state::succeeded));
  CHECK(fix.client.job(id)->attempt == 1);
}

TEST_CASE("a handler that never returns costs its attempt, not the worker") {
  std::promise<void> end;
  auto ended = end.get_future().share();
  fixture fix;
  REQUIRE(fix.handlers->add("stuck", [ended](job_context&) {
    ended.wait();
    return expected<std::string>{};
  }));
  fix.options.worker_settings.concurrency = 1;
  fix.options.worker_settings.stuck_after = 100ms;
  fix.start();
  new_job job;
  job.handler = "stuck";
  job.timeout = 50ms;
  job.max_attempts = 1;
  auto stuck = fix.client.enqueue(job);
  REQUIRE(fix.client.reaches(stuck, job_state::dead));
  CHECK(fix.client.job(stuck)->error == "the attempt exceeded its time limit");
  auto other = fix.client.enqueue("echo");
  CHECK(fix.client.reaches(other, job_state::succeeded));
  CHECK(fix.node->counters().stuck == 1);
  end.set_value();
  CHECK(eventually([&] { return fix.node->counters().stuck == 0; }));
}

TEST_CASE("workers show on the board") {
  fixture fix;
  fix.start();
  fix.client.enqueue("sleep", "10s");
  REQUIRE(eventually([&] {
    auto workers = fix.node->workers();
    return workers.size() == 1 && workers[0].running == 1;
  }));
  auto worker = fix.node->workers().at(0);
  CHECK(worker.name == "w");
  CHECK(worker.concurrency == 2);
  CHECK(!worker.incarnation.empty());
}

TEST_CASE("jobs go on when any of the node's actors crashes") {
  auto victim = GENERATE(as<std::string>{}, "journal", "manager", "worker");
  CAPTURE(victim);
  fixture fix;
  fix.start();
  auto ids = fix.enqueue_many(200, "sleep", "5ms");
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(50ms);
    fix.crash(victim);
  }
  CHECK(fix.all_succeed(ids));
  CHECK(fix.child(victim).restarts == 3);
  CHECK(!fix.node->failed());
}

TEST_CASE("whatever actor of the tree is killed, the node serves again at once "
          "and has lost nothing") {
  fixture fix;
  supervisor_options below;
  below.id = "below";
  below.parent = "node";
  below.directory = std::make_shared<child_directory>();
  fix.start();
  REQUIRE(fix.node->add_child(supervisor_child(below)));
  auto names = fix.node->child_names();
  CHECK(names
        == std::vector<std::string>{"node/below", "node/journal",
                                    "node/manager", "node/worker"});
  std::vector<job_id> ids;
  for (auto& name : names) {
    CAPTURE(name);
    auto more = fix.enqueue_many(20, "sleep", "5ms");
    ids.insert(ids.end(), more.begin(), more.end());
    auto begin = std::chrono::steady_clock::now();
    fix.crash(name);
    // A second is meant; a busy machine gets more.
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
    ids.push_back(fix.client.enqueue("echo", "x"));
  }
  CHECK(fix.all_succeed(ids));
  CHECK(!fix.node->failed());
}

TEST_CASE("a node whose top supervisor is killed has failed") {
  fixture fix;
  fix.start();
  auto manager = fix.node->find("manager");
  fix.node->kill_supervisor();
  REQUIRE(eventually([&] { return fix.node->failed().has_value(); }));
  CHECK(fix.node->failed()->message == "the supervisor node was killed");
  CHECK(eventually([&] { return fix.port->get() == nullptr; }));
}

TEST_CASE("children are added to a running node, and end with it") {
  fixture fix;
  fix.start();
  child_specification spec;
  spec.id = "worker";
  auto refused = fix.node->add_child(spec);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::invalid_argument);
  spec = process_child("napper", [] {
    process_actor_options options;
    options.process.command = {"sleep", "1000"};
    return options;
  });
  REQUIRE(fix.node->add_child(spec));
  CHECK(fix.child("napper").state == "running");
  auto figures = fix.node->child_figures();
  CHECK(std::any_of(figures.begin(), figures.end(), [](auto& each) {
    return each.supervisor == "node" && each.child == "napper"
           && each.starts == 1;
  }));
  fix.node->stop();
  CHECK(!fix.node->find("napper"));
}

TEST_CASE("a job that runs while the manager or journal crashes runs once") {
  auto victim = GENERATE(as<std::string>{}, "journal", "manager");
  CAPTURE(victim);
  fixture fix;
  fix.start();
  auto id = fix.client.enqueue("sleep", "1s");
  // A lease that has not reached the worker is handed back instead.
  REQUIRE(eventually([&] { return fix.started("sleep") == 1; }));
  fix.crash(victim);
  REQUIRE(fix.client.reaches(id, job_state::succeeded));
  CHECK(fix.client.job(id)->attempt == 1);
  CHECK(fix.started("sleep") == 1);
}

TEST_CASE("a failed journal is opened again") {
  fixture fix;
  fix.start();
  caf::anon_send(fix.node->find("journal"),
                 journal_failed{errc::io_error, "the disk is gone"});
  REQUIRE(eventually([&] { return fix.child("journal").restarts == 1; }));
  REQUIRE(eventually([&] { return fix.node->serving(); }));
  CHECK(fix.child("journal").last_error == "the disk is gone");
  auto id = fix.client.enqueue("echo");
  CHECK(fix.client.reaches(id, job_state::succeeded));
}

TEST_CASE("a node that cannot open its journal does not start") {
  fixture fix;
  fix.start();
  // The directory is taken.
  auto port = std::make_shared<journal_port>();
  auto second = local_node::start(fix.system, fix.options, port);
  REQUIRE(!second);
  CHECK(second.error().code == errc::store_locked);
  CHECK(port->get() == nullptr);
}

TEST_CASE("options that break a rule are refused with the field's name") {
  fixture fix;
  auto refused = [&](std::string_view field) {
    auto started = local_node::start(fix.system, fix.options, fix.port);
    REQUIRE(!started);
    CHECK(started.error().code == errc::invalid_argument);
    CHECK(started.error().message.starts_with(field));
  };
  auto good = fix.options;
  fix.options.manager = fix.options.worker = false;
  refused("roles:");
  fix.options = good;
  fix.options.worker_settings.lease_ttl = 1ms;
  refused("lease_ttl:");
  fix.options = good;
  fix.options.worker_settings.heartbeat = 1h;
  refused("heartbeat:");
  fix.options = good;
  fix.options.worker_settings.queues = {"a b"};
  refused("queues:");
  fix.options = good;
  fix.options.journal.directory.clear();
  refused("directory:");
}

TEST_CASE("a drained node has handed back what it did not run") {
  fixture fix;
  fix.options.worker_settings.concurrency = 1;
  fix.start();
  auto running = fix.client.enqueue("sleep", "500ms");
  REQUIRE(fix.client.reaches(running, job_state::leased));
  auto waiting = fix.client.enqueue("sleep", "500ms");
  fix.node->drain(10s);
  CHECK(fix.client.state(running) == job_state::succeeded);
  CHECK(fix.client.state(waiting) == job_state::ready);
  auto later = fix.client.enqueue("echo");
  CHECK(fix.client.state(later) == job_state::ready);
}

TEST_CASE("a drain does not wait longer than its limit for jobs") {
  fixture fix;
  fix.start();
  auto id = fix.client.enqueue("sleep", "50s");
  REQUIRE(fix.client.reaches(id, job_state::leased));
  fix.node->drain(10ms);
  auto info = fix.client.job(id);
  CHECK(info->state == job_state::ready);
  CHECK(info->failures == 0);
}

TEST_CASE("a node that is stopped in the middle goes on where it was") {
  fixture fix;
  fix.start();
  auto ids = fix.enqueue_many(2'000, "echo");
  auto slow = fix.client.enqueue("sleep", "100ms");
  fix.node->stop();
  CHECK(fix.port->get() == nullptr);
  CHECK(!fix.node->serving());
  fix.node->stop();
  fix.start();
  // What it held then is not waited for until its lease expires.
  CHECK(fix.all_succeed(ids));
  CHECK(fix.client.reaches(slow, job_state::succeeded));
}

TEST_CASE("an external command runs as a job and ends with its node") {
  fixture fix;
  auto file = fix.dir.path() / "pid";
  exec_handler_options options;
  options.command = {"/bin/sh", "-c",
                     "trap '' TERM; cat; echo $$ >" + file.string()
                       + "; while :; do sleep 0.05; done"};
  options.kill_after = 100ms;
  REQUIRE(fix.handlers->add("command", make_exec_handler(options)));
  options.command = {"tr", "a-z", "A-Z"};
  REQUIRE(fix.handlers->add("upper", make_exec_handler(options)));
  fix.start();
  auto quick = fix.client.enqueue("upper", "hello");
  REQUIRE(fix.client.reaches(quick, job_state::succeeded));
  CHECK(fix.client.result(quick) == "HELLO");
  fix.client.enqueue("command");
  pid_t pid = 0;
  REQUIRE(eventually([&] { return std::ifstream{file} >> pid && pid > 0; }));
  CHECK(::kill(pid, 0) == 0);
  fix.node->stop();
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a manager without a worker keeps jobs for later") {
  fixture fix;
  fix.options.worker = false;
  fix.start();
  CHECK(fix.node->serving());
  auto id = fix.client.enqueue("echo");
  CHECK(fix.client.state(id) == job_state::ready);
  CHECK(fix.node->workers().empty());
  fix.node->drain(10ms);
  fix.node->stop();
  fix.options.worker = true;
  fix.start();
  CHECK(fix.client.reaches(id, job_state::succeeded));
}

TEST_CASE("a worker without a manager waits for one") {
  fixture fix;
  fix.options.manager = false;
  fix.start();
  CHECK(fix.node->serving());
  fix.node->drain(10ms);
}

TEST_CASE("large payloads and results pass") {
  fixture fix;
  fix.start();
  std::string payload(15 << 20, 'x');
  payload.back() = '\0';
  std::vector<job_id> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(fix.client.enqueue("echo", payload));
  REQUIRE(fix.all_succeed(ids));
  for (auto id : ids)
    CHECK(fix.client.result(id) == payload);
}
