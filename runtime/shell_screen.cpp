#include "runtime/shell_screen.hpp"

#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr std::size_t usual_width = 80;
constexpr std::size_t usual_height = 24;
/// Terminals that say nothing else.
constexpr std::size_t least_width = 20;

std::string_view code_of(tone how) noexcept {
  switch (how) {
    case tone::strong:
      return "1";
    case tone::dim:
      return "2";
    case tone::good:
      return "32";
    case tone::warning:
      return "33";
    case tone::bad:
      return "31";
    default:
      return "0";
  }
}

bool is_set(const char* value) noexcept {
  return value != nullptr && *value != '\0';
}

bool says_utf8(const screen_environment& env) noexcept {
  for (auto* value : {env.lc_all, env.lc_ctype, env.lang})
    if (is_set(value)) {
      std::string_view text = value;
      return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos;
    }
  return false;
}

bool is_one_of(std::string_view word,
               std::initializer_list<std::string_view> words) noexcept {
  for (auto each : words)
    if (each == word)
      return true;
  return false;
}

} // namespace

std::string paint(std::string_view text, tone how, const screen& on) {
  if (!on.colour || how == tone::plain || text.empty())
    return std::string{text};
  std::string result = "\x1b[";
  result.append(code_of(how)).append("m").append(text).append("\x1b[0m");
  return result;
}

tone tone_of_state(std::string_view state) noexcept {
  if (is_one_of(state, {"self", "connected", "running", "succeeded", "ok"}))
    return tone::good;
  if (is_one_of(state, {"dead", "lost", "down", "unresponsive", "failed",
                        "timed_out", "expired", "refused", "error"}))
    return tone::bad;
  if (is_one_of(state, {"draining", "paused", "waiting", "starting", "stopping",
                        "stopped", "scheduled", "cancelled", "known",
                        "released", "warning"}))
    return tone::warning;
  return tone::plain;
}

screen describe_screen(const screen_environment& env, bool terminal,
                       std::size_t columns, std::size_t rows) {
  screen result;
  if (!terminal)
    return result;
  result.width = columns >= least_width ? columns : usual_width;
  result.height = rows > 0 ? rows : usual_height;
  result.steerable = is_set(env.term) && std::string_view{env.term} != "dumb";
  result.colour = result.steerable && !is_set(env.no_color);
  result.unicode = says_utf8(env);
  return result;
}

screen look_at_screen(int fd) {
  winsize size{};
  auto terminal = ::isatty(fd) != 0;
  if (!terminal || ::ioctl(fd, TIOCGWINSZ, &size) != 0)
    size = {};
  return describe_screen({std::getenv("TERM"), std::getenv("NO_COLOR"),
                          std::getenv("LC_ALL"), std::getenv("LC_CTYPE"),
                          std::getenv("LANG")},
                         terminal, size.ws_col, size.ws_row);
}

} // namespace muster
