#include "runtime/logging.hpp"

#include "runtime/http_text.hpp"
#include "runtime/routes.hpp"

#include <cstdio>

namespace muster {

namespace {

bool is_plain(std::string_view text) {
  return !text.empty()
         && text.find_first_of(" \"=\n\r\t\\") == std::string_view::npos;
}

} // namespace

std::optional<log_level> parse_log_level(std::string_view text) noexcept {
  for (auto level : {log_level::debug, log_level::info, log_level::warning,
                     log_level::error})
    if (to_string(level) == text)
      return level;
  return std::nullopt;
}

std::string logger::render(bool json, std::string_view time, log_level level,
                           std::string_view event,
                           std::span<const field> with) {
  auto name = to_string(level);
  std::string line;
  if (json) {
    line = R"({"ts":)";
    append_json_string(line, time);
    line += R"(,"level":)";
    append_json_string(line, name);
    line += R"(,"event":)";
    append_json_string(line, event);
    for (auto& [key, value] : with) {
      line += ',';
      append_json_string(line, key);
      line += ':';
      append_json_string(line, value);
    }
    line += '}';
    return line;
  }
  line = time;
  line += ' ';
  line += name;
  line.append(8 - name.size(), ' ');
  // Whatever an event says stays on one line and leaves the terminal alone.
  for (auto c : event)
    line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  for (auto& [key, value] : with) {
    line += ' ';
    line += key;
    line += '=';
    if (is_plain(value))
      line += value;
    else
      append_json_string(line, value);
  }
  return line;
}

void logger::log(log_level level, std::string_view event,
                 std::span<const field> with) const {
  if (level < ring_->level())
    return;
  auto now = wall_clock();
  auto line = render(json_, format_time(now), level, event, with);
  line += '\n';
  // One call for one line, so that lines of several threads do not mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
  log_ring::line kept{0, now, level, std::string{event}, {}};
  for (auto& [key, value] : with)
    kept.fields.emplace_back(key, value);
  ring_->add(std::move(kept));
}

} // namespace muster
