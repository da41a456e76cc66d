#include "runtime/http_text.hpp"

#include "persistence/duration.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <iterator>

namespace muster {

namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// The length of the well-formed UTF-8 sequence at the start, or 0. After the
/// table of well-formed byte sequences in the Unicode Standard, section 3.9.
std::size_t utf8_length(std::string_view text) noexcept {
  auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  auto tail = [&byte](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  auto first = byte(0);
  if (first < 0x80)
    return 1;
  if (first >= 0xC2 && first <= 0xDF)
    return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    auto second = byte(1);
    auto ok = tail(1) && tail(2) && !(first == 0xE0 && second < 0xA0)
              && !(first == 0xED && second > 0x9F);
    return ok ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    auto second = byte(1);
    auto ok = tail(1) && tail(2) && tail(3) && !(first == 0xF0 && second < 0x90)
              && !(first == 0xF4 && second > 0x8F);
    return ok ? 4 : 0;
  }
  return 0;
}

constexpr std::string_view base64_alphabet
  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  for (auto& value : values)
    value = -1;
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    values[static_cast<unsigned char>(base64_alphabet[i])]
      = static_cast<signed char>(i);
  return values;
}

constexpr auto base64_values = make_base64_values();

std::tm utc(timestamp at) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  return fmt::gmtime(
    static_cast<std::time_t>(seconds.time_since_epoch().count()));
}

} // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size())
      return std::nullopt;
    auto high = hex_value(text[i + 1]);
    auto low = hex_value(text[i + 2]);
    if (high < 0 || low < 0)
      return std::nullopt;
    result.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return result;
}

expected<query_parameters> query_parameters::parse(std::string_view query) {
  query_parameters result;
  while (!query.empty()) {
    auto end = std::min(query.find('&'), query.size());
    auto item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty())
      continue;
    auto equals = std::min(item.find('='), item.size());
    auto name = percent_decode(item.substr(0, equals));
    auto value = percent_decode(item.substr(std::min(equals + 1, item.size())));
    if (!name || !value)
      return fail_with(errc::invalid_argument,
                       "the query has a broken percent escape");
    if (result.items_.size() == max_count)
      return fail_with(
        errc::invalid_argument,
        fmt::format("the query has more than {} parameters", max_count));
    if (result.find(*name))
      return fail_with(errc::invalid_argument,
                       "the query parameter '" + *name + "' is given twice");
    result.items_.emplace_back(std::move(*name), std::move(*value));
  }
  return result;
}

std::optional<std::string_view>
query_parameters::find(std::string_view name) const {
  for (auto& [key, value] : items_)
    if (key == name)
      return value;
  return std::nullopt;
}

expected<void> query_parameters::allow_only(
  std::initializer_list<std::string_view> known) const {
  for (auto& [name, value] : items_)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fail_with(errc::invalid_argument,
                       "unknown query parameter '" + name + "'");
  return {};
}

expected<std::uint64_t> query_parameters::number(std::string_view name,
                                                 std::uint64_t fallback,
                                                 std::uint64_t min,
                                                 std::uint64_t max) const {
  auto text = find(name);
  if (!text)
    return fallback;
  auto value = parse_unsigned(*text);
  if (!value || *value < min || *value > max)
    return fail_with(
      errc::invalid_argument,
      fmt::format("{} must be a whole number from {} to {}", name, min, max));
  return *value;
}

expected<millis> query_parameters::duration(std::string_view name,
                                            millis fallback) const {
  auto text = find(name);
  if (!text)
    return fallback;
  auto value = parse_duration(*text);
  if (!value)
    return fail_with(errc::invalid_argument,
                     fmt::format("{}: {}", name, value.error().message));
  return *value;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept {
  std::uint64_t value = 0;
  auto* last = text.data() + text.size();
  auto [end, ec] = std::from_chars(text.data(), last, value);
  if (ec != std::errc{} || end != last || text.empty())
    return std::nullopt;
  return value;
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    auto c = static_cast<unsigned char>(text.front());
    auto length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      length = 1;
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out.push_back('"');
}

std::string format_time(timestamp at) {
  auto ms = (at.time_since_epoch() % std::chrono::seconds{1}).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", utc(at), ms);
}

std::string format_http_date(timestamp at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", utc(at));
}

std::string base64_encode(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    auto count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k)
      group = (group << 8)
              | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      result.push_back(
        k <= count ? base64_alphabet[(group >> (18 - 6 * k)) & 63] : '=');
  }
  return result;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0)
    return std::nullopt;
  std::string result;
  result.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    std::size_t padding = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      auto c = text[i + k];
      auto value = base64_values[static_cast<unsigned char>(c)];
      if (c == '=' && i + 4 == text.size() && k >= 2)
        ++padding;
      else if (value < 0 || padding > 0)
        return std::nullopt;
      group = (group << 6) | static_cast<std::uint32_t>(value < 0 ? 0 : value);
    }
    for (std::size_t k = 0; k + padding < 3; ++k)
      result.push_back(static_cast<char>((group >> (16 - 8 * k)) & 0xFF));
  }
  return result;
}

std::string hex_encode(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  result.reserve(2 * bytes.size());
  for (auto c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    result.push_back(digits[byte >> 4]);
    result.push_back(digits[byte & 15]);
  }
  return result;
}

} // namespace muster
