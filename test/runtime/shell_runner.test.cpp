#include "runtime/shell_runner.hpp"
#include "script_server.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace muster;

namespace {

struct answer {
  int status = 200;
  std::string body;
  std::string headers;
};

/// A shell without a terminal and a node that answers by a table.
class shell_fixture {
public:
  explicit shell_fixture(std::map<std::string, answer> answers,
                         bool json = false, bool write = true)
    : answers_(std::move(answers)),
      server_([this](const std::string& request) { return reply(request); }) {
    shell_session::settings with;
    with.access.http = "127.0.0.1:" + std::to_string(server_.port());
    with.connect_limit = with.answer_limit = millis{2'000};
    auto session = shell_session::open(with);
    REQUIRE(session);
    session_.emplace(std::move(*session));
    out_ = std::tmpfile();
    errors_ = std::tmpfile();
    console_.emplace(shell_console::settings{out_, errors_, json, nullptr, -1});
    runner_.emplace(*session_, *console_, shell_runner::settings{write, -1});
  }

  ~shell_fixture() {
    std::fclose(out_);
    std::fclose(errors_);
  }

  shell_outcome run(std::string_view line) {
    auto words = split_commands(line);
    REQUIRE(words);
    REQUIRE(words->size() == 1);
    return runner_->run(words->front());
  }

  std::string out() {
    return take(out_);
  }

  std::string errors() {
    return take(errors_);
  }

  /// Request lines, in the order in which they came.
  std::vector<std::string> asked() {
    std::vector<std::string> result;
    for (auto& each : server_.requests())
      result.push_back(each.substr(0, each.find(" HTTP/1.1")));
    return result;
  }

  script_server& server() {
    return server_;
  }

  shell_session& session() {
    return *session_;
  }

private:
  scripted_reply reply(const std::string& request) {
    auto line = request.substr(0, request.find(" HTTP/1.1"));
    auto found = answers_.find(line);
    auto what = found == answers_.end()
                  ? answer{404, R"({"title":"Not Found","detail":"no path"})"}
                  : found->second;
    return {{"HTTP/1.1 " + std::to_string(what.status) + " X\r\n" + what.headers
             + "Content-Length: " + std::to_string(what.body.size())
             + "\r\n\r\n" + what.body}};
  }

  static std::string take(std::FILE* file) {
    std::string result;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file))
      result.push_back(static_cast<char>(c));
    std::rewind(file);
    REQUIRE(::ftruncate(::fileno(file), 0) == 0);
    return result;
  }

  std::map<std::string, answer> answers_;
  script_server server_;
  std::optional<shell_session> session_;
  std::FILE* out_ = nullptr;
  std::FILE* errors_ = nullptr;
  std::optional<shell_console> console_;
  std::optional<shell_runner> runner_;
};

const std::string job_17
  = R"({"id":"17","queue":"q","handler":"h","state":"succeeded","attempt":1,)"
    R"("max_attempts":5})";

} // namespace

TEST_CASE("a command that changes something is refused until it is allowed") {
  shell_fixture shell{
    {{"DELETE /v1/jobs/17", {200, R"({"id":"17","state":"cancelled"})"}}},
    false,
    false};
  CHECK(shell.run("cancel 17") == shell_outcome::misused);
  CHECK(shell.errors().find("'enable' first") != std::string::npos);
  CHECK(shell.server().requests().empty());
  CHECK(shell.run("enable") == shell_outcome::done);
  (void)shell.out();
  CHECK(shell.run("cancel 17") == shell_outcome::done);
  CHECK(shell.out() == "job 17 is cancelled\n");
  CHECK(shell.run("disable") == shell_outcome::done);
  CHECK(shell.run("cancel 17") == shell_outcome::misused);
  CHECK(shell.server().requests().size() == 1);
}

TEST_CASE("what a node logs is shown, and set once that is allowed") {
  shell_fixture shell{
    {{"GET /v1/log?level=debug&limit=20",
      {200, R"({"lines":[{"level":"error","text":"a\u001b"}],"next":1,)"
            R"("missed":0,"level":"warning"})"}},
     {"PUT /v1/log?node=n", {200, R"({"level":"debug"})"}}},
    false,
    false};
  CHECK(shell.run("log debug") == shell_outcome::done);
  CHECK(shell.out() == "error  a\\x1b\n");
  CHECK(shell.errors()
        == "(nothing below warning is logged: 'log --set=debug' changes "
           "that)\n");
  CHECK(shell.run("log --set=debug --node=n") == shell_outcome::misused);
  CHECK(shell.errors().find("log --set changes something: 'enable' first")
        != std::string::npos);
  CHECK(shell.run("enable") == shell_outcome::done);
  (void)shell.out();
  CHECK(shell.run("log --set=debug --node=n") == shell_outcome::done);
  CHECK(shell.out() == "n logs debug and above, until it ends\n");
  CHECK(shell.server().requests().back().ends_with(R"({"level":"debug"})"));
  for (auto* line : {"log --set=loud", "log debug --set=debug",
                     "log --set=debug --once", "log --set=debug --limit=3"})
    CHECK(shell.run(line) == shell_outcome::misused);
  CHECK(shell.asked().size() == 2);
}

TEST_CASE("with --json each command writes one value, errors too") {
  shell_fixture shell{
    {{"GET /v1/nodes", {200, "{\"nodes\":\n [] }"}},
     {"GET /v1/queues/x",
      {404,
       R"({"status":404,"code":"queue_not_found","detail":"none such"})"}}},
    true};
  CHECK(shell.run("nodes") == shell_outcome::done);
  CHECK(shell.out() == "{\"nodes\":[]}\n");
  CHECK(shell.run("queue x") == shell_outcome::failed);
  CHECK(shell.out()
        == R"({"error":{"code":"queue_not_found","status":404,)"
           R"("message":"none such"}})"
           "\n");
  CHECK(shell.run("queue") == shell_outcome::misused);
  auto value = nlohmann::json::parse(shell.out());
  CHECK(value["error"]["code"] == "invalid_argument");
  CHECK(shell.run("enable") == shell_outcome::done);
  CHECK(shell.out() == "{\"write\":true}\n");
  CHECK(shell.run("help jobs") == shell_outcome::done);
  CHECK(nlohmann::json::parse(shell.out())[0]["command"] == "jobs");
  CHECK(shell.errors().empty());
}

TEST_CASE("of payloads and results only the beginning is shown unasked") {
  std::string large(5'000, 'x');
  shell_fixture shell{
    {{"GET /v1/jobs/17", {200, job_17}},
     {"GET /v1/jobs/17/payload?limit=256",
      {200, large.substr(0, 256), "Muster-Payload-Bytes: 5000\r\n"}},
     {"GET /v1/jobs/17/result", {200, large}}}};
  CHECK(shell.run("job 17") == shell_outcome::done);
  auto job = shell.out();
  CHECK(job.find(large.substr(0, 256) + "\n(256 of 5000 bytes;")
        != std::string::npos);
  CHECK(shell.run("result 17") == shell_outcome::done);
  auto result = shell.out();
  CHECK(result.starts_with(large.substr(0, 1'024) + "\n(1024 of 5000 bytes;"));
  CHECK(shell.run("result 17 --bytes=10") == shell_outcome::done);
  CHECK(shell.out().starts_with("xxxxxxxxxx\n(10 of"));
  // Without a terminal it comes as it is.
  CHECK(shell.run("result 17 --all") == shell_outcome::done);
  CHECK(shell.out() == large);
}

TEST_CASE("results in JSON say how much there is and are text where they can") {
  shell_fixture shell{{{"GET /v1/jobs/1/result", {200, "größe"}},
                       {"GET /v1/jobs/2/result", {200, "\xff\xfe"}},
                       {"GET /v1/jobs/3/result", {202, "{}"}}},
                      true};
  CHECK(shell.run("result 1") == shell_outcome::done);
  CHECK(nlohmann::json::parse(shell.out())
        == nlohmann::json{
          {"bytes", 7}, {"text", "größe"}, {"truncated", false}, {"id", "1"}});
  // Cut between characters.
  CHECK(shell.run("result 1 --bytes=3") == shell_outcome::done);
  CHECK(nlohmann::json::parse(shell.out())["text"] == "gr");
  CHECK(shell.run("result 2") == shell_outcome::done);
  CHECK(nlohmann::json::parse(shell.out())["base64"] == "//4=");
  CHECK(shell.run("result 3") == shell_outcome::failed);
  CHECK(nlohmann::json::parse(shell.out())["error"]["code"] == "not_finished");
}

TEST_CASE("a job is shown where the node cannot tell its payload") {
  shell_fixture shell{{{"GET /v1/jobs/17", {200, job_17}}}};
  CHECK(shell.run("job 17") == shell_outcome::done);
  CHECK(shell.out().starts_with("job      17\n"));
  CHECK(shell.errors().empty());
}

TEST_CASE("a node without a route is told from a thing that is not there") {
  shell_fixture shell{{}};
  CHECK(shell.run("actors") == shell_outcome::failed);
  CHECK(shell.errors().find("version") != std::string::npos);
}

TEST_CASE("what a node says wrongly is said, and the shell goes on") {
  shell_fixture shell{
    {{"GET /v1/nodes", {200, "<html>"}},
     {"GET /v1/workers", {200, R"({"workers":[]})"}},
     {"GET /v1/queues?limit=100", {500, "\x1b[2J not even JSON"}}}};
  CHECK(shell.run("nodes") == shell_outcome::failed);
  CHECK(shell.errors().find("not JSON") != std::string::npos);
  CHECK(shell.run("queues") == shell_outcome::failed);
  auto errors = shell.errors();
  CHECK(errors.find("500") != std::string::npos);
  CHECK(errors.find('\x1b') == std::string::npos);
  CHECK(shell.run("workers") == shell_outcome::done);
}

TEST_CASE("a node that hangs, or is gone, makes a clear message") {
  std::string address;
  {
    shell_fixture shell{{}};
    address = shell.session().address();
  }
  shell_session::settings with;
  with.access.http = address;
  auto gone = shell_session::open(with);
  REQUIRE(gone);
  auto failure = gone->ask({"GET", "/v1/nodes", {}, {}});
  REQUIRE_FALSE(failure);
  CHECK(failure.error().code == "unavailable");
  CHECK(
    failure.error().text.starts_with("cannot reach the node at " + address));

  script_server silent{[](const std::string&) { return scripted_reply{}; }};
  with.access.http = "127.0.0.1:" + std::to_string(silent.port());
  with.answer_limit = millis{100};
  auto hung = shell_session::open(with);
  REQUIRE(hung);
  failure = hung->ask({"POST", "/v1/jobs/1/retry", {}, {}});
  REQUIRE_FALSE(failure);
  CHECK(failure.error().code == "timed_out");
  CHECK(failure.error().text.find("did not answer within 100ms")
        != std::string::npos);
  CHECK(failure.error().text.find("whether it was done is not known")
        != std::string::npos);
}

TEST_CASE("a wait for a node that hangs ends at a signal") {
  // Over TLS it hangs before anything is asked.
  auto scheme = GENERATE("http://", "https://");
  script_server silent{[](const std::string&) { return scripted_reply{}; }};
  descriptor signal{::eventfd(0, EFD_CLOEXEC)};
  shell_session::settings with;
  with.access.http = scheme + ("127.0.0.1:" + std::to_string(silent.port()));
  with.connect_limit = millis{60'000};
  with.answer_limit = millis{60'000};
  with.interrupt = signal.get();
  auto session = shell_session::open(with);
  REQUIRE(session);
  std::thread sender{[&] {
    while (silent.connections() == 0)
      std::this_thread::yield();
    std::uint64_t one = 1;
    (void)!::write(signal.get(), &one, sizeof(one));
  }};
  auto answer = session->ask({"GET", "/v1/nodes", {}, {}});
  sender.join();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "cancelled");
  // Another may take its place.
  descriptor other{::eventfd(0, EFD_CLOEXEC)};
  CHECK(session->interrupt_by(other.get()) == signal.get());
  std::uint64_t one = 1;
  REQUIRE(::write(other.get(), &one, sizeof(one)) == sizeof(one));
  answer = session->ask({"GET", "/v1/nodes", {}, {}});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == "cancelled");
}

TEST_CASE("a shell finds the node of a directory at its new port") {
  temp_dir dir;
  auto serve = [](const std::string&) {
    std::string body = R"({"nodes":[{"name":"n","state":"self"}]})";
    return scripted_reply{{"HTTP/1.1 200 OK\r\nContent-Length: "
                           + std::to_string(body.size()) + "\r\n\r\n" + body}};
  };
  auto write = [&dir](std::uint16_t port) {
    node_facts facts;
    facts.name = "n";
    facts.http = {"127.0.0.1", port};
    facts.node = {"127.0.0.1", 1};
    REQUIRE(replace_file(dir.path() / "node.json", to_json(facts)));
  };
  auto first = std::make_unique<script_server>(serve);
  write(first->port());
  shell_session::settings with;
  with.data_dir = dir.path();
  auto session = shell_session::open(with);
  REQUIRE(session);
  CHECK(session->greet());
  CHECK(session->reachable());
  first.reset();
  CHECK_FALSE(session->ask({"GET", "/v1/nodes", {}, {}}));
  CHECK_FALSE(session->reachable());
  script_server second{serve};
  write(second.port());
  CHECK(session->greet());
  CHECK(session->node_name() == "n");
}

TEST_CASE("a shell takes no other node for one of a directory that has ended") {
  temp_dir dir;
  auto server = std::make_unique<script_server>(
    [](const std::string&) { return scripted_reply{}; });
  node_facts facts;
  facts.name = "n";
  facts.http = {"127.0.0.1", server->port()};
  facts.node = {"127.0.0.1", 1};
  REQUIRE(replace_file(dir.path() / "node.json", to_json(facts)));
  shell_session::settings with;
  with.data_dir = dir.path();
  auto session = shell_session::open(with);
  REQUIRE(session);
  auto before = session->address();
  server.reset();
  std::filesystem::remove(dir.path() / "node.json");
  CHECK_FALSE(session->ask({"GET", "/v1/nodes", {}, {}}));
  CHECK(session->address() == before);
}

TEST_CASE("a node is found by the address that other nodes use") {
  script_server node{[](const std::string&) {
    return scripted_reply{{std::string(64, '\0')}, true};
  }};
  script_server http{[](const std::string&) {
    return scripted_reply{{"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
                           R"({"nodes":[]})"}};
  }};
  endpoint asked;
  shell_session::settings with;
  with.access.http = "127.0.0.1:" + std::to_string(node.port());
  with.locate = [&](const endpoint& at) -> expected<endpoint> {
    asked = at;
    return endpoint{"127.0.0.1", http.port()};
  };
  auto session = shell_session::open(with);
  REQUIRE(session);
  CHECK(session->greet());
  CHECK(asked == endpoint{"127.0.0.1", node.port()});
  CHECK(session->address() == "127.0.0.1:" + std::to_string(http.port()));
}

TEST_CASE("names for completion come quickly, are kept, or are none") {
  shell_fixture shell{{{"GET /v1/queues?limit=1000",
                        {200, R"({"queues":[{"name":"a"},{"x":1},7]})"}}}};
  CHECK(shell.session().names(word_kind::queue)
        == std::vector<std::string>{"a"});
  (void)shell.session().names(word_kind::queue);
  CHECK(shell.asked().size() == 1);
  CHECK(shell.session().names(word_kind::actor).empty());
  CHECK(shell.session().names(word_kind::text).empty());
}

TEST_CASE("connecting to what is no node leaves the shell where it was") {
  shell_fixture shell{
    {{"GET /v1/nodes", {200, R"({"nodes":[{"name":"n1","state":"self"}]})"}}}};
  auto address = shell.session().address();
  CHECK(shell.run("connect " + address) == shell_outcome::done);
  CHECK(shell.out() == "connected to n1 at " + address + "\n");
  script_server other{[](const std::string&) {
    return scripted_reply{{"SSH-2.0-x\r\n"}, true};
  }};
  CHECK(shell.run("connect 127.0.0.1:" + std::to_string(other.port()))
        == shell_outcome::failed);
  CHECK(shell.errors().find("does not speak HTTP") != std::string::npos);
  CHECK(shell.run("connect nowhere") == shell_outcome::failed);
  CHECK(shell.session().address() == address);
  CHECK(shell.run("nodes") == shell_outcome::done);
}

TEST_CASE("a trace shows events until it ends, and says what was not shown") {
  std::map<std::string, answer> answers{
    {"POST /v1/actors/node%2Fmanager/traces", {201, R"({"id":"t1"})"}},
    {"GET /v1/traces/t1?wait=5s",
     {200, R"json({"events":[{"at":"2026-01-02T03:04:05.000Z","actor":"a",
       "node":"n","from":"b","message":"lease(\u001b)","busy_us":12}],
       "dropped":3,"ended":true,"reason":"limit"})json"}}};
  {
    shell_fixture shell{answers};
    CHECK(shell.run("trace node/manager 1") == shell_outcome::done);
    CHECK(shell.out()
          == "2026-01-02T03:04:05.000Z  lease(\\x1b)  from b  12 us\n"
             "ended: limit, 3 were not shown\n");
  }
  shell_fixture shell{answers, true};
  CHECK(shell.run("trace node/manager 1") == shell_outcome::done);
  auto value = nlohmann::json::parse(shell.out());
  CHECK(value["events"].size() == 1);
  CHECK(value["dropped"] == 3);
}

TEST_CASE("a job is enqueued from a word or a file, with a key of its own") {
  temp_dir dir;
  auto file = dir.path() / "payload";
  std::FILE* out = std::fopen(file.c_str(), "w");
  std::fputs("from a file", out);
  std::fclose(out);
  shell_fixture shell{{{"POST /v1/queues/q/jobs?priority=7",
                        {201, R"({"id":"5","queue":"q","state":"ready"})"}},
                       {"POST /v1/queues/q/jobs",
                        {201, R"({"id":"6","queue":"q","state":"ready"})"}}}};
  CHECK(shell.run("enqueue q 'a b' --priority=7") == shell_outcome::done);
  CHECK(shell.out() == "job 5 of q is ready\n");
  CHECK(shell.run("enqueue q --file=" + file.string()) == shell_outcome::done);
  CHECK(shell.run("enqueue q x --file=" + file.string())
        == shell_outcome::misused);
  CHECK(shell.run("enqueue q --file=" + dir.path().string())
        == shell_outcome::failed);
  auto requests = shell.server().requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].ends_with("\r\n\r\na b"));
  CHECK(requests[1].ends_with("\r\n\r\nfrom a file"));
  auto key_of = [](const std::string& request) {
    auto at = request.find("Idempotency-Key: ");
    REQUIRE(at != std::string::npos);
    return request.substr(at, request.find('\r', at) - at);
  };
  CHECK(key_of(requests[0]) != key_of(requests[1]));
}
