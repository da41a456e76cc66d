#include "runtime/shell_input.hpp"

#include "runtime/shell_columns.hpp"
#include "runtime/shell_text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cwchar>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

/// More candidates than this are counted, not listed.
constexpr std::size_t most_listed = 200;
constexpr std::size_t gap = 2;

/// libedit converts by the locale; what is typed is UTF-8 whatever it says.
void use_utf8() {
  if (std::setlocale(LC_CTYPE, "") == nullptr
      || std::string_view{::nl_langinfo(CODESET)} != "UTF-8")
    std::setlocale(LC_CTYPE, "C.UTF-8");
}

/// Candidates in columns, for the screen as it is now.
std::string in_columns(const std::vector<std::string>& words) {
  auto on = look_at_screen(STDOUT_FILENO);
  std::size_t widest = 0;
  for (auto& word : words)
    widest = std::max(widest, display_width(word));
  auto columns = std::max(on.width / (widest + gap), std::size_t{1});
  auto rows = (words.size() + columns - 1) / columns;
  std::string out;
  for (std::size_t row = 0; row < rows; ++row) {
    for (auto i = row; i < words.size(); i += rows) {
      out += words[i];
      if (i + rows < words.size())
        out.append(widest + gap - display_width(words[i]), ' ');
    }
    out += '\n';
  }
  return out;
}

/// libedit behind our interface. Keys are read by us, so that a signal ends
/// the wait for them.
class line_editor : public shell_input {
public:
  line_editor(shell_signals& signals, shell_history& history, name_source names)
    : signals_(signals), kept_(history), names_(std::move(names)) {
    use_utf8();
    editor_ = ::el_init("muster", stdin, stdout, stderr);
    history_ = ::history_init();
    if (editor_ == nullptr || history_ == nullptr)
      return;
    HistEvent event;
    ::history(history_, &event, H_SETSIZE,
              static_cast<int>(shell_history::most_lines));
    for (auto& line : kept_.lines())
      ::history(history_, &event, H_ENTER, line.c_str());
    set_up();
  }

  ~line_editor() override {
    if (history_ != nullptr)
      ::history_end(history_);
    if (editor_ != nullptr)
      ::el_end(editor_);
  }

  line_editor(const line_editor&) = delete;
  line_editor& operator=(const line_editor&) = delete;

  shell_line next(const std::string& prompt) override {
    if (editor_ == nullptr || history_ == nullptr)
      return {};
    prompt_ = prompt;
    signal_ = 0;
    int count = 0;
    auto* text = ::el_gets(editor_, &count);
    if (signal_ == SIGINT) {
      std::fputs("^C\n", stdout);
      return {shell_line::kind::interrupted, {}};
    }
    if (text == nullptr || count <= 0) {
      std::fputs("\n", stdout);
      return {};
    }
    std::string line{text, static_cast<std::size_t>(count)};
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
      line.pop_back();
    HistEvent event;
    if (kept_.add(line))
      ::history(history_, &event, H_ENTER, line.c_str());
    return {shell_line::kind::line, std::move(line)};
  }

private:
  void set_up() {
    ::el_set(editor_, EL_CLIENTDATA, this);
    ::el_set(editor_, EL_PROMPT, &line_editor::show_prompt);
    ::el_set(editor_, EL_EDITOR, "emacs");
    // Those signals that we do not take ourselves, such as SIGTSTP.
    ::el_set(editor_, EL_SIGNAL, 1);
    ::el_set(editor_, EL_HIST, &::history, history_);
    ::el_set(editor_, EL_GETCFN, &line_editor::read_key);
    ::el_set(editor_, EL_ADDFN, "muster-complete", "Completes a word",
             &line_editor::complete_word);
    constexpr std::array<std::pair<const char*, const char*>, 8> keys{
      {{"^I", "muster-complete"},
       {"^R", "em-inc-search-prev"},
       {"\\e[3~", "ed-delete-next-char"},
       {"\\e[H", "ed-move-to-beg"},
       {"\\e[F", "ed-move-to-end"},
       {"\\e[1~", "ed-move-to-beg"},
       {"\\e[1;5C", "em-next-word"},
       {"\\e[1;5D", "ed-prev-word"}}};
    for (auto& [key, command] : keys)
      ::el_set(editor_, EL_BIND, key, command, nullptr);
    ::el_source(editor_, nullptr);
  }

  static line_editor* self(EditLine* editor) {
    void* result = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &result);
    return static_cast<line_editor*>(result);
  }

  static char* show_prompt(EditLine* editor) {
    return self(editor)->prompt_.data();
  }

  static int read_key(EditLine* editor, wchar_t* key) {
    return self(editor)->next_key(key);
  }

  static unsigned char complete_word(EditLine* editor, int) {
    return self(editor)->complete_here();
  }

  /// 1, 0 at the end of the input, -1 where a signal ends the wait.
  int next_key(wchar_t* key) {
    std::string bytes;
    while (true) {
      std::array<pollfd, 3> items{{{STDIN_FILENO, POLLIN, 0},
                                   {signals_.ending_fd(), POLLIN, 0},
                                   {signals_.resize_fd(), POLLIN, 0}}};
      if (::poll(items.data(), items.size(), -1) < 0)
        continue;
      if (items[2].revents != 0 && signals_.take_resize())
        ::el_resize(editor_);
      if (items[1].revents != 0) {
        signal_ = signals_.take_ending();
        return -1;
      }
      if (items[0].revents == 0)
        continue;
      char byte = 0;
      auto n = ::read(STDIN_FILENO, &byte, 1);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return 0;
      if (take_byte(bytes, byte, key))
        return 1;
    }
  }

  /// True once there is a character. Bytes that make none are dropped.
  static bool take_byte(std::string& bytes, char byte, wchar_t* key) {
    constexpr std::size_t longest = 4;
    bytes.push_back(byte);
    std::string_view text = bytes;
    if (auto c = take_character(text)) {
      *key = static_cast<wchar_t>(*c);
      return true;
    }
    auto lead = static_cast<unsigned char>(bytes.front());
    auto goes_on = (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
    if (lead < 0xc2 || bytes.size() >= longest
        || (bytes.size() > 1 && !goes_on))
      bytes.clear();
    return false;
  }

  unsigned char complete_here() {
    auto* line = ::el_line(editor_);
    std::string left{line->buffer, line->cursor};
    auto found = complete(left, names_);
    if (found.candidates.empty())
      return CC_REFRESH_BEEP;
    if (found.replacement != left.substr(found.begin)) {
      ::el_deletestr(editor_, characters(left.substr(found.begin)));
      ::el_insertstr(editor_, found.replacement.c_str());
      return CC_REFRESH;
    }
    list(found.candidates);
    return CC_REDISPLAY;
  }

  static int characters(std::string_view text) {
    int result = 0;
    for (; !text.empty(); ++result)
      if (!take_character(text))
        text.remove_prefix(1);
    return result;
  }

  static void list(const std::vector<std::string>& words) {
    auto text = words.size() > most_listed
                  ? std::to_string(words.size()) + " possibilities\n"
                  : in_columns(words);
    std::fputs(("\n" + text).c_str(), stdout);
    std::fflush(stdout);
  }

  shell_signals& signals_;
  shell_history& kept_;
  name_source names_;
  std::string prompt_;
  int signal_ = 0;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
};

} // namespace

std::unique_ptr<shell_input> make_line_editor(shell_signals& signals,
                                              shell_history& history,
                                              name_source names) {
  return std::make_unique<line_editor>(signals, history, std::move(names));
}

} // namespace muster
