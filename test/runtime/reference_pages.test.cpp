#include "runtime/node_config.hpp"
#include "runtime/problem.hpp"
#include "runtime/routes.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace muster;

// What docs/reference says of settings, errors and routes is what there is.

namespace {

using row = std::vector<std::string>;

std::string trimmed(const std::string& text) {
  auto begin = text.find_first_not_of(' ');
  return begin == std::string::npos
           ? ""
           : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

/// The rows of a page's tables whose header's first cell is `head`.
std::vector<row> table_of(const std::string& page, const std::string& head) {
  std::ifstream in{std::string{MUSTER_SOURCE_DIR "/docs/reference/"} + page};
  std::vector<row> result;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('|')) {
      inside = false;
      continue;
    }
    row cells;
    std::istringstream rest{line.substr(1)};
    for (std::string cell; std::getline(rest, cell, '|');)
      cells.push_back(trimmed(cell));
    if (inside && !cells.front().starts_with("---"))
      result.push_back(std::move(cells));
    else if (cells.front() == head)
      inside = true;
  }
  return result;
}

/// What stands between backquotes.
std::vector<std::string> code_in(const std::string& cell) {
  std::vector<std::string> result;
  std::istringstream in{cell};
  bool inside = false;
  for (std::string part; std::getline(in, part, '`'); inside = !inside)
    if (inside)
      result.push_back(part);
  return result;
}

/// What a setting is if nobody says otherwise: CAF hides an option's value, so
/// the source is asked.
std::map<std::string, std::string> defaults_of_the_program() {
  std::ifstream in{MUSTER_SOURCE_DIR "/runtime/node_config.hpp"};
  std::map<std::string, std::string> result;
  bool inside = false;
  const std::regex field{R"re( +[a-z0-9_:]+ ([a-z_]+)(?: = "?([^"]*)"?)?;)re"};
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with("struct raw_settings {"))
      inside = true;
    else if (inside && line.ends_with("};"))
      break;
    std::smatch parts;
    if (!inside || !std::regex_match(line, parts, field))
      continue;
    auto name = parts[1].str();
    auto value = parts[2].str();
    std::replace(name.begin(), name.end(), '_', '-');
    std::erase(value, '\'');
    result[name] = value;
  }
  return result;
}

/// Every setting that is not CAF's.
std::set<std::string> settings_of_the_program() {
  register_message_types();
  node_config config;
  std::set<std::string> result;
  for (auto& option : config.custom_options()) {
    auto view = option.long_name();
    std::string name{view.begin(), view.end()};
    if (option.category() == "global" && name != "help" && name != "long-help"
        && name != "dump-config")
      result.insert(name);
  }
  return result;
}

std::string_view word_of(body_limit limit) {
  switch (limit) {
    case body_limit::text:
      return "text";
    case body_limit::payload:
      return "payload";
    case body_limit::result:
      return "result";
    case body_limit::batch:
      return "batch";
    case body_limit::none:
      break;
  }
  return "none";
}

} // namespace

TEST_CASE("the page on configuration has every setting with its default") {
  auto named = settings_of_the_program();
  REQUIRE(named.size() > 40);
  // In a file only, with names of their users' choice.
  named.insert({"exec.handlers.NAME", "http.tokens.NAME"});
  auto defaults = defaults_of_the_program();
  std::set<std::string> described;
  for (auto& cells : table_of("configuration.md", "setting")) {
    auto name = code_in(cells.at(0)).at(0);
    INFO(name);
    CHECK(described.insert(name).second);
    CHECK(!cells.at(2).empty());
    // A default in words stands for one that is worked out at the start.
    auto value = defaults[name];
    if (cells.at(1).starts_with('`'))
      CHECK(code_in(cells.at(1)).at(0) == value);
    else
      CHECK((value.empty() || value == "0"));
  }
  CHECK(described == named);
}

TEST_CASE("the page on HTTP has every route with its scope and body") {
  std::set<row> served;
  for (auto& each : all_routes())
    served.insert(row{std::string{each.method} + ' ' + std::string{each.path},
                      std::string{to_string(each.needs)},
                      std::string{word_of(each.limit)}});
  std::set<row> described;
  for (auto& cells : table_of("http.md", "route"))
    for (auto& route : code_in(cells.at(0)))
      described.insert(
        row{route, code_in(cells.at(1)).at(0), code_in(cells.at(2)).at(0)});
  CHECK(described == served);
}

TEST_CASE("the page on HTTP has the status of every error that clients see") {
  std::map<std::string, int> described;
  for (auto& cells : table_of("http.md", "code"))
    described[code_in(cells.at(0)).at(0)] = std::stoi(cells.at(1));
  for (int i = 1; i <= static_cast<int>(last_errc); ++i) {
    auto code = static_cast<errc>(i);
    auto status = status_of(code);
    std::string name{to_string(code)};
    INFO(name);
    auto pos = described.find(name);
    if (pos == described.end()) {
      CHECK(status == 500);
    } else {
      CHECK(pos->second == status);
      described.erase(pos);
    }
  }
  CHECK(described.empty());
}
