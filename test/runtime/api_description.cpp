#include "test/runtime/api_description.hpp"

#include "test/runtime/yaml_reader.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>

namespace muster {

namespace {

using nlohmann::json;

/// Of HTTP itself: any request can be answered so.
constexpr std::array transport_statuses{401, 403, 405, 408, 413, 417, 431, 501};

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> result;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto end = std::min(path.find('/'), path.size());
    result.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return result;
}

bool fits(std::string_view pattern, std::string_view path) {
  auto lhs = segments(pattern);
  auto rhs = segments(path);
  return std::equal(lhs.begin(), lhs.end(), rhs.begin(), rhs.end(),
                    [](std::string_view a, std::string_view b) {
                      return a == b || (a.starts_with('{') && !b.empty());
                    });
}

bool is_of_type(const json& value, const std::string& type) {
  if (type == "object")
    return value.is_object();
  if (type == "array")
    return value.is_array();
  if (type == "string")
    return value.is_string();
  if (type == "integer")
    return value.is_number_integer();
  if (type == "number")
    return value.is_number();
  if (type == "boolean")
    return value.is_boolean();
  return type == "null" && value.is_null();
}

} // namespace

const api_description& api_description::get() {
  static const api_description instance;
  return instance;
}

api_description::api_description() {
  std::ifstream file{MUSTER_SOURCE_DIR "/docs/openapi.yaml"};
  if (!file)
    throw std::runtime_error{"docs/openapi.yaml cannot be read"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  root_ = read_yaml(text);
  for (auto& [path, item] : root_.at("paths").items()) {
    for (auto& [name, facts] : item.items()) {
      if (name == "parameters")
        continue;
      operation result{name, path, facts, {}};
      std::transform(name.begin(), name.end(), result.method.begin(),
                     [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      for (auto* list : {&item, &facts})
        for (auto& parameter : list->value("parameters", json::array()))
          result.parameters.push_back(resolve(parameter));
      if (facts.contains("requestBody"))
        result.facts["requestBody"] = resolve(facts.at("requestBody"));
      operations_.push_back(std::move(result));
    }
  }
}

const json& api_description::resolve(const json& node) const {
  if (!node.contains("$ref"))
    return node;
  auto where = node.at("$ref").get<std::string>().substr(1);
  return resolve(root_.at(json::json_pointer{where}));
}

const api_description::operation*
api_description::find(std::string_view method, std::string_view target) const {
  auto path = target.substr(0, target.find('?'));
  if (method == "HEAD")
    method = "GET";
  for (auto& each : operations_)
    if (each.method == method && fits(each.path, path))
      return &each;
  return nullptr;
}

std::vector<std::string>
api_description::faults(std::string_view method, std::string_view target,
                        const http_reply& reply) const {
  std::vector<std::string> result;
  auto type = std::string{reply.header("Content-Type").value_or("")};
  type = type.substr(0, type.find(';'));
  auto status = std::to_string(reply.status);
  if (reply.status >= 400 && type != "application/problem+json")
    result.push_back(status + " comes as '" + type + "'");
  if ((reply.status == 429 || reply.status == 503)
      && !reply.header("Retry-After"))
    result.push_back(status + " without Retry-After");
  auto* known = find(method, target);
  json responses = known ? known->facts.at("responses") : json::object();
  json schema;
  if (responses.contains(status)) {
    auto described = resolve(responses.at(status));
    if (reply.body.empty())
      return result;
    if (!described.at("content").contains(type)) {
      result.push_back(status + ": the content type " + type
                       + " is not described");
      return result;
    }
    schema = described.at("content").at(type).value("schema", json{});
  } else if (known && reply.status != 500
             && std::find(transport_statuses.begin(), transport_statuses.end(),
                          reply.status)
                  == transport_statuses.end()) {
    result.push_back("the status " + status + " is not described");
  } else if (reply.status == 500) {
    result.push_back("a bug: " + reply.body);
  }
  if (schema.is_null() && reply.status >= 400 && !reply.body.empty())
    schema = root_.at("/components/schemas/Problem"_json_pointer);
  if (!schema.is_null()) {
    auto value = json::parse(reply.body, nullptr, false);
    if (value.is_discarded())
      result.push_back("this is not JSON: " + reply.body);
    else
      check(schema, value, status, result);
  }
  return result;
}

std::vector<std::string> api_description::faults(const json& schema,
                                                 const json& value) const {
  std::vector<std::string> result;
  check(schema, value, "value", result);
  return result;
}

void api_description::check(const json& schema, const json& value,
                            const std::string& where,
                            std::vector<std::string>& out) const {
  auto fault = [&](const std::string& what) {
    out.push_back(where + " = " + value.dump() + ": " + what);
  };
  if (schema.contains("$ref"))
    check(resolve(schema), value, where, out);
  if (schema.contains("type")) {
    auto types = schema.at("type");
    if (types.is_string())
      types = json::array({types});
    if (std::none_of(types.begin(), types.end(), [&value](auto& type) {
          return is_of_type(value, type.template get<std::string>());
        }))
      fault("expected " + types.dump());
  }
  if (schema.contains("enum")) {
    auto& allowed = schema.at("enum");
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
      fault("not one of " + allowed.dump());
  }
  if (schema.contains("const") && value != schema.at("const"))
    fault("expected " + schema.at("const").dump());
  if (value.is_number()) {
    if (schema.contains("minimum") && value < schema.at("minimum"))
      fault("too small");
    if (schema.contains("maximum") && value > schema.at("maximum"))
      fault("too large");
  }
  if (value.is_string() && schema.contains("pattern")
      && value.get_ref<const std::string&>().size() < 1'000
      && !std::regex_match(value.get<std::string>(),
                           std::regex{schema.at("pattern").get<std::string>()}))
    fault("does not match " + schema.at("pattern").get<std::string>());
  if (value.is_array() && schema.contains("items"))
    for (auto& item : value)
      check(schema.at("items"), item, where + "[]", out);
  if (value.is_object())
    check_object(schema, value, where, out);
}

void api_description::check_object(const json& schema, const json& value,
                                   const std::string& where,
                                   std::vector<std::string>& out) const {
  for (auto& name : schema.value("required", json::array()))
    if (!value.contains(name.get<std::string>()))
      out.push_back(where + ": " + name.get<std::string>() + " is missing");
  auto properties = schema.value("properties", json::object());
  for (auto& [name, member] : value.items()) {
    if (properties.contains(name))
      check(properties.at(name), member, where + "." + name, out);
    else if (schema.contains("additionalProperties"))
      out.push_back(where + "." + name + " is not described");
  }
}

} // namespace muster
