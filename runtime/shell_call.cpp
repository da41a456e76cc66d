#include "runtime/shell_call.hpp"

#include "persistence/duration.hpp"
#include "persistence/job.hpp"
#include "runtime/command_line.hpp"
#include "runtime/http_text.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

namespace muster {

namespace {

constexpr std::uint64_t most_rows = 1'000;
/// Of a name, so that a request's head stays small.
constexpr std::size_t longest_name = 1'024;

template <class... Ts>
tl::unexpected<error> invalid(fmt::format_string<Ts...> format, Ts&&... args) {
  return fail_with(errc::invalid_argument,
                   fmt::format(format, std::forward<Ts>(args)...));
}

expected<void> check_number(std::string_view word, std::uint64_t min,
                            std::uint64_t max) {
  auto number = parse_unsigned(word);
  if (number && *number >= min && *number <= max)
    return {};
  return invalid("'{}' is no whole number of {} to {}", printable(word), min,
                 max);
}

/// Reads the words of one call.
class call_reader {
public:
  explicit call_reader(const command_spec& command) {
    call_.command = &command;
  }

  expected<void> read(const shell_words& words) {
    bool only_arguments = false;
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::string_view word = words[i];
      if (only_arguments || !word.starts_with("--")) {
        call_.arguments.emplace_back(word);
        continue;
      }
      word.remove_prefix(2);
      if (word.empty()) {
        only_arguments = true;
        continue;
      }
      auto next = i + 1 < words.size() ? &words[i + 1] : nullptr;
      auto used = read_option(word, next);
      if (!used)
        return tl::unexpected{std::move(used.error())};
      i += *used ? 1 : 0;
    }
    return check_arguments();
  }

  shell_call& call() noexcept {
    return call_;
  }

private:
  /// True if the next word was its value.
  expected<bool> read_option(std::string_view word, const std::string* next) {
    auto sign = word.find('=');
    auto name = word.substr(0, sign);
    auto& known = call_.command->options;
    auto spec = std::find_if(known.begin(), known.end(),
                             [&](auto& each) { return each.name == name; });
    if (spec == known.end())
      return invalid("{} has no option --{}; {}", call_.command->name,
                     printable(name), usage());
    if (call_.option(spec->name) != nullptr)
      return invalid("--{} is given twice", spec->name);
    std::string value;
    auto separate = sign == word.npos && spec->kind != word_kind::flag;
    if (separate && next == nullptr)
      return invalid("--{} needs a value; {}", spec->name, usage());
    if (separate)
      value = *next;
    else if (sign != word.npos)
      value = word.substr(sign + 1);
    if (auto ok = check_word(spec->kind, value); !ok)
      return invalid("--{}: {}", spec->name, ok.error().message);
    call_.options.emplace_back(spec->name, std::move(value));
    return separate;
  }

  expected<void> check_arguments() {
    auto& known = call_.command->arguments;
    auto& given = call_.arguments;
    if (given.size() > known.size())
      return invalid("'{}' is one argument too many; {}",
                     printable(given[known.size()]), usage());
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (i >= given.size()) {
        if (known[i].optional)
          break;
        return invalid("{} is missing; {}", known[i].name, usage());
      }
      if (auto ok = check_word(known[i].kind, given[i]); !ok)
        return invalid("{}: {}", known[i].name, ok.error().message);
    }
    return {};
  }

  [[nodiscard]] std::string usage() const {
    return "usage: " + usage_of(*call_.command);
  }

  shell_call call_;
};

} // namespace

std::string_view shell_call::argument(std::size_t i) const noexcept {
  return i < arguments.size() ? std::string_view{arguments[i]}
                              : std::string_view{};
}

const std::string* shell_call::option(std::string_view name) const noexcept {
  for (auto& [key, value] : options)
    if (key == name)
      return &value;
  return nullptr;
}

std::string shell_call::option_or(std::string_view name,
                                  std::string_view fallback) const {
  auto* value = option(name);
  return value != nullptr ? *value : std::string{fallback};
}

std::string shell_call::change() const {
  std::string name{command->name};
  if (command->effect == command_effect::changes)
    return name;
  for (auto& each : command->options)
    if (each.effect == command_effect::changes && option(each.name) != nullptr)
      return name.append(" --").append(each.name);
  return {};
}

expected<shell_call> parse_call(const shell_words& words) {
  if (words.empty())
    return invalid("which command?");
  auto* command = find_command(words.front());
  if (command == nullptr) {
    auto near = nearest_command(words.front());
    auto hint = near.empty() ? std::string{"try help"}
                             : fmt::format("did you mean {}?", near);
    return invalid("there is no command '{}'; {}", printable(words.front()),
                   hint);
  }
  call_reader reader{*command};
  if (auto ok = reader.read(words); !ok)
    return tl::unexpected{std::move(ok.error())};
  return std::move(reader.call());
}

expected<trace_rate> parse_rate(std::string_view text) {
  auto slash = text.find('/');
  auto count = parse_unsigned(text.substr(0, slash));
  if (!count || *count == 0 || *count > most_rows)
    return invalid("'{}' is no number of messages such as 100 or 10/1s",
                   printable(text));
  trace_rate result{*count, {}};
  if (slash == text.npos)
    return result;
  result.per = text.substr(slash + 1);
  if (auto ok = check_word(word_kind::duration, result.per); !ok)
    return tl::unexpected{std::move(ok.error())};
  return result;
}

expected<void> check_word(word_kind kind, std::string_view word) {
  switch (kind) {
    case word_kind::text:
      return {};
    case word_kind::flag:
      if (word.empty())
        return {};
      return invalid("it takes no value");
    case word_kind::queue:
    case word_kind::handler:
      if (is_valid_name(word))
        return {};
      return invalid(
        "'{}' is no name: 1 to 128 characters of A-Z a-z 0-9 . _ -",
        printable(word));
    case word_kind::count:
      return check_number(word, 1, most_rows);
    case word_kind::priority:
      return check_number(word, 0, 255);
    case word_kind::number:
      return check_number(word, 1, std::numeric_limits<std::uint32_t>::max());
    case word_kind::size:
      return parse_size("it", word).map([](std::size_t) {});
    case word_kind::rate:
      return parse_rate(word).map([](const trace_rate&) {});
    case word_kind::duration:
      if (parse_duration(word))
        return {};
      return invalid("'{}' is no duration such as 250ms, 10s or 5m",
                     printable(word));
    case word_kind::job:
      if (parse_job_id(word))
        return {};
      return invalid("'{}' is no job's id", printable(word));
    case word_kind::node:
    case word_kind::actor:
    case word_kind::worker:
    case word_kind::address:
      if (!word.empty() && word.size() <= longest_name)
        return {};
      return invalid("'{}' is no name", printable(word.substr(0, 80)));
    default:
      break;
  }
  auto& words = words_of(kind);
  if (std::find(words.begin(), words.end(), word) != words.end())
    return {};
  return invalid("'{}' is none of {}", printable(word), fmt::join(words, ", "));
}

} // namespace muster
