#include "runtime/shell_commands.hpp"

#include <algorithm>
#include <numeric>

namespace muster {

namespace {

using enum word_kind;

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto corner = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      auto changed = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, corner + 1});
    }
  }
  return row.back();
}

} // namespace

const command_spec* find_command(std::string_view name) {
  for (auto& each : shell_commands())
    if (each.name == name)
      return &each;
  return nullptr;
}

std::string_view nearest_command(std::string_view name) {
  constexpr std::size_t near = 2;
  std::string_view result;
  auto least = std::min(near + 1, name.size());
  for (auto& each : shell_commands())
    if (auto far = distance(name, each.name); far < least) {
      least = far;
      result = each.name;
    }
  return result;
}

const std::vector<std::string_view>& words_of(word_kind kind) {
  using list = std::vector<std::string_view>;
  static const list none;
  static const list states{"scheduled", "ready", "leased",
                           "succeeded", "dead",  "cancelled"};
  static const list purged{"scheduled", "ready", "succeeded", "dead",
                           "cancelled"};
  static const list levels{"debug", "info", "warning", "error"};
  static const list sortings{"mailbox", "busy", "messages", "name"};
  static const list settings{"paused",      "max_depth",      "max_running",
                             "rate",        "retention",      "backoff.min",
                             "backoff.max", "backoff.factor", "backoff.jitter",
                             "dead_letter"};
  static const list commands = [] {
    list result;
    for (auto& each : shell_commands())
      result.push_back(each.name);
    return result;
  }();
  switch (kind) {
    case job_state:
      return states;
    case final_state:
      return purged;
    case log_level:
      return levels;
    case sorting:
      return sortings;
    case setting:
      return settings;
    case command:
      return commands;
    default:
      return none;
  }
}

std::string usage_of(const command_spec& command) {
  std::string result{command.name};
  for (auto& each : command.arguments) {
    result += each.optional ? " [" : " ";
    result += each.name;
    result += each.optional ? "]" : "";
  }
  for (auto& each : command.options) {
    result.append(" [--").append(each.name);
    switch (each.kind) {
      case flag:
        break;
      case count:
      case number:
      case priority:
        result += "=N";
        break;
      case duration:
        result += "=DURATION";
        break;
      case size:
        result += "=SIZE";
        break;
      case text:
        result += each.name == "file" ? "=FILE" : "=CURSOR";
        break;
      case sorting:
        result += "=KEY";
        break;
      case queue:
        result += "=QUEUE";
        break;
      case job_state:
        result += "=STATE";
        break;
      case log_level:
        result += "=LEVEL";
        break;
      default:
        result += "=NAME";
        break;
    }
    result += "]";
  }
  return result;
}

} // namespace muster
