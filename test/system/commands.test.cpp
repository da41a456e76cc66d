#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fstream>

using namespace muster;

TEST_CASE("external commands of the config file run jobs") {
  temp_dir dir;
  std::ofstream{dir.path() / "muster.conf"}
    << "exec.handlers.upper = [\"tr\", \"a-z\", \"A-Z\"]\n"
       "exec { handlers {\n"
       "  broken = [\"sh\", \"-c\", \"echo no luck >&2; exit 3\"]\n"
       "} }\n";
  node_process node{dir.path(), {"--config-file=muster.conf"}};
  auto id = node.enqueue("texts", "hello", "handler=upper");
  CHECK(node.send(200, "GET", "/v1/jobs/" + id + "/result?wait=30s").body
        == "HELLO");
  auto bad = node.enqueue("texts", "", "handler=broken&max_attempts=1");
  auto reply = node.send(410, "GET", "/v1/jobs/" + bad + "/result?wait=30s");
  CHECK(reply.body.find("no luck") != std::string::npos);
}

TEST_CASE("enqueue prints ids, or waits for results in the input's order") {
  temp_dir dir;
  node_process node{dir.path()};
  auto ids = run_program(dir.path(), {"enqueue", "--handler=echo", "words"},
                         "one payload\nof two lines");
  CHECK(ids.status.ok());
  CHECK(ids.out == "1\n");
  std::string input;
  for (int i = 0; i < 1'200; ++i)
    input += fmt::format("line {}\n", i);
  auto results = run_program(
    dir.path(), {"enqueue", "--lines", "--wait", "--handler=echo", "words"},
    input);
  INFO(results.errors);
  CHECK(results.status.ok());
  CHECK(results.out == input);
  CHECK(results.errors.empty());
}

TEST_CASE("enqueue takes files, options and a key against doing it twice") {
  temp_dir dir;
  node_process node{dir.path()};
  std::ofstream{dir.path() / "a"} << "A";
  std::ofstream{dir.path() / "b"} << "B";
  std::vector<std::string> call{"enqueue",
                                "--priority=200",
                                "--delay=1h",
                                "--max-attempts=2",
                                "--timeout=5s",
                                "--ttl=2h",
                                "--handler=echo",
                                "--idempotency-key=k",
                                "later",
                                "a",
                                "b"};
  auto first = run_program(dir.path(), call);
  INFO(first.errors);
  CHECK(first.status.ok());
  CHECK(first.out == "1\n2\n");
  CHECK(run_program(dir.path(), call).out == first.out);
  auto job = node.send(200, "GET", "/v1/jobs/2").body;
  CHECK(job.find(R"("priority":200)") != std::string::npos);
  CHECK(job.find(R"("max_attempts":2)") != std::string::npos);
  CHECK(job.find(R"("state":"scheduled")") != std::string::npos);
}

TEST_CASE("enqueue fails if a job does, and says which") {
  temp_dir dir;
  node_process node{dir.path()};
  auto result = run_program(
    dir.path(),
    {"enqueue", "--wait", "--lines", "--handler=fail", "--max-attempts=1", "q"},
    "0\n9\n");
  INFO(result.errors);
  CHECK(result.status == exit_status{false, 1});
  CHECK(result.errors.find("job 2") != std::string::npos);
  CHECK(result.errors.find("job 1") == std::string::npos);
}

TEST_CASE("enqueue refuses what cannot be, before it sends anything") {
  temp_dir dir;
  auto refused = [&dir](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "enqueue");
    auto result = run_program(dir.path(), arguments);
    INFO(result.errors);
    CHECK(result.status == exit_status{false, 2});
    CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
  };
  refused({});
  refused({"no queue name"});
  refused({"--priority=256", "q"});
  refused({"--priority=high", "q"});
  refused({"--max-attempts=0", "q"});
  refused({"--delay=soon", "q"});
  refused({"--http=nowhere", "q"});
  refused({"--unknown", "q"});
}

TEST_CASE("a backup beside a busy node has what was accepted before it") {
  temp_dir dir;
  node_process node{dir.path()};
  // Keeps the journal from committing because it is idle.
  std::atomic<bool> ending{false};
  std::thread load{[&] {
    auto client = node.client();
    while (!ending)
      (void)client.post("/v1/queues/noise/jobs?handler=echo", "x");
  }};
  std::vector<std::string> ids;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i)
      ids.push_back(node.enqueue("kept", std::to_string(ids.size()),
                                 "handler=echo&delay=1h"));
    auto copy = dir.path() / fmt::format("copy-{}", round);
    std::filesystem::create_directory(copy);
    auto result
      = run_program(dir.path(), {"backup", (copy / "muster-data").string()});
    INFO(result.errors);
    CHECK(result.status.ok());
    node_process restored{copy, {"--queues=none"}};
    for (auto& id : ids)
      CHECK(restored.state_of(id) == "scheduled");
    CHECK(restored.stop().ok());
  }
  ending = true;
  load.join();
  CHECK(node.stop().ok());
}

TEST_CASE("a backup of a killed node has what only its log holds") {
  temp_dir dir;
  std::vector<std::string> ids;
  {
    node_process node{dir.path(), {"--commit-interval=1s"}};
    for (int i = 0; i < 50; ++i)
      ids.push_back(node.enqueue("kept", "payload", "delay=1h"));
    node.kill();
  }
  auto copy = dir.path() / "copy";
  std::filesystem::create_directory(copy);
  auto result = run_program(dir.path(), {"backup", "copy/muster-data"});
  INFO(result.errors);
  REQUIRE(result.status.ok());
  node_process restored{copy};
  for (auto& id : ids)
    CHECK(restored.state_of(id) == "scheduled");
  // The original can be used as before.
  node_process original{dir.path()};
  CHECK(original.state_of(ids.back()) == "scheduled");
}

TEST_CASE("backup refuses a destination with something in it, and no store") {
  temp_dir dir;
  CHECK(run_program(dir.path(), {"backup"}).status == exit_status{false, 2});
  CHECK(run_program(dir.path(), {"backup", "copy"}).status
        == exit_status{false, 1});
  node_process node{dir.path()};
  std::filesystem::create_directory(dir.path() / "full");
  std::ofstream{dir.path() / "full" / "file"} << "x";
  auto result = run_program(dir.path(), {"backup", "full"});
  CHECK(result.status == exit_status{false, 1});
  CHECK(result.errors.find("empty") != std::string::npos);
  CHECK(std::filesystem::exists(dir.path() / "full" / "file"));
}

TEST_CASE("metrics tell of queues, jobs, the log, the store and the process") {
  temp_dir dir;
  node_process node{dir.path()};
  auto id = node.enqueue("words", "x", "handler=echo");
  node.send(200, "GET", "/v1/jobs/" + id + "/result?wait=30s");
  std::string text;
  REQUIRE(eventually([&] {
    text = node.send(200, "GET", "/metrics").body;
    return text.find(R"(muster_jobs_succeeded_total{queue="words"} 1)")
           != std::string::npos;
  }));
  for (std::string_view part :
       {R"(muster_queue_jobs{queue="words",state="succeeded"} 1)",
        R"(muster_handler_attempts_total{handler="echo",end="succeeded"} 1)",
        "muster_log_write_duration_seconds_bucket", "muster_log_entry_bytes",
        "muster_store_commit_duration_seconds_count", "muster_store_map_bytes",
        "muster_journal_waiting_commands", "muster_http_requests_total",
        "muster_worker_running_jobs", "muster_build_info",
        "process_resident_memory_bytes", "process_open_fds",
        "caf_system_running_actors"})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("help and versions are printed") {
  temp_dir dir;
  CHECK(run_program(dir.path(), {}).out.find("enqueue") != std::string::npos);
  for (auto* command : {"node", "enqueue", "backup", "demo", "bench"}) {
    auto result = run_program(dir.path(), {command, "--help"});
    INFO(command);
    CHECK(result.status.ok());
    CHECK(result.out.find(command) != std::string::npos);
    CHECK(run_program(dir.path(), {"help", command}).out == result.out);
  }
  CHECK(run_program(dir.path(), {"help", "me"}).status.code == 2);
  auto version = run_program(dir.path(), {"version"});
  CHECK(version.status.ok());
  CHECK(version.out.starts_with("muster "));
  CHECK(version.out.find("CAF 0.18.7") != std::string::npos);
}
