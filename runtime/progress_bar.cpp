#include "runtime/progress_bar.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr auto redraw_interval = std::chrono::milliseconds{100};
constexpr auto line_interval = std::chrono::seconds{2};
constexpr std::size_t least_bar = 10;
constexpr std::size_t most_bar = 40;
constexpr std::size_t usual_width = 80;
constexpr auto indent = std::string_view{"    "};

std::string rate_of(const progress& now) {
  if (now.rate <= 0)
    return {};
  return ", " + render_count(static_cast<std::uint64_t>(std::llround(now.rate)))
         + "/s";
}

std::string text_of(const progress& now) {
  if (now.of == 0)
    return render_count(now.done) + rate_of(now);
  auto percent = static_cast<int>(now.fraction() * 100);
  auto result = std::to_string(percent) + "%  " + render_count(now.done)
                + " of " + render_count(now.of);
  result.insert(0, percent < 10 ? 2 : percent < 100 ? 1 : 0, ' ');
  result += rate_of(now);
  if (now.rate > 0 && now.done < now.of) {
    auto left = static_cast<double>(now.of - now.done) / now.rate;
    result += ", " + render_count(static_cast<std::uint64_t>(std::ceil(left)))
              + " s left";
  }
  return result;
}

std::string bar_of(double fraction, std::size_t cells, bar_style style) {
  // With parts of a cell: eighths.
  constexpr std::array<const char*, 8> parts{"",  "▏", "▎", "▍",
                                             "▌", "▋", "▊", "▉"};
  auto eighths = static_cast<std::size_t>(
    std::floor(fraction * static_cast<double>(cells) * 8));
  auto full = std::min(eighths / 8, cells);
  auto part = full < cells ? eighths % 8 : 0;
  std::string result;
  if (style == bar_style::ascii) {
    result = "[" + std::string(full, '#');
    return result + std::string(cells - full, '.') + "]";
  }
  for (std::size_t i = 0; i < full; ++i)
    result += "█";
  result += parts[part];
  for (auto i = full + (part > 0 ? 1 : 0); i < cells; ++i)
    result += "░";
  return result;
}

std::size_t width_of(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return usual_width;
}

bar_style style_of_locale() {
  for (auto name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (auto value = std::getenv(name); value != nullptr && *value != '\0')
      return std::strstr(value, "UTF-8") != nullptr
                 || std::strstr(value, "utf8") != nullptr
               ? bar_style::unicode
               : bar_style::ascii;
  return bar_style::ascii;
}

} // namespace

double progress::fraction() const noexcept {
  if (of == 0)
    return 1;
  return std::min(1.0, static_cast<double>(done) / static_cast<double>(of));
}

std::string render_count(std::uint64_t value) {
  auto result = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(result.size()) - 3; at > 0;
       at -= 3)
    result.insert(static_cast<std::size_t>(at), ",");
  return result;
}

std::string render_progress(const progress& now, std::size_t width,
                            bar_style style) {
  auto text = text_of(now);
  auto frame = style == bar_style::ascii ? 2U : 0U;
  auto taken = text.size() + 1 + frame;
  if (now.of == 0 || width < taken + least_bar)
    return text.substr(0, width);
  auto cells = std::min(width - taken, most_bar);
  return bar_of(now.fraction(), cells, style) + " " + text;
}

progress_bar::progress_bar(std::FILE* out)
  : out_(out),
    on_terminal_(::isatty(::fileno(out)) != 0),
    style_(style_of_locale()),
    next_(clock_type::now()) {
  if (!on_terminal_)
    next_ += line_interval;
}

progress_bar::~progress_bar() {
  clear();
}

void progress_bar::show(const progress& now) {
  auto time = clock_type::now();
  if (time < next_)
    return;
  if (!on_terminal_) {
    next_ = time + line_interval;
    auto line = render_progress(now, usual_width, bar_style::ascii);
    std::fprintf(out_, "%s%s\n", indent.data(), line.c_str());
    std::fflush(out_);
    return;
  }
  next_ = time + redraw_interval;
  // Not into the last column: some terminals would begin a new line.
  auto width = width_of(out_);
  auto room = width > indent.size() + 1 ? width - indent.size() - 1 : 0;
  auto line = render_progress(now, room, style_);
  std::fprintf(out_, "\r\x1b[K%s%s", indent.data(), line.c_str());
  std::fflush(out_);
  visible_ = true;
}

void progress_bar::print(std::string_view line) {
  clear();
  std::fprintf(out_, "%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(out_);
}

void progress_bar::clear() {
  if (!visible_)
    return;
  std::fputs("\r\x1b[K", out_);
  std::fflush(out_);
  visible_ = false;
}

} // namespace muster
