#include "runtime/shell_text.hpp"

#include "runtime/shell_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace muster {

namespace {

constexpr std::size_t bytes_a_line = 16;
/// Of a text, one byte in so many may be a control character.
constexpr std::size_t bytes_per_control = 20;

void append_escaped(std::string& out, char32_t c) {
  if (c == '\n')
    out += "\\n";
  else if (c == '\t')
    out += "\\t";
  else if (c == '\r')
    out += "\\r";
  else if (c < 0x80)
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", unsigned(c));
  else
    fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", unsigned(c));
}

/// The first line's bytes, without its end; takes both away.
std::string_view take_line(std::string_view& text) noexcept {
  auto end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r'))
    line.remove_suffix(1);
  return line;
}

std::string dump_line(std::size_t offset, std::string_view bytes) {
  auto line = fmt::format("{:08x} ", offset);
  std::string shown;
  for (std::size_t i = 0; i < bytes_a_line; ++i) {
    if (i == bytes_a_line / 2)
      line.push_back(' ');
    if (i >= bytes.size()) {
      line += "   ";
      continue;
    }
    auto byte = static_cast<unsigned char>(bytes[i]);
    fmt::format_to(std::back_inserter(line), " {:02x}", byte);
    shown.push_back(byte >= 0x20 && byte < 0x7f ? bytes[i] : '.');
  }
  return line + "  |" + shown + "|";
}

} // namespace

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    auto before = text;
    auto c = take_character(text);
    if (!c) {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}",
                     static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
    } else if (is_invisible(*c)) {
      append_escaped(result, *c);
    } else {
      result.append(before.substr(0, before.size() - text.size()));
    }
  }
  return result;
}

std::size_t display_width(std::string_view text) noexcept {
  std::size_t result = 0;
  while (!text.empty()) {
    if (auto c = take_character(text)) {
      result += columns_of(*c);
    } else {
      text.remove_prefix(1);
      ++result;
    }
  }
  return result;
}

std::string fit(std::string_view text, std::size_t width, bool unicode) {
  if (display_width(text) <= width)
    return std::string{text};
  if (width == 0)
    return {};
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    auto before = text;
    auto c = take_character(text);
    if (!c)
      text.remove_prefix(1);
    used += c ? columns_of(*c) : 1;
    if (used > width - 1)
      break;
    result.append(before.substr(0, before.size() - text.size()));
  }
  return result + (unicode ? "…" : "~");
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  width = std::max(width, std::size_t{2});
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  while (!text.empty()) {
    auto before = text;
    auto c = take_character(text);
    if (!c)
      text.remove_prefix(1);
    auto columns = c ? columns_of(*c) : 1;
    if (used + columns > width) {
      auto& full = lines.back();
      auto space = full.rfind(' ');
      std::string rest;
      if (space != std::string::npos && space > 0) {
        rest = full.substr(space + 1);
        full.resize(space);
      }
      used = display_width(rest);
      lines.push_back(std::move(rest));
    }
    used += columns;
    lines.back().append(before.substr(0, before.size() - text.size()));
  }
  return lines;
}

bool is_text(std::string_view bytes) noexcept {
  std::size_t controls = 0;
  auto size = bytes.size();
  while (!bytes.empty()) {
    auto c = take_character(bytes);
    // The last character may have been cut.
    if (!c)
      return bytes.size() < 4 && size > 4
             && (static_cast<unsigned char>(bytes[0]) & 0xc0) == 0xc0;
    if (*c == 0)
      return false;
    if (is_invisible(*c) && *c != '\n' && *c != '\r' && *c != '\t')
      ++controls;
  }
  return controls <= 1 + size / bytes_per_control;
}

std::string show_bytes(std::string_view bytes) {
  std::string result;
  if (is_text(bytes)) {
    while (!bytes.empty())
      result += printable(take_line(bytes)) + '\n';
    return result;
  }
  for (std::size_t at = 0; at < bytes.size(); at += bytes_a_line)
    result += dump_line(at, bytes.substr(at, bytes_a_line)) + '\n';
  return result;
}

} // namespace muster
