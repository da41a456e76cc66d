#include "runtime/shell_completion.hpp"

#include "actors/utf8.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_words.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

std::vector<std::string> names_of(word_kind kind, const name_source& names) {
  auto& fixed = words_of(kind);
  if (!fixed.empty())
    return {fixed.begin(), fixed.end()};
  switch (kind) {
    case word_kind::node:
    case word_kind::queue:
    case word_kind::actor:
    case word_kind::worker:
      return names(kind);
    default:
      return {};
  }
}

/// Which argument comes next, after these words of a command.
std::size_t count_arguments(const command_spec& command,
                            const shell_words& words) {
  std::size_t result = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) {
      ++result;
      continue;
    }
    for (auto& option : command.options)
      if (words[i] == "--" + std::string{option.name}
          && option.kind != word_kind::flag)
        ++i;
  }
  return result;
}

std::vector<std::string> option_words(const command_spec& command,
                                      const shell_words& before,
                                      std::string_view part,
                                      const name_source& names) {
  std::vector<std::string> result;
  auto sign = part.find('=');
  for (auto& option : command.options) {
    auto word = "--" + std::string{option.name};
    if (sign != part.npos) {
      if (part.substr(0, sign) == word)
        for (auto& value : names_of(option.kind, names))
          result.push_back(word + '=' + value);
      continue;
    }
    auto given = std::any_of(before.begin(), before.end(), [&](auto& each) {
      return each == word || each.starts_with(word + '=');
    });
    if (!given)
      result.push_back(option.kind == word_kind::flag ? word : word + '=');
  }
  return result;
}

std::vector<std::string> possible_words(const word_at_cursor& at,
                                        const name_source& names) {
  if (at.before.empty())
    return names_of(word_kind::command, names);
  auto* command = find_command(at.before.front());
  if (command == nullptr)
    return {};
  if (at.part.starts_with('-'))
    return option_words(*command, at.before, at.part, names);
  auto& last = at.before.back();
  for (auto& option : command->options)
    if (option.kind != word_kind::flag
        && last == "--" + std::string{option.name})
      return names_of(option.kind, names);
  auto index = count_arguments(*command, at.before);
  if (index < command->arguments.size())
    return names_of(command->arguments[index].kind, names);
  return option_words(*command, at.before, at.part, names);
}

std::string_view common_start(const std::vector<std::string>& words) {
  std::string_view result = words.front();
  for (std::string_view each : words) {
    auto [end, ignored]
      = std::mismatch(result.begin(), result.end(), each.begin(), each.end());
    result = result.substr(0, static_cast<std::size_t>(end - result.begin()));
  }
  // Not within a character.
  return utf8_head(words.front(), result.size());
}

} // namespace

completion complete(std::string_view left, const name_source& names) {
  auto at = find_word(left);
  completion result;
  result.begin = at.begin;
  for (auto& word : possible_words(at, names))
    // A name that cannot be shown as it is cannot be typed either.
    if (word.starts_with(at.part) && printable(word) == word)
      result.candidates.push_back(std::move(word));
  auto& found = result.candidates;
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.empty())
    return result;
  auto start = common_start(found);
  if (start.empty()) {
    result.replacement = left.substr(result.begin);
    return result;
  }
  result.replacement = quote_word(start);
  if (found.size() > 1 && result.replacement.starts_with('"'))
    result.replacement.pop_back();
  else if (found.size() == 1 && !start.ends_with('='))
    result.replacement += ' ';
  return result;
}

} // namespace muster
