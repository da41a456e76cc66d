#include "runtime/config_text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace muster {

namespace {

constexpr int max_depth = 50;

bool is_key_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/// Whether there are dots, and something before and after each.
bool is_dotted(std::string_view key) noexcept {
  return key.find('.') != std::string_view::npos && key.front() != '.'
         && key.back() != '.' && key.find("..") == std::string_view::npos;
}

/// Copies text and rewrites its keys. False from a member is the end: the
/// reason is in `failure`.
class key_expander {
public:
  explicit key_expander(std::string_view text) : text_(text) {
    // nop
  }

  expected<std::string> run() {
    if (copy_map(0, 0))
      return std::move(out_);
    return fail_with(errc::invalid_argument, std::move(failure_));
  }

private:
  [[nodiscard]] bool at_end() const noexcept {
    return pos_ == text_.size();
  }

  [[nodiscard]] char next() const noexcept {
    return text_[pos_];
  }

  void copy() {
    out_ += text_[pos_++];
  }

  void copy_while(std::string_view chars) {
    while (!at_end() && chars.find(next()) != std::string_view::npos)
      copy();
  }

  void copy_comment() {
    while (!at_end() && next() != '\n')
      copy();
  }

  bool unclosed(std::size_t begin) {
    auto line = 1 + std::count(text_.begin(), text_.begin() + begin, '\n');
    failure_ = "line " + std::to_string(line) + ": '" + text_[begin]
               + "' is not closed";
    return false;
  }

  /// The entries of a map up to its brace, or of the file up to its end.
  bool copy_map(std::size_t begin, int depth) {
    if (depth > max_depth)
      return unclosed(begin);
    while (true) {
      copy_while(" \t\r\n,");
      if (at_end())
        return depth == 0 || unclosed(begin);
      if (next() == '#') {
        copy_comment();
      } else if (next() == '}') {
        copy();
        if (depth > 0)
          return true;
      } else if (!copy_entry(depth)) {
        return false;
      }
    }
  }

  bool copy_entry(int depth) {
    std::ptrdiff_t braces = 0;
    if (next() == '"' || next() == '\'') {
      if (!copy_string())
        return false;
    } else if (auto key = read_key(); is_dotted(key)) {
      for (auto c : key)
        if (c == '.')
          out_ += " { ";
        else
          out_ += c;
      braces = std::count(key.begin(), key.end(), '.');
    } else if (!key.empty()) {
      out_ += key;
    } else {
      // Not a key: CAF says so.
      copy();
      return true;
    }
    if (!copy_value(depth))
      return false;
    for (; braces > 0; --braces)
      out_ += " }";
    return true;
  }

  std::string_view read_key() {
    auto begin = pos_;
    while (!at_end() && is_key_char(next()))
      ++pos_;
    return text_.substr(begin, pos_ - begin);
  }

  bool copy_value(int depth) {
    copy_while(" \t");
    if (!at_end() && (next() == '=' || next() == ':'))
      copy();
    copy_while(" \t");
    if (at_end())
      return true;
    auto begin = pos_;
    switch (next()) {
      case '{':
        copy();
        return copy_map(begin, depth + 1);
      case '[':
        copy();
        return copy_list(begin, depth + 1);
      case '"':
      case '\'':
        return copy_string();
      default:
        while (!at_end()
               && std::string_view{" \t\r\n,}#"}.find(next())
                    == std::string_view::npos)
          copy();
        return true;
    }
  }

  bool copy_list(std::size_t begin, int depth) {
    if (depth > max_depth)
      return unclosed(begin);
    while (!at_end()) {
      auto here = pos_;
      switch (next()) {
        case ']':
          copy();
          return true;
        case '#':
          copy_comment();
          break;
        case '"':
        case '\'':
          if (!copy_string())
            return false;
          break;
        case '[':
          copy();
          if (!copy_list(here, depth + 1))
            return false;
          break;
        case '{':
          copy();
          if (!copy_map(here, depth + 1))
            return false;
          break;
        default:
          copy();
      }
    }
    return unclosed(begin);
  }

  bool copy_string() {
    auto begin = pos_;
    auto quote = next();
    copy();
    while (!at_end() && next() != '\n') {
      auto c = next();
      copy();
      if (c == quote)
        return true;
      if (c == '\\' && !at_end())
        copy();
    }
    return unclosed(begin);
  }

  std::string_view text_;
  std::size_t pos_ = 0;
  std::string out_;
  std::string failure_;
};

} // namespace

expected<std::string> expand_dotted_keys(std::string_view text) {
  return key_expander{text}.run();
}

} // namespace muster
