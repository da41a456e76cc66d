#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <lmdb.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace muster;

namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Nothing but one line on standard error.
void check_one_line(const program_result& result, int code,
                    std::string_view part) {
  INFO(result.errors);
  CHECK(result.status == exit_status{false, code});
  CHECK(result.out.empty());
  CHECK(result.errors.find(part) != std::string::npos);
  CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
}

program_result run_node_in(const std::filesystem::path& dir,
                           std::vector<std::string> settings) {
  settings.insert(settings.begin(), "node");
  return run_program(dir, settings);
}

} // namespace

TEST_CASE("a node that serves says so in one line and in node.json") {
  temp_dir dir;
  node_process node{dir.path()};
  auto& facts = node.facts();
  CHECK(node.ready_line()
        == fmt::format("muster node {} ready http=127.0.0.1:{} "
                       "node=127.0.0.1:{} roles=manager,worker",
                       facts.name, facts.http.port, facts.node.port));
  CHECK(facts.pid == node.child().pid());
  CHECK(facts.roles == std::vector<std::string>{"manager", "worker"});
  CHECK(!facts.incarnation.empty());
  node.send(200, "GET", "/healthz");
  node.send(200, "GET", "/readyz");
}

TEST_CASE("a node keeps its name and changes its incarnation") {
  temp_dir dir;
  node_facts first;
  {
    node_process node{dir.path()};
    first = node.facts();
    CHECK(node.stop() == exit_status{});
    CHECK(!std::filesystem::exists(node.data_dir() / "node.json"));
  }
  node_process node{dir.path()};
  CHECK(node.facts().name == first.name);
  CHECK(node.facts().incarnation != first.incarnation);
}

TEST_CASE("an occupied port gives way to the next free one") {
  temp_dir first_dir;
  temp_dir second_dir;
  node_process first{first_dir.path()};
  auto http = fmt::format("--http-port={}", first.facts().http.port);
  auto node = fmt::format("--node-port={}", first.facts().node.port);
  {
    node_process second{second_dir.path(), {http, node}};
    CHECK(second.facts().http.port > first.facts().http.port);
    CHECK(second.facts().node.port > first.facts().node.port);
    second.send(200, "GET", "/readyz");
  }
  check_one_line(
    run_node_in(second_dir.path(),
                {http, "--node-port=0", "--strict-ports", "--log-level=error"}),
    1, std::to_string(first.facts().http.port));
  check_one_line(
    run_node_in(second_dir.path(),
                {node, "--http-port=0", "--strict-ports", "--log-level=error"}),
    1, std::to_string(first.facts().node.port));
}

TEST_CASE("a wrong setting is told in one line with exit status 2") {
  temp_dir dir;
  auto refused = [&dir](std::string setting, std::string_view part) {
    INFO(setting);
    check_one_line(run_node_in(dir.path(), {std::move(setting)}), 2, part);
  };
  refused("--no-such-thing=1", "no option '--no-such-thing'");
  refused("--http-port=abc", "http-port must be a whole number");
  refused("--http-port=70000", "http-port must be a whole number");
  refused("--http-port", "--http-port needs a value");
  refused("stray", "unexpected argument 'stray'");
  refused("--handlers=x.so", "no file 'x.so'");
  refused("--roles=balancer", "balancer");
  refused("--roles=worker", "join:");
  refused("--roles=cook", "'cook'");
  refused("--join=127.0.0.1", "join:");
  refused("--http-address=0.0.0.0", "--insecure");
  refused("--lease-ttl=soon", "lease-ttl:");
  refused("--map-size=1", "map-size");
  refused("--log-format=xml", "log-format");
  refused("--exec.handlers.x=ls", "exec.handlers");
  refused("--caf.scheduler.policy=none", "caf.scheduler.policy");
  refused("--config-file=absent", "cannot open 'absent'");
  check_one_line(run_program(dir.path(), {"nonsense"}), 2, "'nonsense'");
}

TEST_CASE("a config file is checked as flags are") {
  temp_dir dir;
  auto refused = [&dir](std::string_view text, std::string_view part) {
    INFO(text);
    std::ofstream{dir.path() / "muster.conf"} << text;
    check_one_line(run_node_in(dir.path(), {"--config-file=muster.conf"}), 2,
                   part);
  };
  refused("htp-port = 1\n", "'htp-port'");
  refused("http-port = 70000\n", "http-port must be a whole number");
  refused("http-port = \"x\"\n", "http-port must be a whole number");
  refused("strict-ports = 3\n", "strict-ports must be true or false");
  refused("exec { handlers { x = \"ls\" } }\n", "exec.handlers.x");
  refused("exec { commands { x = [\"ls\"] } }\n", "'exec.commands'");
  refused("exec.handlers.x = \"ls\"\n", "exec.handlers.x");
  refused("http-port = \n", "line 2");
  refused("http-port = 1\nexec {\n", "line 2: '{' is not closed");
}

TEST_CASE("running jobs finish before a node that was asked to end does") {
  temp_dir dir;
  node_process node{dir.path()};
  auto id = node.enqueue("naps", "1s", "handler=sleep");
  REQUIRE(eventually([&] { return node.state_of(id) == "leased"; }));
  CHECK(node.stop() == exit_status{});
  node_process again{dir.path()};
  CHECK(again.state_of(id) == "succeeded");
}

TEST_CASE("jobs that do not finish in time are handed back") {
  temp_dir dir;
  node_process node{dir.path(), {"--drain-timeout=100ms"}};
  auto id = node.enqueue("naps", "50s", "handler=sleep");
  REQUIRE(eventually([&] { return node.state_of(id) == "leased"; }));
  CHECK(node.stop(SIGINT) == exit_status{});
  node_process again{dir.path(), {"--queues=others"}};
  CHECK(again.state_of(id) == "ready");
}

TEST_CASE("a second signal ends a node at once") {
  temp_dir dir;
  node_process node{dir.path()};
  auto id = node.enqueue("naps", "50s", "handler=sleep");
  REQUIRE(eventually([&] { return node.state_of(id) == "leased"; }));
  node.child().kill(SIGTERM);
  REQUIRE(eventually(
    [&] { return node.log().find("draining") != std::string::npos; }));
  CHECK(node.stop(SIGTERM) == exit_status{false, 128 + SIGTERM});
}

TEST_CASE("a data directory in use is refused and left alone") {
  temp_dir dir;
  node_process node{dir.path()};
  auto before = bytes_of(node.data_dir() / "node.json");
  check_one_line(run_node_in(dir.path(), {"--http-port=0", "--node-port=0",
                                          "--log-level=error"}),
                 1, "another process uses the data directory");
  CHECK(bytes_of(node.data_dir() / "node.json") == before);
  node.send(200, "GET", "/readyz");
}

TEST_CASE("a store that cannot be Muster's is refused and left alone") {
  temp_dir dir;
  auto data = dir.path() / "muster-data";
  auto file = data / "store.mdb";
  auto refused = [&](const std::string& content, std::string_view part) {
    std::ofstream{file, std::ios::binary} << content;
    check_one_line(run_node_in(dir.path(), {"--http-port=0", "--node-port=0",
                                            "--log-level=error"}),
                   1, part);
    CHECK(bytes_of(file) == content);
    CHECK(!std::filesystem::exists(data / "node.json"));
  };
  std::filesystem::create_directory(data);
  refused(std::string(20'000, 'x'), "is not a store");
  std::filesystem::remove(file);
  {
    node_process node{dir.path()};
    node.enqueue("kept", "payload", "delay=1h");
    CHECK(node.stop() == exit_status{});
  }
  auto good = bytes_of(file);
  refused(good.substr(0, 4096), "damaged");
  refused(good.substr(0, good.size() / 2), "muster node: ");
  std::ofstream{file, std::ios::binary} << good;
  node_process node{dir.path()};
  CHECK(node.state_of("1") == "scheduled");
}

TEST_CASE("a store of a newer version is refused") {
  temp_dir dir;
  {
    node_process node{dir.path()};
    CHECK(node.stop() == exit_status{});
  }
  auto path = (dir.path() / "muster-data" / "store.mdb").string();
  MDB_env* env = nullptr;
  REQUIRE(mdb_env_create(&env) == 0);
  mdb_env_set_maxdbs(env, 16);
  REQUIRE(mdb_env_open(env, path.c_str(), MDB_NOSUBDIR, 0640) == 0);
  MDB_txn* txn = nullptr;
  REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
  MDB_dbi meta = 0;
  REQUIRE(mdb_dbi_open(txn, "meta", 0, &meta) == 0);
  char name[] = "schema";
  char version[] = {0, 0, 0, 99};
  MDB_val key{std::strlen(name), name};
  MDB_val value{sizeof(version), version};
  REQUIRE(mdb_put(txn, meta, &key, &value, 0) == 0);
  REQUIRE(mdb_txn_commit(txn) == 0);
  mdb_env_close(env);
  check_one_line(run_node_in(dir.path(), {"--http-port=0", "--node-port=0",
                                          "--log-level=error"}),
                 1, "newer version");
}

TEST_CASE("a node whose parent was killed ends, and so does what it runs") {
  temp_dir dir;
  // The shell is the parent: it alone holds the pipe's other end.
  process_options options;
  options.command
    = {"sh",
       "-c",
       R"(mkfifo pipe; exec 3<>pipe; "$0" "$@" <pipe 3>&- & exec 3>pipe; wait)",
       MUSTER_PROGRAM,
       "node",
       "--http-port=0",
       "--node-port=0",
       "--exit-with-stdin"};
  options.directory = dir.path();
  options.errors = dir.path() / "node.log";
  auto parent = process::start(options);
  REQUIRE(parent);
  REQUIRE(parent->read_line(patience));
  auto facts = read_node_json(dir.path() / "muster-data");
  REQUIRE(facts);
  CHECK(::kill(facts->pid, 0) == 0);
  parent->kill(SIGKILL);
  CHECK(eventually([&] { return ::kill(facts->pid, 0) != 0; }));
  CHECK(!std::filesystem::exists(dir.path() / "muster-data" / "node.json"));
}

TEST_CASE("a node that gives up says why in its last line and ends with 1") {
  temp_dir dir;
  node_process node{dir.path()};
  auto client = node.client();
  REQUIRE(client.get("/readyz"));
  // From now on the journal cannot open another file, nor be opened again.
  const rlimit none{3, 3};
  REQUIRE(::prlimit(node.child().pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
  const std::string payload(4'000'000, 'x');
  auto refused = [&] {
    auto reply = client.post("/v1/queues/q/jobs", payload);
    return !reply || reply->status != 201;
  };
  REQUIRE(eventually(refused));
  auto status = node.child().wait(patience);
  INFO(node.log());
  REQUIRE(status);
  CHECK(*status == exit_status{false, 1});
  auto log = node.log();
  auto last = log.rfind('\n', log.size() - 2) + 1;
  CHECK(log.substr(last).starts_with("muster node: gave up: "));
  node_process again{dir.path()};
  again.send(200, "GET", "/readyz");
}

TEST_CASE("a node shows its supervisor and counts what that has done") {
  temp_dir dir;
  node_process node{dir.path()};
  auto reply = node.send(200, "GET", "/v1/supervisors");
  auto all = nlohmann::json::parse(reply.body).at("supervisors");
  REQUIRE(all.size() == 1);
  std::vector<std::string> ids;
  for (auto& child : all.at(0).at("children")) {
    ids.push_back(child.at("id"));
    CHECK(child.at("state") == "running");
  }
  CHECK(ids.front() == "journal");
  CHECK(ids.back() == "gateway");
  auto figures = node.send(200, "GET", "/metrics").body;
  CHECK(figures.find("muster_supervisor_child_starts_total{supervisor=\"node\","
                     "child=\"gateway\"} 1\n")
        != std::string::npos);
}

TEST_CASE("the service manager hears when a node serves and when it drains") {
  temp_dir dir;
  descriptor manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto path = (dir.path() / "notify").string();
  REQUIRE(path.size() < sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(manager.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof(address))
          == 0);
  auto heard = [&] {
    char bytes[64];
    auto n = ::recv(manager.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
    return n > 0 ? std::string(bytes, static_cast<std::size_t>(n))
                 : std::string{};
  };
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  node_process node{dir.path()};
  ::unsetenv("NOTIFY_SOCKET");
  std::string word;
  REQUIRE(eventually([&] { return !(word = heard()).empty(); }));
  CHECK(word == "READY=1");
  CHECK(heard().empty());
  CHECK(node.stop() == exit_status{});
  CHECK(heard() == "STOPPING=1");
}
