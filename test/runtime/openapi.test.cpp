#include "runtime/routes.hpp"
#include "test/runtime/api_description.hpp"
#include "test/runtime/gateway_fixture.hpp"
#include "test/runtime/yaml_reader.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>
#include <string>

using namespace muster;
using nlohmann::json;

namespace {

using operation = api_description::operation;

bool is_in(const json& parameter, std::string_view where) {
  return parameter.at("in") == where;
}

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The path with the things in place that the example is about.
std::string path_for(gateway_fixture& gate, const operation& what) {
  auto path = what.path;
  auto put = [&path](std::string_view name, const std::string& value) {
    if (auto pos = path.find(name); pos != std::string::npos)
      path.replace(pos, name.size(), value);
  };
  put("{queue}", "letters");
  if (path.find("{token}") != std::string::npos) {
    gate.enqueue("leased");
    put("{token}", gate.lease("leased").at("token"));
  }
  put("{name}", path.starts_with("/v1/nodes") ? "press" : "node%2Fworker");
  if (path.find("{id}") != std::string::npos) {
    auto id = gate.enqueue("letters");
    if (what.path.ends_with("/retry")) {
      id = gate.enqueue("dead");
      gate.bury("dead");
    }
    put("{id}", id);
  }
  return path;
}

std::string query_of(const operation& what) {
  std::string result;
  for (auto& parameter : what.parameters)
    if (is_in(parameter, "query"))
      result += (result.empty() ? "?" : "&")
                + parameter.at("name").get<std::string>() + '='
                + text_of(parameter.at("example"));
  return result;
}

http_headers headers_of(const operation& what) {
  http_headers result;
  for (auto& parameter : what.parameters)
    if (is_in(parameter, "header"))
      result.emplace_back(parameter.at("name"), parameter.at("example"));
  return result;
}

} // namespace

TEST_CASE("the description has exactly the gateway's paths and methods") {
  std::set<std::string> described;
  for (auto& each : api_description::get().operations())
    described.insert(each.method + ' ' + each.path);
  std::set<std::string> served;
  for (auto& each : all_routes())
    served.insert(std::string{each.method} + ' ' + std::string{each.path});
  CHECK(described == served);
}

TEST_CASE("the description names the scope that each route needs") {
  for (auto& each : api_description::get().operations()) {
    INFO(each.method << ' ' << each.path);
    auto match = match_route(each.method, each.path);
    REQUIRE(match.found);
    auto needed = to_string(match.found->needs);
    CHECK(each.facts.at("security")
          == (needed == "open" ? json::array() : json{{{"token", {needed}}}}));
  }
}

TEST_CASE("the description names each placeholder of a path") {
  for (auto& each : api_description::get().operations()) {
    INFO(each.method << ' ' << each.path);
    std::set<std::string> named;
    for (auto& parameter : each.parameters)
      if (is_in(parameter, "path"))
        named.insert('{' + parameter.at("name").get<std::string>() + '}');
    std::set<std::string> there;
    for (auto open = each.path.find('{'); open != std::string::npos;
         open = each.path.find('{', open + 1))
      there.insert(
        each.path.substr(open, each.path.find('}', open) - open + 1));
    CHECK(named == there);
  }
}

TEST_CASE("the gateway knows every query parameter of the description") {
  gateway_fixture gate;
  for (auto& each : api_description::get().operations()) {
    auto path = path_for(gate, each);
    for (auto& parameter : each.parameters) {
      if (!is_in(parameter, "query"))
        continue;
      auto name = parameter.at("name").get<std::string>();
      auto reply = gate.send(each.method, path + '?' + name + "=%20");
      INFO(each.method << ' ' << each.path << ": " << reply.body);
      CHECK(reply.body.find("unknown query parameter") == std::string::npos);
    }
  }
}

TEST_CASE("the description's examples succeed") {
  gateway_fixture gate;
  gate.enqueue("letters");
  for (auto& each : api_description::get().operations()) {
    auto content = each.facts.contains("requestBody")
                     ? each.facts.at("requestBody").at("content")
                     : json{{"", json::object()}};
    for (auto& [type, body] : content.items()) {
      if (!type.empty() && !body.contains("example"))
        continue;
      auto headers = headers_of(each);
      if (!type.empty())
        headers.emplace_back("Content-Type", type);
      auto example = body.value("example", json(""));
      auto target = path_for(gate, each) + query_of(each);
      auto reply = gate.send(each.method, target, text_of(example), headers);
      INFO(each.method << ' ' << target << ": " << reply.body);
      CHECK(reply.ok());
      if (type == "application/json")
        for (auto& fault :
             api_description::get().faults(body.at("schema"), example))
          FAIL_CHECK(fault);
    }
  }
}

TEST_CASE("the description's examples of parameters fit their schemas") {
  for (auto& each : api_description::get().operations())
    for (auto& parameter : each.parameters) {
      INFO(each.method << ' ' << each.path << ' ' << parameter.at("name"));
      for (auto& fault : api_description::get().faults(parameter.at("schema"),
                                                       parameter.at("example")))
        FAIL_CHECK(fault);
    }
}

// -- the reader ---------------------------------------------------------------

TEST_CASE("the YAML reader reads what the description is written in") {
  auto value = read_yaml("# comment\n"
                         "a: text: with a colon\n"
                         "'200':\n"
                         "  b: [x, 'y z', 3,\n"
                         "    true]\n"
                         "  empty: {}\n"
                         "\n"
                         "list:\n"
                         "  - name: one\n"
                         "    in: query\n"
                         "  - $ref: '#/x/y'\n"
                         "  - plain\n"
                         "nothing:\n"
                         "block: |\n"
                         "  {\"a\": 1}\n"
                         "\n"
                         "  # kept\n"
                         "folded: >-\n"
                         "  one\n"
                         "  two\n"
                         "number: 1.5\n"
                         "quoted: '1.5'\n"
                         "version: 3.1.0\n");
  CHECK(value
        == json{
          {"a", "text: with a colon"},
          {"200", {{"b", {"x", "y z", 3, true}}, {"empty", json::object()}}},
          {"list",
           {{{"name", "one"}, {"in", "query"}}, {{"$ref", "#/x/y"}}, "plain"}},
          {"nothing", nullptr},
          {"block", "{\"a\": 1}\n\n# kept\n"},
          {"folded", "one two"},
          {"number", 1.5},
          {"quoted", "1.5"},
          {"version", "3.1.0"}});
}

TEST_CASE("the YAML reader refuses what it does not know") {
  for (auto text : {"a: &anchor b", "a: {b: c}", "a: \"b\"", "a: [b", "a: 'b",
                    "just text", "a: b\na: c", "a:\n    b: c\n  d: e"}) {
    INFO(text);
    CHECK_THROWS(read_yaml(text));
  }
}

TEST_CASE("the description's schemas are taken seriously") {
  auto& api = api_description::get();
  auto good = json{{"id", "1"}, {"queue", "q"}, {"state", "ready"}};
  const json schema{{"$ref", "#/components/schemas/EnqueuedJob"}};
  CHECK(api.faults(schema, good).empty());
  for (auto& patch :
       {json{{"id", 1}}, json{{"id", "a"}}, json{{"state", "lost"}},
        json{{"queue", nullptr}}, json{{"more", 1}}}) {
    auto bad = good;
    bad.merge_patch(patch);
    INFO(bad);
    CHECK(api.faults(schema, bad).size() == 1);
  }
}
