#include "runtime/shell_history.hpp"

#include "actors/spawn.hpp"
#include "runtime/secret_file.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr auto only_owner = S_IRUSR | S_IWUSR;
constexpr std::size_t longest_line = 64 << 10;

descriptor open_private(const std::filesystem::path& file) {
  descriptor result{
    ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
           only_owner)};
  // It may have been made with other rights.
  if (result.valid() && ::fchmod(result.get(), only_owner) != 0)
    result.reset();
  return result;
}

} // namespace

shell_history::shell_history(std::filesystem::path file)
  : file_(std::move(file)) {
  if (file_.empty())
    return;
  std::error_code ignored;
  if (std::filesystem::create_directories(file_.parent_path(), ignored))
    std::filesystem::permissions(file_.parent_path(),
                                 std::filesystem::perms::owner_all, ignored);
  std::size_t count = 0;
  std::ifstream in{file_};
  for (std::string line; std::getline(in, line); ++count)
    if (!line.empty() && line.size() <= longest_line
        && (lines_.empty() || lines_.back() != line))
      lines_.push_back(std::move(line));
  if (lines_.size() > most_lines)
    lines_.erase(lines_.begin(),
                 lines_.end() - static_cast<std::ptrdiff_t>(most_lines));
  if (count > 2 * most_lines)
    shorten();
}

bool shell_history::add(std::string_view line) {
  if (line.empty() || line.front() == ' ' || line.size() > longest_line
      || line.find('\n') != line.npos
      || (!lines_.empty() && lines_.back() == line))
    return false;
  lines_.emplace_back(line);
  append(line);
  return true;
}

void shell_history::append(std::string_view line) {
  if (file_.empty())
    return;
  auto out = open_private(file_);
  auto text = std::string{line} + '\n';
  // One write, so that lines of several shells do not mix.
  if (out.valid() && ::write(out.get(), text.data(), text.size()) < 0)
    out.reset();
}

void shell_history::shorten() {
  std::string text;
  for (auto& line : lines_)
    text += line + '\n';
  auto fresh = file_;
  fresh += ".new";
  std::error_code ignored;
  std::filesystem::remove(fresh, ignored);
  if (create_secret_file(fresh, text))
    std::filesystem::rename(fresh, file_, ignored);
}

std::filesystem::path default_history_file() {
  auto* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/')
    return std::filesystem::path{state} / "muster" / "shell_history";
  auto* home = std::getenv("HOME");
  if (home == nullptr || *home != '/')
    return {};
  return std::filesystem::path{home} / ".local" / "state" / "muster"
         / "shell_history";
}

} // namespace muster
