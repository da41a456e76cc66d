#include "actors/utf8.hpp"

#include "persistence/job.hpp"

namespace muster {

namespace {

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// How many bytes the well-formed character at the text's start has; 0 if it is
// none. Follows table 3-7 of the Unicode standard, which rules out overlong
// forms and surrogates through the second byte.
std::size_t character_length(std::string_view text) noexcept {
  auto byte
    = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto first = byte(0);
  if (first < 0x80)
    return 1;
  auto length = first >= 0xF0 ? 4u : first >= 0xE0 ? 3u : 2u;
  if (first < 0xC2 || first > 0xF4 || text.size() < length)
    return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!is_continuation(text[i]))
      return 0;
  auto second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)
      || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

} // namespace

std::string clean_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    if (auto length = character_length(text)) {
      result.append(text.substr(0, length));
      text.remove_prefix(length);
    } else {
      result.append("\xEF\xBF\xBD");
      text.remove_prefix(1);
    }
  }
  return result;
}

std::string_view utf8_tail(std::string_view text, std::size_t max) noexcept {
  if (text.size() <= max)
    return text;
  text.remove_prefix(text.size() - max);
  for (auto i = 0; i < 3 && !text.empty() && is_continuation(text.front()); ++i)
    text.remove_prefix(1);
  return text;
}

std::string_view utf8_head(std::string_view text, std::size_t max) noexcept {
  if (text.size() <= max)
    return text;
  auto end = max;
  while (end > 0 && max - end < 3 && is_continuation(text[end]))
    --end;
  return text.substr(0, end);
}

std::string clean_text(std::string_view text) {
  auto cleaned = clean_utf8(utf8_head(text, limits::text));
  // A replacement is longer than what it replaces.
  cleaned.resize(utf8_head(cleaned, limits::text).size());
  return cleaned;
}

} // namespace muster
