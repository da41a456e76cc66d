#include "actors/state_report.hpp"

#include "actors/utf8.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace muster {

namespace {

/// For what ends what was begun.
constexpr std::size_t reserve = 1'024;
constexpr std::size_t max_depth = 32;

} // namespace

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (auto c : clean_utf8(text)) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}",
                     static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

bool state_report::open(std::string_view name, std::size_t more) {
  if (left_out_ > 0 || out_.size() + name.size() + more + reserve > max_bytes) {
    truncated_ = true;
    return false;
  }
  if (out_.back() != '{' && out_.back() != '[')
    out_.push_back(',');
  if (ends_.empty() || ends_.back() == '}') {
    append_quoted(out_, utf8_head(name, max_text));
    out_.push_back(':');
  }
  return true;
}

state_report& state_report::add_raw(std::string_view name,
                                    std::string_view json) {
  if (open(name, json.size()))
    out_ += json;
  return *this;
}

state_report& state_report::add(std::string_view name, std::string_view text) {
  std::string json;
  append_quoted(json, utf8_head(text, max_text));
  return add_raw(name, json);
}

state_report& state_report::add(std::string_view name, double value) {
  return add_raw(name, std::isfinite(value) ? fmt::format("{}", value)
                                            : std::string{"null"});
}

state_report& state_report::add_item(std::string_view text) {
  return add({}, text);
}

state_report& state_report::begin(std::string_view name) {
  if (ends_.size() >= max_depth || !open(name, 2)) {
    truncated_ = true;
    ++left_out_;
    return *this;
  }
  out_.push_back('{');
  ends_.push_back('}');
  return *this;
}

state_report& state_report::begin_list(std::string_view name) {
  if (ends_.size() >= max_depth || !open(name, 2)) {
    truncated_ = true;
    ++left_out_;
    return *this;
  }
  out_.push_back('[');
  ends_.push_back(']');
  return *this;
}

state_report& state_report::end() {
  if (left_out_ > 0) {
    --left_out_;
  } else if (!ends_.empty()) {
    out_.push_back(ends_.back());
    ends_.pop_back();
  }
  return *this;
}

std::string state_report::take() {
  left_out_ = 0;
  while (!ends_.empty())
    end();
  if (truncated_)
    out_ += out_.size() > 1 ? R"(,"truncated":true)" : R"("truncated":true)";
  out_.push_back('}');
  return std::move(out_);
}

} // namespace muster
