#include "runtime/node_config.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <fstream>
#include <string>
#include <vector>

using namespace muster;

namespace {

expected<node_settings> read(const std::vector<std::string>& words) {
  register_message_types();
  std::vector<const char*> args;
  for (auto& word : words)
    args.push_back(word.c_str());
  node_config config;
  if (auto ok = config.read(args); !ok)
    return tl::unexpected{ok.error()};
  return config.settings();
}

std::string problem_with(const std::string& word) {
  auto result = read({word});
  return result ? "none" : result.error().message;
}

expected<node_settings> read_file(const std::string& text,
                                  std::vector<std::string> words = {}) {
  temp_dir dir;
  auto file = dir.path() / "muster.conf";
  std::ofstream{file} << text;
  words.push_back("--config-file=" + file.string());
  return read(words);
}

} // namespace

TEST_CASE("a node without settings is a manager and a worker on loopback") {
  auto got = read({});
  REQUIRE(got);
  CHECK(got->manager);
  CHECK(got->worker);
  CHECK(got->data_dir == "./muster-data");
  CHECK(got->http.address == "127.0.0.1");
  CHECK(got->http.port == 8420);
  CHECK(got->node_port == 8421);
  CHECK(got->worker_settings.lease_ttl == millis{30'000});
  CHECK(got->journal.directory == got->data_dir);
  CHECK(!got->insecure);
  CHECK(got->join.empty());
}

TEST_CASE("each setting goes where it belongs") {
  auto got = read(
    {"--roles=worker", "--join=10.0.0.1:1,[::1]:2", "--name=w", "--data-dir=/d",
     "--http-port=0", "--node-port=9", "--concurrency=3", "--queues=a,b",
     "--lease-ttl=2s", "--heartbeat=500ms", "--drain-timeout=1m",
     "--strict-ports", "--max-payload=1KiB", "--max-result=2KiB",
     "--log-level=error", "--log-format=json", "--node-advertise=host"});
  REQUIRE(got);
  CHECK(!got->manager);
  CHECK(got->join == std::vector<endpoint>{{"10.0.0.1", 1}, {"::1", 2}});
  CHECK(got->name == "w");
  CHECK(got->data_dir == "/d");
  CHECK(got->http.port == 0);
  CHECK(got->node_port == 9);
  CHECK(got->worker_settings.concurrency == 3);
  CHECK(got->worker_settings.queues == std::vector<std::string>{"a", "b"});
  CHECK(got->worker_settings.lease_ttl == millis{2'000});
  CHECK(got->worker_settings.heartbeat == millis{500});
  CHECK(got->drain_timeout == millis{60'000});
  CHECK(got->strict_ports);
  CHECK(got->http.strict_port);
  CHECK(got->http.max_payload == 1'024);
  CHECK(got->max_result == 2'048);
  CHECK(got->worker_settings.max_result_bytes == 2'048);
  CHECK(got->level == log_level::error);
  CHECK(got->json_log);
  CHECK(got->advertise == endpoint{"host", 0});
}

TEST_CASE("a setting that cannot be is told by its name") {
  for (auto wrong : {"--roles=",
                     "--roles=clerk",
                     "--roles=worker",
                     "--join=nowhere",
                     "--name=a/b",
                     "--data-dir=",
                     "--http-port=65536",
                     "--http-port=x",
                     "--http-address=0.0.0.0",
                     "--node-address=10.0.0.1",
                     "--concurrency=10001",
                     "--queues=a b",
                     "--lease-ttl=soon",
                     "--lease-ttl=10ms",
                     "--heartbeat=30s",
                     "--drain-timeout=-1s",
                     "--commit-interval=0s",
                     "--commit-interval=2s",
                     "--map-size=big",
                     "--max-payload=0",
                     "--max-payload=2GiB",
                     "--http-threads=0",
                     "--http-threads=65",
                     "--max-connections=0",
                     "--log-level=loud",
                     "--log-format=xml",
                     "--node-heartbeat=1ms",
                     "--node-timeout=1s",
                     "--node-advertise=a:b:c",
                     "--exec.handlers.a=b",
                     "--worker-processes=many",
                     "--worker-processes=-1",
                     "--worker-processes=257",
                     "--caf.scheduler.policy=none"}) {
    INFO(wrong);
    auto message = problem_with(wrong);
    INFO(message);
    std::string name{wrong};
    name = name.substr(2, name.find('=') - 2);
    // A worker alone lacks what it joins; the handlers' group is named.
    if (name == "roles" || name.starts_with("exec"))
      CHECK(message != "none");
    else
      CHECK(message.find(name) != std::string::npos);
  }
  CHECK(problem_with("--roles=worker").starts_with("join: "));
}

TEST_CASE("a node beyond loopback must be meant so") {
  CHECK(problem_with("--http-address=10.0.0.1").find("--insecure")
        != std::string::npos);
  CHECK(read({"--http-address=10.0.0.1", "--insecure"}));
  CHECK(is_loopback("127.0.0.1"));
  CHECK(is_loopback("127.1.2.3"));
  CHECK(is_loopback("::1"));
  CHECK(!is_loopback("0.0.0.0"));
  CHECK(!is_loopback("::"));
  CHECK(!is_loopback("128.0.0.1"));
}

TEST_CASE("flags win over the file, and the file over defaults") {
  auto got = read_file("http-port = 1\nnode-port = 2\nname = \"n\"\n"
                       "exec.handlers.count = [\"wc\", \"-w\"]\n",
                       {"--http-port=3"});
  REQUIRE(got);
  CHECK(got->http.port == 3);
  CHECK(got->node_port == 2);
  CHECK(got->name == "n");
  REQUIRE(got->exec_handlers.contains("count"));
  CHECK(got->exec_handlers.at("count") == std::vector<std::string>{"wc", "-w"});
}

TEST_CASE("handlers that are not built in run in processes of their own") {
  constexpr auto text = "exec.handlers.count = [\"wc\"]\n";
  CHECK(read({})->worker_processes == 0);
  CHECK(read_file(text, {"--concurrency=3"})->worker_processes == 3);
  CHECK(read_file(text, {"--concurrency=9"})->worker_processes == 4);
  CHECK(read_file(text, {"--worker-processes=0"})->worker_processes == 0);
  CHECK(read_file(text, {"--roles=manager"})->worker_processes == 0);
  CHECK(read_file(text, {"--worker-process"})->worker_processes == 0);
  CHECK(read({"--worker-processes=2", "--concurrency=2"})->worker_processes
        == 2);
}

TEST_CASE("processes are not more than the jobs that run at once") {
  CHECK(read({"--worker-processes=3", "--concurrency=2"}).error().message
        == "worker-processes must not be more than concurrency");
  CHECK(read({"--worker-processes=200"})->worker_settings.concurrency >= 200);
  CHECK(read({"--worker-processes=1", "--roles=manager"}).error().message
        == "worker-processes: the node has not the role worker");
}

TEST_CASE("what cannot stand in the file is refused") {
  for (auto text : {"no-such = 1\n", "http-port = \"x\"\n", "http-port = \n",
                    "exec.handlers = 1\n", "exec.handlers.a = \"cat\"\n",
                    "exec.handlers.a = []\n", "exec.handlers.a = [1]\n",
                    "exec.handlers.a = [\"\"]\n", "exec.other = 1\n"}) {
    INFO(text);
    auto got = read_file(text);
    REQUIRE(!got);
    INFO(got.error().message);
    CHECK(got.error().code == errc::invalid_argument);
    CHECK(got.error().message.find('\n') == std::string::npos);
  }
  CHECK(problem_with("--config-file=/no/such/file")
        == "config-file: cannot open '/no/such/file'");
}
