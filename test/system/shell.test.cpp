#include "node_process.hpp"
#include "pseudo_terminal.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sys/stat.h>

using namespace muster;

namespace {

using nlohmann::json;

/// `muster shell`, without a terminal.
program_result shell(const temp_dir& dir, std::vector<std::string> words,
                     std::string_view input = {}) {
  words.insert(words.begin(), "shell");
  return run_program(dir.path(), words, input);
}

/// One value a line.
std::vector<json> values_of(const program_result& result) {
  std::vector<json> values;
  std::string_view rest = result.out;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    INFO(line);
    values.push_back(json::parse(line, nullptr, false));
    CHECK_FALSE(values.back().is_discarded());
  }
  return values;
}

/// Waits until lists have this many queues: they are as of the last commit.
void wait_for_queues(node_process& node, std::size_t count) {
  REQUIRE(eventually([&] {
    auto answer = json::parse(node.send(200, "GET", "/v1/queues").body);
    return answer["queues"].size() == count;
  }));
}

/// A node that is stopped for a while.
class standstill {
public:
  explicit standstill(node_process& node) : node_(node) {
    node_.child().kill(SIGSTOP);
  }
  ~standstill() {
    node_.child().kill(SIGCONT);
  }
  standstill(const standstill&) = delete;
  standstill& operator=(const standstill&) = delete;

private:
  node_process& node_;
};

} // namespace

TEST_CASE("the shell shows a live node and its jobs to scripts") {
  temp_dir dir;
  node_process node{dir.path()};
  auto id = node.enqueue("echo", "hello");
  auto bad = node.enqueue("fail", "9", "max_attempts=1");
  node.send(410, "GET", "/v1/jobs/" + bad + "/result?wait=30s");
  node.send(200, "GET", "/v1/jobs/" + id + "/result?wait=30s");
  wait_for_queues(node, 2);
  auto result = shell(dir, {"--json", "-c", "nodes; tree; workers", "-c",
                            "queue echo; queues; job " + id + "; result " + id
                              + "; metrics muster_ --limit=3"});
  INFO(result.errors);
  CHECK(result.status.ok());
  auto values = values_of(result);
  REQUIRE(values.size() == 8);
  CHECK(values[0]["nodes"][0]["name"] == node.facts().name);
  CHECK(values[1]["supervisors"][0]["children"].size() >= 4);
  CHECK(values[2]["workers"][0]["state"] == "running");
  CHECK(values[3]["depth"]["succeeded"] == 1);
  CHECK(values[4]["queues"].size() == 2);
  CHECK(values[5]["state"] == "succeeded");
  CHECK(values[6]["text"] == "hello");
  CHECK(values[7].size() == 3);
  auto text = shell(dir, {"-c", "job " + bad});
  CHECK(text.status.ok());
  CHECK(text.out.find("state     dead\n") != std::string::npos);
  CHECK(text.out.find('\x1b') == std::string::npos);
}

TEST_CASE("the shell changes what it may, from words, files and pipes") {
  temp_dir dir;
  node_process node{dir.path()};
  std::ofstream{dir.path() / "payload"} << "from a file";
  auto result = shell(dir, {"--json", "--write"},
                      "# a script\n"
                      "enqueue q 'two words' --handler=echo\n"
                      "enqueue q --file=payload --handler=echo\n"
                      "result 1 --wait=30s; result 2 --wait=30s\n"
                      "pause q; set q max_running 3; set q backoff.max 9s\n"
                      "enqueue q x --delay=1h; cancel 3\n"
                      "purge q cancelled; queue q; resume q\n"
                      "enqueue fail 1 --max-attempts=1\n"
                      "result 4 --wait=30s\n"
                      "retry 4; result 4 --wait=30s");
  INFO(result.errors);
  INFO(result.out);
  CHECK(result.status == exit_status{false, 1});
  auto values = values_of(result);
  REQUIRE(values.size() == 16);
  CHECK(values[2]["text"] == "two words");
  CHECK(values[3]["text"] == "from a file");
  CHECK(values[6]["settings"]["backoff"]["max"] == "9s");
  CHECK(values[8]["state"] == "cancelled");
  CHECK(values[9]["removed"] == 1);
  CHECK(values[10]["settings"]["paused"] == true);
  CHECK(values[10]["settings"]["max_running"] == 3);
  CHECK(values[13]["error"]["status"] == 410);
  CHECK(values[14]["state"] == "ready");
}

TEST_CASE("the shell's exit status tells failure from misuse") {
  temp_dir dir;
  node_process node{dir.path()};
  auto status
    = [&](std::vector<std::string> words, std::string_view input = {}) {
        auto result = shell(dir, std::move(words), input);
        INFO(result.errors);
        CHECK_FALSE(result.status.signalled);
        return result.status.code;
      };
  CHECK(status({"-c", "nodes"}) == 0);
  CHECK(status({"-c", "quit; job 99"}) == 0);
  CHECK(status({"-c", "job 99; nodes"}) == 1);
  CHECK(status({"-c", "frobnicate"}) == 2);
  CHECK(status({"-c", "nodes 'x"}) == 2);
  CHECK(status({"-c"}) == 2);
  CHECK(status({"--no-such-option"}) == 2);
  CHECK(status({"one", "two"}) == 2);
  CHECK(status({"nowhere", "-c", "nodes"}) == 2);
  // Not some other node.
  CHECK(status({"--data-dir=muster-data", "-c", "nodes"}) == 0);
  CHECK(status({"--data-dir=nowhere", "-c", "nodes"}) == 2);
  CHECK(status({"--token-file=none", "-c", "nodes"}) == 2);
  CHECK(status({}, "job 99\nfrobnicate\nnodes\n") == 2);
  CHECK(status({}, "job 99\nnodes\n") == 1);
  CHECK(status({}, "") == 0);
  // Nothing is run if one of the commands is wrong.
  CHECK(status({"--write", "-c", "pause q", "-c", "frobnicate"}) == 2);
  CHECK(status({"-c", "pause q"}) == 2);
  node.send(404, "GET", "/v1/queues/q");
  CHECK(status({"-c", "enable; pause q"}) == 0);
  node.send(200, "GET", "/v1/queues/q");
  auto stopped = shell(dir, {"--stop-on-error", "-c", "job 99; nodes"});
  CHECK(stopped.out.empty());
  CHECK(stopped.status == exit_status{false, 1});
}

TEST_CASE("the shell needs the token's scopes, and never shows the token") {
  temp_dir dir;
  const std::string secret = "the-secret-of-this-shell";
  const std::string all = "the-secret-of-the-owner";
  auto write = [&](const char* name, const std::string& text) {
    std::ofstream{dir.path() / name} << text << "\n";
    ::chmod((dir.path() / name).c_str(), 0600);
  };
  write("tokens", "r " + secret + " read\no " + all + " read,enqueue,admin");
  write("reader", secret);
  write("owner", all);
  node_process node{dir.path(), {"--http-token-file=tokens"}};
  auto none = shell(dir, {"-c", "nodes"});
  CHECK(none.status == exit_status{false, 1});
  CHECK(none.errors.find("needs a token") != std::string::npos);
  CHECK(shell(dir, {"--token-file=reader", "-c", "nodes"}).status.ok());
  auto refused
    = shell(dir, {"--token-file=reader", "--write", "-c", "pause q"});
  CHECK(refused.status == exit_status{false, 1});
  CHECK(refused.errors.find("scope admin") != std::string::npos);
  CHECK((refused.errors + refused.out).find(secret) == std::string::npos);
  CHECK(
    shell(dir, {"--token-file=owner", "--write", "-c", "pause q"}).status.ok());
}

TEST_CASE("a killed and a stopped node make clear messages in bounded time") {
  temp_dir dir;
  node_process node{dir.path()};
  {
    standstill still{node};
    auto hung = shell(dir, {"--json", "--timeout=1s", "-c", "nodes"});
    CHECK(hung.status == exit_status{false, 1});
    auto values = values_of(hung);
    REQUIRE(values.size() == 1);
    CHECK(values[0]["error"]["code"] == "timed_out");
  }
  CHECK(shell(dir, {"-c", "nodes"}).status.ok());
  node.kill();
  auto gone = shell(dir, {"-c", "nodes"});
  CHECK(gone.status == exit_status{false, 1});
  CHECK(gone.errors.find("cannot reach the node at") != std::string::npos);
}

TEST_CASE("at a terminal the shell edits, completes and remembers") {
  temp_dir dir;
  node_process node{dir.path()};
  node.enqueue("letters-of-today", "x", "delay=1h");
  wait_for_queues(node, 1);
  auto prompt = node.facts().name + "> ";
  {
    pseudo_terminal term{{dir.path(), {"shell"}}};
    term.expect("'help' lists commands.");
    term.expect(prompt);
    // The prompt comes just before.
    CHECK(eventually([&] { return !term.is_cooked(); }));
    // A command's name and that of a live queue.
    term.type("queue lett\t");
    term.expect("ers-of-today");
    term.type("\r");
    term.expect("dead_letter");
    term.expect(prompt);
    // Several are listed.
    term.type("wo\t\t");
    term.expect("worker   workers");
    term.type("\x15nodes\r");
    term.expect("HEARD");
    auto nodes = term.expect(prompt);
    CHECK(nodes.find("\x1b[32mself\x1b[0m") != std::string::npos);
    // What was typed is dropped.
    term.type("job 99\x03");
    term.expect("^C");
    term.expect(prompt);
    // An error does not end it.
    term.type("job 98\r");
    term.expect("\x1b[31m");
    term.expect(prompt);
    // The line before the last one.
    term.type("\x1b[A\x1b[A\r");
    term.expect("HEARD");
    term.expect(prompt);
    term.type("enable\r");
    term.expect(node.facts().name + "# ");
    term.type("quit\r");
    CHECK(term.wait().ok());
    CHECK(term.is_cooked());
  }
  auto history = dir.path() / ".local/state/muster/shell_history";
  struct stat facts {};
  REQUIRE(::stat(history.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  pseudo_terminal again{{dir.path(), {"shell"}}};
  again.expect(prompt);
  again.type("\x1b[A\x1b[A\x1b[A\r");
  again.expect("HEARD");
  again.expect(prompt);
  // The end of the input ends it.
  again.type("\x04");
  CHECK(again.wait().ok());
}

TEST_CASE("a shell outlives its node, and finds it again at another port") {
  temp_dir dir;
  std::optional<node_process> node;
  node.emplace(dir.path());
  auto name = node->facts().name;
  pseudo_terminal term{{dir.path(), {"shell", "--timeout=2s"}}};
  term.expect(name + "> ");
  {
    standstill still{*node};
    term.type("nodes\r");
    term.expect("did not answer within");
    term.expect("(not reachable)> ");
    // Ctrl-C ends the wait, not the shell.
    term.type("queues\r");
    term.expect("queues");
    term.type("\x03");
    term.expect("> ");
  }
  node->kill();
  term.type("nodes\r");
  term.expect("cannot reach");
  term.expect("(not reachable)> ");
  node.emplace(dir.path());
  term.type("workers\r");
  term.expect("FINISHED");
  term.expect(name + "> ");
  // SIGTERM restores the terminal.
  term.signal(SIGTERM);
  (void)term.wait();
  CHECK(term.is_cooked());
}

TEST_CASE(
  "the shell follows the terminal's width, kind and wish for no colour") {
  temp_dir dir;
  node_process node{dir.path()};
  node.enqueue("a-queue-with-quite-a-long-name-indeed", "x", "delay=1h");
  wait_for_queues(node, 1);
  pseudo_terminal::settings with{dir.path(), {"shell"}, {"NO_COLOR=1"}};
  with.columns = 70;
  {
    pseudo_terminal term{with};
    term.expect("> ");
    term.type("queues\r");
    auto out = term.expect("…");
    CHECK(out.find("\x1b[3") == std::string::npos);
    term.resize(160, 30);
    term.type("\x03");
    term.expect("> ");
    term.type("queues\r");
    term.expect("a-queue-with-quite-a-long-name-indeed");
    term.type("\x04");
    CHECK(term.wait().ok());
  }
  with.type = "dumb";
  with.environment.clear();
  pseudo_terminal dumb{with};
  dumb.expect("> ");
  CHECK(dumb.is_cooked());
  dumb.type("queues\n");
  auto out = dumb.expect("OLDEST");
  dumb.expect("> ");
  CHECK(out.find('\x1b') == std::string::npos);
  dumb.type("\x03");
  dumb.expect("> ");
  dumb.type("\x04");
  CHECK(dumb.wait().ok());
}
