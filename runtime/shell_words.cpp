#include "runtime/shell_words.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

constexpr std::string_view blanks = " \t\r\n";
/// What would not be itself in a word without quotes.
constexpr std::string_view special = " \t\r\n;#'\"\\";

/// Reads a line character by character.
class splitter {
public:
  explicit splitter(std::string_view line) : line_(line) {
    // nop
  }

  void run() {
    while (at_ < line_.size() && !comment_)
      step();
  }

  [[nodiscard]] bool in_quotes() const noexcept {
    return quote_ != 0;
  }

  /// The commands; the last one, which may be empty, ends with `word`.
  std::vector<shell_words> commands{1};
  std::string word;
  bool in_word = false;
  std::size_t begin = 0;

  void end_word() {
    if (in_word)
      commands.back().push_back(std::exchange(word, {}));
    in_word = false;
  }

private:
  void step() {
    auto c = line_[at_];
    if (quote_ == 0 && blanks.find(c) != std::string_view::npos) {
      end_word();
    } else if (quote_ == 0 && c == ';') {
      end_word();
      if (!commands.back().empty())
        commands.emplace_back();
    } else if (quote_ == 0 && c == '#' && !in_word) {
      comment_ = true;
    } else {
      take(c);
    }
    ++at_;
  }

  void take(char c) {
    if (!in_word)
      begin = at_;
    in_word = true;
    if (c == quote_)
      quote_ = 0;
    else if (quote_ == 0 && (c == '\'' || c == '"'))
      quote_ = c;
    else if (c == '\\' && quote_ != '\'' && at_ + 1 < line_.size())
      word.push_back(line_[++at_]);
    else
      word.push_back(c);
  }

  std::string_view line_;
  std::size_t at_ = 0;
  char quote_ = 0;
  bool comment_ = false;
};

} // namespace

expected<std::vector<shell_words>> split_commands(std::string_view line) {
  splitter reader{line};
  reader.run();
  if (reader.in_quotes())
    return fail_with(errc::invalid_argument, "a quote is not closed");
  reader.end_word();
  if (reader.commands.back().empty())
    reader.commands.pop_back();
  return std::move(reader.commands);
}

word_at_cursor find_word(std::string_view left) {
  splitter reader{left};
  reader.run();
  word_at_cursor result;
  result.begin = reader.in_word ? reader.begin : left.size();
  result.part = std::move(reader.word);
  result.before = std::move(reader.commands.back());
  return result;
}

std::string quote_word(std::string_view word) {
  if (!word.empty() && word.find_first_of(special) == std::string_view::npos)
    return std::string{word};
  std::string result = "\"";
  for (auto c : word) {
    if (c == '"' || c == '\\')
      result.push_back('\\');
    result.push_back(c);
  }
  return result + '"';
}

} // namespace muster
