#include "node_process.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fstream>
#include <string_view>

using namespace muster;

namespace {

const std::string secret = "a-secret-of-the-system-tests";

void write_private(const std::filesystem::path& file, std::string_view text) {
  std::ofstream{file} << text;
  using std::filesystem::perms;
  std::filesystem::permissions(file, perms::owner_read | perms::owner_write);
}

void open_to_others(const std::filesystem::path& file) {
  std::filesystem::permissions(file, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
}

http_headers with(const std::string& token) {
  return {{"Authorization", "Bearer " + token}};
}

/// One line that says what is wrong and keeps the secret.
void check_refused(const program_result& result, int code,
                   std::string_view part) {
  INFO(result.errors);
  CHECK(result.status == exit_status{false, code});
  CHECK(result.errors.find(part) != std::string::npos);
  CHECK(result.errors.find(secret) == std::string::npos);
  CHECK(result.out.find(secret) == std::string::npos);
  CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
}

} // namespace

TEST_CASE("tokens of a file and of the config file guard a node") {
  temp_dir dir;
  write_private(dir.path() / "tokens", "ci " + secret + " enqueue,read\n");
  // The hash of "the-worker-of-the-cellar".
  std::ofstream{dir.path() / "muster.conf"}
    << "http.tokens.cellar = [\"sha256:"
       "25f823dfcc539088537a20e76cc5acefd64a9391ddb9fe3483cdc71d2e9250c1"
       "\", \"work\"]\n";
  node_process node{dir.path(),
                    {"--http-token-file=tokens", "--config-file=muster.conf"}};
  node.send(200, "GET", "/healthz");
  node.send(200, "GET", "/readyz");
  node.send(401, "GET", "/metrics");
  node.send(401, "POST", "/v1/queues/q/jobs", "x");
  node.send(201, "POST", "/v1/queues/q/jobs", "x", with(secret));
  node.send(403, "POST", "/v1/queues/q/leases", {}, with(secret));
  node.send(200, "POST", "/v1/queues/q/leases", {},
            with("the-worker-of-the-cellar"));
  CHECK(node.log().find(secret) == std::string::npos);
}

TEST_CASE("clients show the token of a file or of the environment") {
  temp_dir dir;
  write_private(dir.path() / "tokens",
                "ci " + secret + " read,enqueue,work,admin\n");
  write_private(dir.path() / "token", secret + "\n");
  node_process node{dir.path(), {"--http-token-file=tokens"}};
  auto enqueue = [&dir](std::vector<std::string> more) {
    more.insert(more.begin(), "enqueue");
    more.insert(more.end(), {"--wait", "echo"});
    return run_program(dir.path(), more, "hello");
  };
  check_refused(enqueue({}), 1, "needs a token");
  CHECK(enqueue({"--token-file=token"}).out == "hello\n");
  ::setenv("MUSTER_TOKEN", secret.c_str(), 1);
  CHECK(enqueue({}).out == "hello\n");
  auto saved = run_program(dir.path(), {"backup", "copy"});
  ::unsetenv("MUSTER_TOKEN");
  INFO(saved.errors);
  CHECK(saved.status.ok());
  check_refused(run_program(dir.path(), {"backup", "second"}), 1,
                "--token-file");
  open_to_others(dir.path() / "token");
  check_refused(enqueue({"--token-file=token"}), 2, "chmod 600 'token'");
  check_refused(enqueue({"--token-file=absent"}), 2, "'absent'");
  write_private(dir.path() / "token", secret + " and " + secret);
  check_refused(enqueue({"--token-file=token"}), 2, "more than a token");
  auto measured
    = run_program(dir.path(), {"bench", "--only=enqueue", "--quick",
                               "--http=" + to_string(node.facts().http)});
  CHECK(measured.status == exit_status{false, 1});
}

TEST_CASE("a bench of a running node shows its token") {
  temp_dir dir;
  write_private(dir.path() / "tokens",
                "ci " + secret + " read,enqueue,work,admin\n");
  write_private(dir.path() / "token", secret);
  node_process node{dir.path(), {"--http-token-file=tokens"}};
  auto measured
    = run_program(dir.path(), {"bench", "--only=enqueue,drain", "--quick",
                               "--token-file=token",
                               "--http=" + to_string(node.facts().http)});
  INFO(measured.out << measured.errors);
  CHECK(measured.status.ok());
}

TEST_CASE("a secret that others can read is refused") {
  temp_dir dir;
  auto tokens = dir.path() / "tokens";
  auto config = dir.path() / "muster.conf";
  auto refused = [&dir](std::string_view part) {
    check_refused(run_program(dir.path(), {"node", "--http-token-file=tokens"}),
                  2, part);
  };
  write_private(tokens, "ci " + secret + " enqueue\n");
  open_to_others(tokens);
  refused("chmod 600 'tokens'");
  write_private(tokens, "ci " + secret + " enqeue\n");
  refused("line 1: ci: scopes are");
  write_private(tokens, "# none\n");
  refused("holds no token");
  std::filesystem::remove(tokens);
  refused("cannot read 'tokens'");
  write_private(config, "http.tokens.ci = [\"" + secret + "\", \"read\"]\n");
  open_to_others(config);
  check_refused(run_program(dir.path(), {"node", "--config-file=muster.conf"}),
                2, "http.tokens.ci: others can read its secret");
}

TEST_CASE("tokens of a config file are checked") {
  temp_dir dir;
  auto refused = [&dir](const std::string& text, std::string_view part) {
    INFO(text);
    write_private(dir.path() / "muster.conf", text);
    check_refused(
      run_program(dir.path(), {"node", "--config-file=muster.conf"}), 2, part);
  };
  refused("http.tokens = 3\n", "http.tokens must be a group");
  refused("http = 3\n", "http must be http.tokens");
  refused("http.token.ci = [\"x\"]\n", "'http.token'");
  refused("http.tokens.ci = \"" + secret + "\"\n", "http.tokens.ci must be");
  refused("http.tokens.ci = [\"" + secret + "\"]\n", "http.tokens.ci must be");
  refused("http.tokens.ci = [\"" + secret + "\", 3]\n",
          "http.tokens.ci must be");
  refused("http.tokens.ci = [\"short\", \"read\"]\n", "16 to 512");
  refused("http.tokens.ci = [\"" + secret + "\", \"" + secret + "\"]\n",
          "scopes are");
  check_refused(run_program(dir.path(), {"node", "--http.tokens.ci=" + secret}),
                2, "--config-file only");
}

TEST_CASE("a node beyond loopback is refused unless it is protected") {
  temp_dir dir;
  write_private(dir.path() / "tokens", "ci " + secret + " enqueue\n");
  auto refused
    = [&dir](std::vector<std::string> settings, std::string_view part) {
        settings.insert(settings.begin(), "node");
        check_refused(run_program(dir.path(), settings), 2, part);
      };
  for (auto address : {"0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"}) {
    INFO(address);
    refused({std::string{"--http-address="} + address},
            "http-address: without tokens (http-token-file)");
    refused({std::string{"--node-address="} + address}, "node-address:");
  }
  // A name that only looks like loopback.
  refused({"--node-address=127.0.0.1.example.com"}, "node-address:");
  refused({"--http-address=0.0.0.0", "--node-address=0.0.0.0",
           "--http-token-file=tokens"},
          "node-address:");
}

TEST_CASE("a node that is open to all says so in its log") {
  temp_dir dir;
  {
    temp_dir other;
    node_process node{other.path(), {"--http-address=0.0.0.0", "--insecure"}};
    CHECK(node.log().find("insecure: ") != std::string::npos);
  }
  write_private(dir.path() / "tokens", "ci " + secret + " enqueue\n");
  node_process node{dir.path(),
                    {"--http-address=0.0.0.0", "--http-token-file=tokens"}};
  node.send(401, "GET", "/v1/queues");
  CHECK(node.log().find("insecure: ") == std::string::npos);
  CHECK(node.log().find("not encrypted") != std::string::npos);
}
