#include "runtime/shell_call.hpp"
#include "runtime/shell_completion.hpp"
#include "runtime/shell_help.hpp"
#include "runtime/shell_history.hpp"
#include "runtime/shell_requests.hpp"
#include "runtime/shell_screen.hpp"
#include "runtime/shell_table.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_words.hpp"
#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <sys/stat.h>

using namespace muster;

namespace {

using commands = std::vector<shell_words>;

commands split(std::string_view line) {
  auto result = split_commands(line);
  REQUIRE(result);
  return *result;
}

shell_call call_of(std::string_view line) {
  auto words = split(line);
  REQUIRE(words.size() == 1);
  auto result = parse_call(words.front());
  INFO(line);
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return *result;
}

std::string complaint_about(std::string_view line) {
  auto result = parse_call(split(line).front());
  INFO(line);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == errc::invalid_argument);
  return result.error().message;
}

std::string target_of(std::string_view line) {
  auto request = to_request(call_of(line));
  REQUIRE(request);
  return request->method + " " + request->target
         + (request->body.empty() ? "" : " " + request->body);
}

/// Live names of a cluster.
std::vector<std::string> names(word_kind kind) {
  switch (kind) {
    case word_kind::queue:
      return {"mail", "mail-dead", "letters"};
    case word_kind::node:
      return {"my node", "my nodule", "ab\x1b[2J", "größe", "größte"};
    default:
      return {};
  }
}

screen narrow(std::size_t width) {
  screen result;
  result.width = width;
  return result;
}

} // namespace

TEST_CASE("a line is split into commands and words") {
  CHECK(split("") == commands{});
  CHECK(split("  ;; # nothing") == commands{});
  CHECK(split("jobs mail --limit=3")
        == commands{{"jobs", "mail", "--limit=3"}});
  CHECK(split("nodes;tree ; queues;")
        == commands{{"nodes"}, {"tree"}, {"queues"}});
  CHECK(split("enqueue a 'x;  y' # why")
        == commands{{"enqueue", "a", "x;  y"}});
  CHECK(split(R"(a "b \"c\" \\" d\ e f'g'h '')")
        == commands{{"a", R"(b "c" \)", "d e", "fgh", ""}});
  CHECK(split("a#b") == commands{{"a#b"}});
  CHECK_FALSE(split_commands("a 'b"));
  CHECK_FALSE(split_commands("a \"b"));
}

TEST_CASE("a quoted word is read back as it was") {
  std::mt19937 random{7};
  for (int round = 0; round < 2'000; ++round) {
    std::string word;
    for (auto n = random() % 8; n > 0; --n)
      word.push_back("ab \t;#'\"\\-="[random() % 11]);
    auto back = split("x " + quote_word(word));
    CHECK(back == commands{{"x", word}});
  }
}

TEST_CASE("text from elsewhere cannot steer a terminal") {
  CHECK(printable("plain größe 日本") == "plain größe 日本");
  CHECK(printable("a\x1b[31mb\r\n\t\x7f") == "a\\x1b[31mb\\r\\n\\t\\x7f");
  CHECK(printable(std::string_view{"\0", 1}) == "\\x00");
  CHECK(printable("\xc2\x9b"
                  "31m")
        == "\\u{9b}31m");
  CHECK(printable("\xe2\x80\xae"
                  "abc")
        == "\\u{202e}abc");
  CHECK(printable("\xff\xc3(\xed\xa0\x80") == "\\xff\\xc3(\\xed\\xa0\\x80");
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  std::mt19937 random{11};
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes;
    for (auto n = random() % 20; n > 0; --n)
      bytes.push_back(static_cast<char>(random()));
    auto shown = printable(bytes);
    CHECK(std::none_of(shown.begin(), shown.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    }));
    CHECK(printable(shown) == shown);
  }
}

TEST_CASE("widths are those of a terminal's columns") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("größe") == 5);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(display_width("🎉") == 2);
  CHECK(fit("größer", 6, true) == "größer");
  CHECK(fit("größer", 4, true) == "grö…");
  CHECK(fit("größer", 4, false) == "grö~");
  CHECK(fit("日本語", 4, true) == "日…");
  CHECK(fit("abc", 0, true).empty());
  CHECK(fit("abc", 1, true) == "…");
}

TEST_CASE("long values are wrapped at blanks where there are some") {
  using lines = std::vector<std::string>;
  CHECK(wrap("", 10) == lines{""});
  CHECK(wrap("one two three", 8) == lines{"one two", "three"});
  CHECK(wrap("abcdefghij", 4) == lines{"abcd", "efgh", "ij"});
  for (auto& line : wrap("日本語日本語 x 日本", 5))
    CHECK(display_width(line) <= 5);
}

TEST_CASE("bytes are shown as text or as a dump") {
  CHECK(show_bytes("one\r\ntwo\x1b\n\nlast") == "one\ntwo\\x1b\n\nlast\n");
  CHECK(show_bytes("").empty());
  CHECK(show_bytes(std::string_view{"A\0\xff", 3})
        == "00000000  41 00 ff"
           "                                          |A..|\n");
  // A character that the end has cut does not make it binary.
  CHECK(is_text("größe gr\xc3"));
  CHECK_FALSE(is_text("\xff\xfe"));
}

TEST_CASE("a table fits its screen") {
  text_table table{{{"NAME", false, true}, {"N", true}, {"NOTE", false, true}}};
  table.add({{"a"}, {"1"}, {""}});
  table.add(
    {{"a-very-long-name-of-a-queue"}, {"12,345"}, {"größer als nötig"}});
  CHECK(table.render({})
        == "NAME                              N  NOTE\n"
           "a                                 1  -\n"
           "a-very-long-name-of-a-queue  12,345  "
           "größer als nötig\n");
  CHECK(table.render(narrow(36))
        == "NAME                N  NOTE\n"
           "a                   1  -\n"
           "a-very-long-…  12,345  größer als n…\n");
  for (std::size_t width = 1; width < 60; ++width) {
    auto text = table.render(narrow(width));
    while (!text.empty()) {
      CHECK(display_width(text.substr(0, text.find('\n'))) <= width);
      text.erase(0, text.find('\n') + 1);
    }
  }
  CHECK(table.render({}, 1).find("12,345") == std::string::npos);
}

TEST_CASE("a table leaves spare columns out before it cuts others") {
  text_table table{{{"NAME", false, true},
                    {"A", true, false, true},
                    {"B", true, false, true},
                    {"C", true}}};
  table.add({{"a-long-name"}, {"1"}, {"2"}, {"3"}});
  CHECK(table.render(narrow(20))
        == "NAME         A  B  C\n"
           "a-long-name  1  2  3\n");
  CHECK(table.render(narrow(19))
        == "NAME         A  C\n"
           "a-long-name  1  3\n");
  CHECK(table.render(narrow(12))
        == "NAME       C\n"
           "a-long-n…  3\n");
}

TEST_CASE("fields wrap below themselves, and empty ones are left out") {
  field_list fields;
  fields.add("state", "dead", tone::bad);
  fields.add("worker", "");
  fields.add("error", "the printer is out of paper again");
  CHECK(fields.render(narrow(30))
        == "state  dead\n"
           "error  the printer is out of\n"
           "       paper again\n");
  screen coloured;
  coloured.colour = true;
  CHECK(fields.render(coloured).starts_with(
    "\x1b[2mstate\x1b[0m  \x1b[31mdead\x1b[0m\n"));
}

TEST_CASE("colour and width follow the terminal and its environment") {
  auto usual = describe_screen({"xterm", nullptr, nullptr, nullptr, "C.UTF-8"},
                               true, 100, 30);
  CHECK(usual.colour);
  CHECK(usual.unicode);
  CHECK(usual.steerable);
  CHECK(usual.width == 100);
  CHECK_FALSE(describe_screen({"xterm", "1"}, true, 80, 24).colour);
  CHECK(describe_screen({"xterm", ""}, true, 80, 24).colour);
  CHECK_FALSE(describe_screen({"dumb"}, true, 80, 24).colour);
  CHECK_FALSE(describe_screen({"dumb"}, true, 80, 24).steerable);
  CHECK_FALSE(describe_screen({nullptr}, true, 80, 24).steerable);
  CHECK_FALSE(
    describe_screen({"xterm", nullptr, "C", nullptr, "C.UTF-8"}, true, 80, 24)
      .unicode);
  auto pipe = describe_screen({"xterm"}, false, 0, 0);
  CHECK_FALSE(pipe.colour);
  CHECK(pipe.width == 0);
  CHECK(pipe.unicode);
  CHECK(describe_screen({"xterm"}, true, 0, 0).width == 80);
}

TEST_CASE("a command's options may stand anywhere and be written both ways") {
  for (auto line : {"jobs --state=dead mail --limit 5",
                    "jobs mail --limit=5 --state dead"}) {
    auto call = call_of(line);
    CHECK(call.argument(0) == "mail");
    CHECK(call.option_or("state", "") == "dead");
    CHECK(call.option_or("limit", "100") == "5");
    CHECK(call.option("after") == nullptr);
  }
  CHECK(call_of("enqueue q -- --limit=3").argument(1) == "--limit=3");
  CHECK(call_of("result 7 --all").option("all") != nullptr);
  CHECK(call_of("trace node/manager 5/1s").argument(1) == "5/1s");
}

TEST_CASE("what is wrong with a command is said in a sentence") {
  CHECK(complaint_about("jbos").find("did you mean jobs?")
        != std::string::npos);
  CHECK(complaint_about("xyzzy").find("try help") != std::string::npos);
  CHECK(complaint_about("jobs")
        == "QUEUE is missing; usage: jobs QUEUE "
           "[--state=STATE] [--limit=N] "
           "[--after=CURSOR]");
  CHECK(
    complaint_about("jobs a b").starts_with("'b' is one argument too many"));
  CHECK(complaint_about("jobs a --state=sick").find("none of scheduled, ready")
        != std::string::npos);
  CHECK(complaint_about("jobs a --limit=1001").find("1 to 1000")
        != std::string::npos);
  CHECK(complaint_about("jobs a --limit").starts_with("--limit needs a value"));
  CHECK(complaint_about("jobs a --limit=1 --limit=2")
        == "--limit is given twice");
  CHECK(complaint_about("jobs a --colour=1").starts_with("jobs has no option"));
  CHECK(complaint_about("jobs 'a b'").find("is no name") != std::string::npos);
  CHECK(complaint_about("job x").find("no job's id") != std::string::npos);
  CHECK(complaint_about("result 1 --all=yes") == "--all: it takes no value");
  CHECK(complaint_about("result 1 --wait=soon").find("no duration")
        != std::string::npos);
  CHECK(complaint_about("trace a 0").find("no number of messages")
        != std::string::npos);
  CHECK(complaint_about("trace a 5/x").find("no duration")
        != std::string::npos);
  CHECK(complaint_about("'\x1b[2J'").find('\x1b') == std::string::npos);
}

TEST_CASE("every command has a usage, a purpose and an example that is right") {
  for (auto& command : shell_commands()) {
    INFO(command.name);
    CHECK_FALSE(command.purpose.empty());
    CHECK_FALSE(command.examples.empty());
    for (auto example : command.examples)
      CHECK(call_of(example).command == &command);
    auto text = help_on(command, {});
    CHECK(text.starts_with(usage_of(command)));
    CHECK(text.find(command.examples.front()) != std::string::npos);
    CHECK(help_overview({}).find(command.name) != std::string::npos);
    CHECK(find_command(command.name) == &command);
  }
}

TEST_CASE("help fits a terminal of 80 columns") {
  auto check = [](std::string text) {
    while (!text.empty()) {
      auto line = text.substr(0, text.find('\n'));
      INFO(line);
      CHECK(display_width(line) <= 80);
      text.erase(0, line.size() + 1);
    }
  };
  check(help_overview(narrow(80)));
  for (auto& command : shell_commands())
    if (command.name != "enqueue" && command.name != "top")
      check(help_on(command, narrow(80)));
}

TEST_CASE("the reference has every command as it is written") {
  std::ifstream in{MUSTER_SOURCE_DIR "/docs/reference/shell.md"};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  for (auto& command : shell_commands()) {
    auto usage = usage_of(command);
    for (auto at = usage.find('|'); at != usage.npos;
         at = usage.find('|', at + 2))
      usage.insert(at, "\\");
    INFO(usage);
    CHECK(text.find("| `" + usage + "` | ") != std::string::npos);
    CHECK(text.find(command.purpose) != std::string::npos);
  }
}

TEST_CASE("commands become requests") {
  CHECK(target_of("nodes") == "GET /v1/nodes");
  CHECK(target_of("tree") == "GET /v1/supervisors");
  CHECK(target_of("tree a/b") == "GET /v1/supervisors?node=a%2Fb");
  CHECK(target_of("actors --node='x y'")
        == "GET /v1/actors?sort=mailbox&limit=100&node=x%20y");
  CHECK(target_of("top --every=2s")
        == "GET /v1/actors?sort=busy&limit=100&window=2s");
  CHECK(target_of("state node/worker --node=w")
        == "GET /v1/actors/node%2Fworker/state?node=w");
  CHECK(target_of("kill node/worker") == "POST /v1/actors/node%2Fworker/kill");
  CHECK(target_of("jobs mail --state=dead")
        == "GET /v1/queues/mail/jobs?state=dead&limit=100");
  CHECK(target_of("leases --queue=a --worker=b --limit=3")
        == "GET /v1/leases?queue=a&worker=b&limit=3");
  CHECK(target_of("result 7 --wait=5s") == "GET /v1/jobs/7/result?wait=5s");
  CHECK(target_of("cancel 7") == "DELETE /v1/jobs/7");
  CHECK(target_of("retry 7") == "POST /v1/jobs/7/retry");
  CHECK(target_of("purge mail dead")
        == "DELETE /v1/queues/mail/jobs?state=dead");
  CHECK(target_of("pause mail") == R"(PATCH /v1/queues/mail {"paused":true})");
  CHECK(target_of("resume mail")
        == R"(PATCH /v1/queues/mail {"paused":false})");
  CHECK(target_of("drain w") == "POST /v1/nodes/w/drain");
}

TEST_CASE("settings are sent as their type asks for") {
  CHECK(target_of("set q max_depth 10")
        == R"(PATCH /v1/queues/q {"max_depth":10})");
  CHECK(target_of("set q rate 2.5") == R"(PATCH /v1/queues/q {"rate":2.5})");
  CHECK(target_of("set q retention 2h")
        == R"(PATCH /v1/queues/q {"retention":"2h"})");
  CHECK(target_of("set q backoff.min 5s")
        == R"(PATCH /v1/queues/q {"backoff":{"min":"5s"}})");
  CHECK(target_of("set q dead_letter none")
        == R"(PATCH /v1/queues/q {"dead_letter":null})");
  CHECK(target_of("set q dead_letter other")
        == R"(PATCH /v1/queues/q {"dead_letter":"other"})");
  for (auto line :
       {"set q max_depth -1", "set q rate fast", "set q rate 1e9999",
        "set q rate nan", "set q paused 1", "set q retention 5",
        "set q dead_letter 'a b'", "set q rate '1,\"x\":2'"})
    CHECK_FALSE(to_request(call_of(line)));
}

TEST_CASE("traces and jobs carry their options") {
  CHECK(trace_request(call_of("trace node/manager")).body
        == R"({"limit":10,"for":"30s"})");
  auto trace = trace_request(call_of("trace a 5/1s --for=1m --node=n"));
  CHECK(trace.body == R"({"limit":5,"per":"1s","for":"1m"})");
  CHECK(trace.target == "/v1/actors/a/traces?node=n");
  auto job = enqueue_request(
    call_of("enqueue q x --handler=h --priority=7 --max-attempts=2"), "x", "k");
  CHECK(job.target == "/v1/queues/q/jobs?handler=h&priority=7&max_attempts=2");
  CHECK(log_request(call_of("log")).target == "/v1/log?level=info");
  CHECK(log_request(call_of("log error --node='x y'")).target
        == "/v1/log?level=error&node=x%20y");
  auto level = log_level_request(call_of("log --set=debug --node=n"));
  CHECK(level.method + level.target == "PUT/v1/log?node=n");
  CHECK(level.body == R"({"level":"debug"})");
  CHECK(call_of("log --set=debug").change() == "log --set");
  CHECK(call_of("log debug").change().empty());
  CHECK(call_of("pause q").change() == "pause");
  CHECK(job.headers == http_headers{{"Idempotency-Key", "k"}});
}

TEST_CASE("the tab key completes commands, names, options and their values") {
  auto all
    = [](std::string_view left) { return complete(left, names).candidates; };
  using list = std::vector<std::string>;
  auto becomes = [](std::string_view left) {
    auto found = complete(left, names);
    return std::string{left.substr(0, found.begin)} + found.replacement;
  };
  CHECK(all("que") == list{"queue", "queues"});
  CHECK(becomes("que") == "queue");
  CHECK(becomes("nod") == "nodes ");
  CHECK(becomes("nodes; queue let") == "nodes; queue letters ");
  CHECK(all("queue mail") == list{"mail", "mail-dead"});
  CHECK(becomes("queue ma") == "queue mail");
  // Where nothing is typed and nothing is common, nothing is added.
  CHECK(becomes("queue ") == "queue ");
  CHECK(becomes("queue \"") == "queue \"");
  CHECK(becomes("purge mail de") == "purge mail dead ");
  CHECK(becomes("jobs mail --sta") == "jobs mail --state=");
  CHECK(becomes("jobs mail --state=de") == "jobs mail --state=dead ");
  CHECK(becomes("jobs mail --state de") == "jobs mail --state dead ");
  CHECK(all("jobs mail --limit=3 --") == list{"--after=", "--state="});
  CHECK(all("jobs mail ") == list{"--after=", "--limit=", "--state="});
  CHECK(becomes("result 7 --al") == "result 7 --all ");
  CHECK(all("log --set=")
        == list{"--set=debug", "--set=error", "--set=info", "--set=warning"});
  CHECK(all("xyzzy a").empty());
  CHECK(all("jobs mail dead x").empty());
  // Names with blanks are quoted, and go on within the quote.
  CHECK(becomes("tree my") == "tree \"my nod");
  CHECK(becomes("tree \"my node") == "tree \"my node\" ");
  // A name that would steer the terminal is none.
  CHECK(all("tree ab").empty());
  // No character is cut in two.
  CHECK(becomes("tree g") == "tree größ");
  CHECK(all("help ena") == list{"enable"});
}

TEST_CASE("the history is its owner's alone and keeps the latest lines") {
  temp_dir dir;
  auto file = dir.path() / "state" / "muster" / "shell_history";
  auto mode_of = [](const std::filesystem::path& path) {
    struct stat facts {};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    return facts.st_mode & 0777;
  };
  {
    shell_history history{file};
    CHECK(history.add("nodes"));
    CHECK_FALSE(history.add("nodes"));
    CHECK_FALSE(history.add(""));
    CHECK_FALSE(history.add(" secret"));
    CHECK(history.add("queues"));
  }
  CHECK(mode_of(file) == 0600);
  CHECK(mode_of(file.parent_path()) == 0700);
  {
    shell_history one{file};
    shell_history two{file};
    CHECK(one.lines() == std::vector<std::string>{"nodes", "queues"});
    CHECK(one.add("tree"));
    CHECK(two.add("workers"));
  }
  CHECK(shell_history{file}.lines()
        == std::vector<std::string>{"nodes", "queues", "tree", "workers"});
  ::chmod(file.c_str(), 0644);
  {
    shell_history history{file};
    for (int i = 0; i < 2'500; ++i)
      CHECK(history.add("line " + std::to_string(i)));
  }
  CHECK(mode_of(file) == 0600);
  shell_history shortened{file};
  CHECK(shortened.lines().size() == shell_history::most_lines);
  CHECK(shortened.lines().back() == "line 2499");
  CHECK(std::filesystem::file_size(file) < 12'000);
  CHECK(mode_of(file) == 0600);
}

TEST_CASE("a history without a file is kept in memory") {
  shell_history nowhere{{}};
  CHECK(nowhere.add("nodes"));
  shell_history unwritable{"/proc/no/such/place"};
  CHECK(unwritable.add("nodes"));
}
