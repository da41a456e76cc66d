#include "test/runtime/yaml_reader.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <string>
#include <vector>

namespace muster {

namespace {

using nlohmann::json;

std::string_view trim(std::string_view text) {
  auto space = [](char c) { return c == ' ' || c == '\r'; };
  while (!text.empty() && space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && space(text.back()))
    text.remove_suffix(1);
  return text;
}

class reader {
public:
  explicit reader(std::string_view text) {
    while (!text.empty()) {
      auto end = std::min(text.find('\n'), text.size());
      lines_.emplace_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  json read() {
    skip();
    auto result = block(0);
    skip();
    if (at_ < lines_.size())
      fail("this does not belong here");
    return result;
  }

private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error{"line " + std::to_string(at_ + 1) + ": " + what};
  }

  static std::size_t indent_of(std::string_view line) {
    return std::min(line.find_first_not_of(' '), line.size());
  }

  /// Passes over empty lines and comments.
  void skip() {
    for (; at_ < lines_.size(); ++at_) {
      auto text = trim(lines_[at_]);
      if (!text.empty() && text.front() != '#')
        return;
    }
  }

  bool ended(std::size_t indent) {
    skip();
    return at_ == lines_.size() || indent_of(lines_[at_]) < indent;
  }

  bool is_item() const {
    auto text = trim(lines_[at_]);
    return text == "-" || text.starts_with("- ");
  }

  json block(std::size_t indent) {
    if (indent_of(lines_[at_]) != indent)
      fail("unexpected indentation");
    return is_item() ? sequence(indent) : mapping(indent);
  }

  json sequence(std::size_t indent) {
    auto result = json::array();
    while (!ended(indent) && is_item()) {
      // The rest of the line stands as if it were a line of its own.
      lines_[at_][indent] = ' ';
      auto inner = indent_of(lines_[at_]);
      if (key_end(trim(lines_[at_])) == std::string::npos) {
        result.push_back(scalar(trim(lines_[at_])));
        ++at_;
      } else {
        result.push_back(mapping(inner));
      }
    }
    return result;
  }

  /// Where a line's key ends, at its colon.
  static std::size_t key_end(std::string_view text) {
    auto from = text.starts_with('\'') ? text.find('\'', 1) : 0;
    if (from == std::string_view::npos)
      return std::string::npos;
    auto pos = text.find(": ", from);
    if (pos == std::string_view::npos && text.ends_with(':'))
      pos = text.size() - 1;
    return pos;
  }

  json mapping(std::size_t indent) {
    auto result = json::object();
    while (!ended(indent)) {
      if (indent_of(lines_[at_]) != indent || is_item())
        break;
      auto text = trim(lines_[at_]);
      auto colon = key_end(text);
      if (colon == std::string::npos)
        fail("expected a key");
      auto key = scalar(text.substr(0, colon));
      auto name = key.is_string() ? key.get<std::string>() : key.dump();
      std::string rest{trim(text.substr(colon + 1))};
      ++at_;
      if (result.contains(name))
        fail("the key '" + name + "' is there twice");
      result[name] = value(rest, indent);
    }
    return result;
  }

  json value(const std::string& rest, std::size_t indent) {
    if (rest == "|" || rest == ">-")
      return text_block(indent, rest == "|");
    if (rest.starts_with('['))
      return flow_sequence(rest);
    if (rest == "{}")
      return json::object();
    if (!rest.empty())
      return scalar(rest);
    if (ended(indent + 1))
      return nullptr;
    return block(indent_of(lines_[at_]));
  }

  std::string text_block(std::size_t indent, bool literal) {
    std::string result;
    auto inner = std::string::npos;
    for (; at_ < lines_.size(); ++at_) {
      auto& line = lines_[at_];
      auto here = indent_of(line);
      if (here < line.size() && here <= indent)
        break;
      if (inner == std::string::npos)
        inner = here;
      result += line.size() > inner ? line.substr(inner) : std::string{};
      result += literal ? '\n' : ' ';
    }
    while (!result.empty() && (result.back() == '\n' || result.back() == ' '))
      result.pop_back();
    return literal ? result + '\n' : result;
  }

  /// Of scalars; may go on over lines.
  json flow_sequence(std::string text) {
    while (!text.ends_with(']')) {
      if (at_ == lines_.size())
        fail("a list does not end");
      text += trim(lines_[at_++]);
    }
    auto result = json::array();
    auto rest = std::string_view{text}.substr(1, text.size() - 2);
    while (!trim(rest).empty()) {
      auto comma = std::min(rest.find(','), rest.size());
      result.push_back(scalar(trim(rest.substr(0, comma))));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return result;
  }

  json scalar(std::string_view text) const {
    if (text.starts_with('\'')) {
      if (text.size() < 2 || !text.ends_with('\''))
        fail("a quoted text does not end");
      return std::string{text.substr(1, text.size() - 2)};
    }
    if (text.find_first_of("\"{}[]&*!|>%@`") == 0)
      fail("this kind of YAML is not read here");
    auto first = text.empty() ? ' ' : text.front();
    if (text == "true" || text == "false" || text == "null" || first == '-'
        || std::isdigit(static_cast<unsigned char>(first)) != 0) {
      auto number = json::parse(text, nullptr, false);
      if (!number.is_discarded())
        return number;
    }
    return std::string{text};
  }

  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

} // namespace

json read_yaml(std::string_view text) {
  return reader{text}.read();
}

} // namespace muster
