#include "runtime/log_ring.hpp"

#include "actors/utf8.hpp"

#include <algorithm>
#include <array>

namespace muster {

namespace {

constexpr std::array<std::string_view, 4> names{"debug", "info", "warning",
                                                "error"};

void cut(std::string& text) {
  if (text.size() > log_ring::max_text)
    text.resize(utf8_head(text, log_ring::max_text).size());
}

} // namespace

std::string_view to_string(log_level level) noexcept {
  return names[static_cast<std::size_t>(level)];
}

void log_ring::add(line what) {
  cut(what.text);
  if (what.fields.size() > max_fields)
    what.fields.resize(max_fields);
  for (auto& [name, value] : what.fields) {
    cut(name);
    cut(value);
  }
  std::lock_guard guard{mutex_};
  what.number = ++last_;
  lines_.push_back(std::move(what));
  if (lines_.size() > max_lines)
    lines_.pop_front();
}

log_ring::part log_ring::read(std::uint64_t after, log_level least,
                              std::size_t limit) const {
  part result;
  std::lock_guard guard{mutex_};
  result.next = last_;
  auto kept_after = last_ - lines_.size();
  if (after == newest) {
    for (auto pos = lines_.rbegin();
         pos != lines_.rend() && result.lines.size() < limit; ++pos)
      if (pos->level >= least)
        result.lines.push_back(*pos);
    std::reverse(result.lines.begin(), result.lines.end());
    return result;
  }
  // Of an earlier process; it begins anew.
  if (after > last_)
    after = 0;
  if (after < kept_after) {
    result.missed = kept_after - after;
    after = kept_after;
  }
  for (auto i = static_cast<std::size_t>(after - kept_after); i < lines_.size();
       ++i) {
    auto& each = lines_[i];
    if (each.level < least)
      continue;
    if (result.lines.size() == limit) {
      result.next = each.number - 1;
      break;
    }
    result.lines.push_back(each);
  }
  return result;
}

} // namespace muster
