#include "runtime/reply_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace muster {

namespace {

constexpr std::size_t max_chunk_line = 4'096;

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty()
         && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

template <int Base>
std::optional<std::size_t> to_number(std::string_view text) noexcept {
  std::size_t result = 0;
  auto end = text.data() + text.size();
  auto [pos, err] = std::from_chars(text.data(), end, result, Base);
  if (err != std::errc{} || pos != end || text.empty())
    return std::nullopt;
  return result;
}

// HTTP/1.x NNN reason
bool read_status_line(std::string_view line, reply_head& head) noexcept {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ')
    return false;
  auto status = to_number<10>(line.substr(9, 3));
  if (!status || *status < 100)
    return false;
  head.status = static_cast<int>(*status);
  head.keep_alive = line[7] != '0';
  return true;
}

bool has_no_body(int status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

// What of a header line matters here; false if it makes no sense.
bool read_header(std::string_view line, reply_head& head, bool& has_length) {
  auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0)
    return false;
  auto name = line.substr(0, colon);
  // The lengths of the three names that matter: most lines end here.
  if (name.size() != 14 && name.size() != 17 && name.size() != 10)
    return true;
  auto value = trim(line.substr(colon + 1));
  if (same_token(name, "content-length")) {
    auto length = to_number<10>(value);
    if (!length)
      return false;
    head.length = *length;
    has_length = true;
  } else if (same_token(name, "transfer-encoding")) {
    if (!same_token(value, "chunked"))
      return false;
    head.body = reply_head::framing::chunked;
  } else if (same_token(name, "connection")) {
    if (same_token(value, "close"))
      head.keep_alive = false;
    else if (same_token(value, "keep-alive"))
      head.keep_alive = true;
  }
  return true;
}

tl::unexpected<error> not_http(const char* what) {
  return fail_with(errc::malformed, std::string{"not an HTTP reply: "} + what);
}

} // namespace

bool same_token(std::string_view lhs, std::string_view rhs) noexcept {
  return lhs.size() == rhs.size()
         && std::equal(lhs.begin(), lhs.end(), rhs.begin(),
                       [](char a, char b) { return lower(a) == lower(b); });
}

expected<std::optional<reply_head>> parse_reply_head(std::string_view bytes,
                                                     std::size_t max_size) {
  auto end = bytes.substr(0, max_size).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= max_size)
      return not_http("its head is too long");
    auto begin = std::string_view{"HTTP/1."}.substr(0, bytes.size());
    if (!bytes.starts_with(begin))
      return not_http("no status line");
    return std::nullopt;
  }
  reply_head head;
  head.size = end + 4;
  auto rest = bytes.substr(0, end + 2);
  auto next_line = [&rest] {
    auto length = rest.find("\r\n");
    auto line = rest.substr(0, length);
    rest.remove_prefix(length + 2);
    return line;
  };
  if (!read_status_line(next_line(), head))
    return not_http("no status line");
  bool has_length = false;
  while (!rest.empty())
    if (!read_header(next_line(), head, has_length))
      return not_http("a broken header");
  if (has_no_body(head.status)) {
    head.body = reply_head::framing::sized;
    head.length = 0;
  } else if (!has_length && head.body == reply_head::framing::sized) {
    head.body = reply_head::framing::until_close;
    head.keep_alive = false;
  }
  return head;
}

http_headers parse_headers(std::string_view head) {
  http_headers result;
  head.remove_prefix(std::min(head.find("\r\n"), head.size()));
  while (head.starts_with("\r\n")) {
    head.remove_prefix(2);
    auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size());
    if (auto colon = line.find(':'); colon != std::string_view::npos)
      result.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  return result;
}

expected<std::size_t> chunk_decoder::feed(std::string_view bytes,
                                          std::string& out, std::size_t limit) {
  auto rest = bytes;
  while (!rest.empty() && state_ != state::done) {
    if (state_ == state::data) {
      auto part = rest.substr(0, left_);
      if (part.size() > limit - std::min(limit, out.size()))
        return fail_with(errc::result_too_large, "the reply is too large");
      out.append(part);
      rest.remove_prefix(part.size());
      left_ -= part.size();
      if (left_ == 0)
        state_ = state::data_end;
      continue;
    }
    auto end = rest.find('\n');
    auto part = rest.substr(0, end);
    if (line_.size() + part.size() > max_chunk_line)
      return not_http("a chunk's line is too long");
    line_.append(part);
    rest.remove_prefix(part.size());
    if (end == std::string_view::npos)
      break;
    rest.remove_prefix(1);
    if (auto taken = take_line(); !taken)
      return tl::unexpected<error>{taken.error()};
  }
  return bytes.size() - rest.size();
}

expected<void> chunk_decoder::take_line() {
  auto line = trim(line_);
  if (state_ == state::size) {
    auto size = to_number<16>(trim(line.substr(0, line.find(';'))));
    if (!size)
      return not_http("a chunk without a size");
    left_ = *size;
    state_ = left_ == 0 ? state::trailer : state::data;
  } else if (state_ == state::data_end) {
    if (!line.empty())
      return not_http("a chunk of another size than it says");
    state_ = state::size;
  } else if (line.empty()) {
    state_ = state::done;
  }
  line_.clear();
  return {};
}

} // namespace muster
