#include "runtime/shell_values.hpp"

#include "persistence/duration.hpp"
#include "runtime/progress_bar.hpp"
#include "runtime/queue_client.hpp"
#include "runtime/shell_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace muster {

namespace {

/// Of an answer.
constexpr int deepest = 64;

/// How deep a JSON text is nested; of one that is none, some number.
int nesting_of(std::string_view text) noexcept {
  int depth = 0;
  int most = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '[' || c == '{'))
      most = std::max(most, ++depth);
    else if (!in_string && (c == ']' || c == '}'))
      --depth;
  }
  return most;
}

std::string show_number(const shell_json& value) {
  if (value.is_number_unsigned())
    return render_count(value.get<std::uint64_t>());
  if (value.is_number_integer())
    return fmt::format("{}", value.get<std::int64_t>());
  return fmt::format("{:.3g}", value.get<double>());
}

} // namespace

expected<shell_json> parse_answer(std::string_view text) {
  if (nesting_of(text) > deepest)
    return fail_with(errc::malformed, "the node's answer is nested too deep");
  auto result = shell_json::parse(text, nullptr, false);
  if (result.is_discarded())
    return fail_with(errc::malformed, "the node's answer is not JSON");
  return result;
}

std::string write_json(const shell_json& value) {
  return value.dump(-1, ' ', true, shell_json::error_handler_t::replace);
}

const shell_json& member(const shell_json& object, std::string_view name) {
  static const shell_json none;
  if (!object.is_object())
    return none;
  auto found = object.find(std::string{name});
  return found == object.end() ? none : *found;
}

std::string show(const shell_json& value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_boolean())
    return value.get<bool>() ? "yes" : "no";
  if (value.is_number())
    return show_number(value);
  if (!value.is_array())
    return {};
  std::string result;
  for (auto& each : value) {
    if (!result.empty())
      result += ", ";
    result += show(each);
  }
  return result;
}

std::string show(const shell_json& object, std::string_view name) {
  return show(member(object, name));
}

std::string show_rate(const shell_json& object, std::string_view name) {
  auto& value = member(object, name);
  if (!value.is_number())
    return {};
  auto rate = value.get<double>();
  if (rate >= 100)
    return render_count(static_cast<std::uint64_t>(rate));
  return rate == 0 ? "0" : fmt::format("{:.1f}", rate);
}

std::string show_span(millis span) {
  using namespace std::chrono;
  constexpr auto tenths_below = seconds{10};
  if (span < millis{0})
    span = millis{0};
  if (span < tenths_below)
    return fmt::format("{:.1f}s", static_cast<double>(span.count()) / 1000.0);
  auto s = floor<seconds>(span).count();
  if (s < 60)
    return fmt::format("{}s", s);
  if (s < 3'600)
    return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86'400)
    return fmt::format("{}h{:02}m", s / 3'600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86'400, s / 3'600 % 24);
}

std::string show_duration(const shell_json& object, std::string_view name) {
  auto& value = member(object, name);
  if (!value.is_string())
    return {};
  auto& text = value.get_ref<const std::string&>();
  auto span = parse_duration(text);
  return span ? show_span(*span) : text;
}

std::string show_millis(const shell_json& object, std::string_view name) {
  auto& value = member(object, name);
  if (!value.is_number())
    return {};
  auto ms = value.get<double>();
  if (ms <= 0)
    return "0";
  if (ms < 1'000)
    return fmt::format("{:.3g}ms", ms);
  return show_span(millis{static_cast<millis::rep>(ms)});
}

std::string show_age(const shell_json& object, std::string_view name,
                     timestamp now) {
  auto& value = member(object, name);
  if (!value.is_string())
    return {};
  auto& text = value.get_ref<const std::string&>();
  auto at = parse_time(text);
  if (!at)
    return text;
  return show_span(*at <= now ? now - *at : *at - now);
}

shell_json make_printable(const shell_json& value) {
  if (value.is_string())
    return printable(value.get_ref<const std::string&>());
  if (value.is_array()) {
    auto result = shell_json::array();
    for (auto& each : value)
      result.push_back(make_printable(each));
    return result;
  }
  if (!value.is_object())
    return value;
  auto result = shell_json::object();
  for (auto& [name, each] : value.items())
    result[printable(name)] = make_printable(each);
  return result;
}

} // namespace muster
