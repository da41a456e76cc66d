#include "runtime/command_line.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace muster;

namespace {

using words = std::vector<std::string>;
using raw_words = std::vector<const char*>;

struct sample {
  bool flag = false;
  std::string text;
  std::uint16_t port = 1;

  caf::config_option_set options() {
    caf::config_option_set result;
    result.add(flag, "flag", "a flag")
      .add(text, "text", "a text")
      .add(port, "port", "a port");
    return result;
  }

  std::string problem_with(const raw_words& args) {
    auto result = parse_options(options(), args);
    return result ? "none" : result.error().message;
  }
};

} // namespace

TEST_CASE("options and arguments may be mixed") {
  sample to;
  raw_words args{"first", "--text=a b", "-", "--flag", "--port=9", "last"};
  auto positional = parse_options(to.options(), args);
  REQUIRE(positional);
  CHECK(*positional == words{"first", "-", "last"});
  CHECK(to.flag);
  CHECK(to.text == "a b");
  CHECK(to.port == 9);
}

TEST_CASE("what follows two dashes is no option") {
  sample to;
  raw_words args{"--flag=true", "--", "--text=x", "--help"};
  auto positional = parse_options(to.options(), args);
  REQUIRE(positional);
  CHECK(*positional == words{"--text=x", "--help"});
  CHECK(to.flag);
  CHECK(to.text.empty());
  CHECK(!wants_help(args));
  CHECK(wants_help(raw_words{"x", "--help"}));
  CHECK(wants_help(raw_words{"-h"}));
}

TEST_CASE("a flag can be denied") {
  sample to;
  raw_words args{"--flag=false"};
  REQUIRE(parse_options(to.options(), args));
  CHECK(!to.flag);
}

TEST_CASE("a wrong option is told with its name and the rule") {
  sample to;
  CHECK(to.problem_with({"--no-such=1"}) == "there is no option '--no-such'");
  CHECK(to.problem_with({"--port=x"})
        == "port must be a whole number of 0 to 65535, and 'x' is not");
  CHECK(to.problem_with({"--port=65536"})
        == "port must be a whole number of 0 to 65535, and '65536' is not");
  CHECK(to.problem_with({"--port="}).find("port") != std::string::npos);
  CHECK(to.problem_with({"--flag=maybe"}).find("flag") != std::string::npos);
}

TEST_CASE("lists are split at commas") {
  CHECK(split_list("").empty());
  CHECK(split_list(" , ,").empty());
  CHECK(split_list("a") == words{"a"});
  CHECK(split_list(" a b ,c,,d ") == words{"a b", "c", "d"});
}

TEST_CASE("sizes are read with their units, and nothing else is") {
  CHECK(parse_size("x", "0") == std::size_t{0});
  CHECK(parse_size("x", "4096") == std::size_t{4'096});
  CHECK(parse_size("x", "7B") == std::size_t{7});
  CHECK(parse_size("x", "64KiB") == std::size_t{64} << 10);
  CHECK(parse_size("x", "16MiB") == std::size_t{16} << 20);
  CHECK(parse_size("x", "3GiB") == std::size_t{3} << 30);
  CHECK(parse_size("x", "1TiB") == std::size_t{1} << 40);
  for (auto wrong : {"", "MiB", "-1", "1.5GiB", "1 MiB", "1MB", "1mib",
                     "18446744073709551616", "16777216TiB"}) {
    INFO(wrong);
    auto size = parse_size("map-size", wrong);
    REQUIRE(!size);
    CHECK(size.error().message.starts_with("map-size must be a size"));
  }
}
