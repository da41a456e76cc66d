#include "transcripts.hpp"

#include "node_process.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <fstream>
#include <istream>
#include <regex>
#include <sstream>
#include <utility>

namespace muster {

namespace {

constexpr std::string_view indent = "    ";

std::vector<std::string> lines_of(std::istream& in) {
  std::vector<std::string> result;
  for (std::string line; std::getline(in, line);)
    result.push_back(line);
  return result;
}

/// How long the prompt with its indent is; 0: the line is no command.
std::size_t prompt_size(std::string_view line) {
  if (!line.starts_with(indent))
    return 0;
  auto end
    = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz", indent.size());
  return end != std::string_view::npos && line.substr(end).starts_with("$ ")
           ? end + 2
           : 0;
}

/// Whether a line can belong to what is shown.
bool is_output(const std::string& line) {
  return (line.empty() || line.starts_with(indent)) && prompt_size(line) == 0;
}

std::vector<transcript>
read_transcripts(const std::vector<std::string>& lines) {
  std::vector<transcript> result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto begin = prompt_size(lines[i]);
    if (begin == 0)
      continue;
    transcript next;
    next.line = i;
    next.terminal = lines[i].substr(indent.size(), begin - indent.size() - 2);
    next.command = lines[i].substr(begin);
    // Blank lines within it are followed by more.
    for (auto j = i + 1; j < lines.size() && is_output(lines[j]); ++j)
      next.shown
        += lines[j].empty() ? "\n" : lines[j].substr(indent.size()) + "\n";
    while (next.shown.ends_with("\n\n"))
      next.shown.pop_back();
    if (next.shown == "\n")
      next.shown.clear();
    result.push_back(std::move(next));
  }
  return result;
}

} // namespace

transcript_page::transcript_page(const std::filesystem::path& path)
  : file_(std::filesystem::path{MUSTER_SOURCE_DIR} / path) {
  std::ifstream in{file_};
  lines_ = lines_of(in);
  transcripts_ = read_transcripts(lines_);
}

bool transcript_page::writing() {
  return std::getenv("MUSTER_WRITE_TRANSCRIPTS") != nullptr;
}

void transcript_page::rewrite(const std::vector<std::string>& outputs) const {
  std::ofstream out{file_};
  std::size_t next = 0;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    out << lines_[i] << '\n';
    if (next == transcripts_.size() || transcripts_[next].line != i)
      continue;
    std::istringstream text{outputs[next]};
    auto shown = lines_of(text);
    for (auto& line : shown)
      out << (line.empty() ? "" : indent) << line << '\n';
    // What stood there. Commands that print nothing stand together.
    auto blank = false;
    for (; i + 1 < lines_.size() && is_output(lines_[i + 1]); ++i)
      blank = blank || lines_[i + 1].empty();
    if (!shown.empty() || blank)
      out << '\n';
    ++next;
  }
}

std::string normalised(std::string text) {
  const std::pair<const char*, const char*> rules[] = {
    {R"(\d{4}-\d\d-\d\dT[0-9:.]+Z)", "N"},
    {R"(127\.0\.0\.1:(?!1:)\d+)", "N"},
    {R"(\b\d+(\.\d)?s\b|\b\d+[mh]\d\d[sm]?\b|\b\d+(\.\d+)?(ms|us| us)\b)", "N"},
    {R"(\b\d[0-9.,]*(e[+-]?\d+)?)", "N"},
    {R"( -(?= |\n))", " N"},
    {R"( +)", " "},
    {R"( \n)", "\n"},
  };
  for (auto& [pattern, with] : rules)
    text = std::regex_replace(text, std::regex{pattern}, with);
  return text;
}

std::string output_of(const std::filesystem::path& dir,
                      const std::string& command) {
  process_options options;
  // curl shows how far it is where its output is no terminal.
  options.command = {"sh", "-c",
                     "muster() { \"" MUSTER_PROGRAM "\" \"$@\"; }\n"
                     "curl() { command curl -sS \"$@\"; }\n{ "
                       + command + "\n} 2>&1"};
  options.directory = dir;
  auto child = process::start(options);
  REQUIRE(child);
  REQUIRE(child->wait(patience));
  std::string result;
  while (auto line = child->read_line(patience))
    result += *line + "\n";
  return result;
}

} // namespace muster
