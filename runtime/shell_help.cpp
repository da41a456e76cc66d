#include "runtime/shell_help.hpp"

#include "runtime/shell_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace muster {

namespace {

constexpr std::size_t name_width = 10;

void list(std::string& out, command_effect effect, std::string_view title,
          const screen& on) {
  out += paint(title, tone::strong, on) + "\n";
  for (auto& each : shell_commands())
    if (each.effect == effect) {
      auto room = on.width == 0 ? each.purpose.size()
                                : on.width - std::min(on.width, name_width + 2);
      auto purpose = fit(each.purpose, room, on.unicode);
      out += fmt::format("  {:<{}}{}\n", each.name, name_width, purpose);
    }
  out += "\n";
}

} // namespace

std::string help_overview(const screen& on) {
  std::string out;
  list(out, command_effect::reads, "Look", on);
  list(out, command_effect::changes, "Change (after 'enable')", on);
  list(out, command_effect::local, "This shell", on);
  return out
         + "'help COMMAND' has options and examples. The tab key completes "
           "commands and\nnames; ';' separates commands; quotes keep blanks.\n";
}

std::string help_on(const command_spec& command, const screen& on) {
  auto out = paint(usage_of(command), tone::strong, on) + "\n\n";
  std::string purpose{command.purpose};
  purpose.front() = static_cast<char>(std::toupper(purpose.front()));
  out += purpose + ".";
  if (command.effect == command_effect::changes)
    out += " Only after 'enable'.";
  out += "\n";
  if (!command.details.empty())
    out += std::string{command.details} + "\n";
  if (!command.options.empty())
    out += "\n";
  for (auto& each : command.options)
    out += fmt::format(
      "  --{:<14}{}{}\n", each.name, each.meaning,
      each.effect == command_effect::changes ? "; only after 'enable'" : "");
  out += "\n";
  for (auto example : command.examples)
    out += "  " + std::string{example} + "\n";
  return out;
}

} // namespace muster
