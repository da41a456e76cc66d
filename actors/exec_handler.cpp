#include "actors/command_run.hpp"
#include "actors/handler.hpp"

#include <algorithm>
#include <array>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

constexpr std::array<std::string_view, 3> added_names{
  "MUSTER_JOB_ID=", "MUSTER_ATTEMPT=", "MUSTER_QUEUE="};

/// What a node's user may have set for clients is no handler's business.
constexpr std::string_view token_name = "MUSTER_TOKEN=";

// Ours without what the handler adds: of two entries of one name programs take
// either.
std::vector<std::string> inherited_environment() {
  std::vector<std::string> result;
  for (auto entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text{*entry};
    auto is_added = std::any_of(
      added_names.begin(), added_names.end(),
      [text](std::string_view name) { return text.starts_with(name); });
    if (!is_added && !text.starts_with(token_name))
      result.emplace_back(text);
  }
  return result;
}

std::vector<std::string> environment_of(std::vector<std::string> base,
                                        const leased_job& job) {
  std::array<std::string, 3> values{
    to_string(job.token.id), std::to_string(job.token.attempt), job.queue};
  for (std::size_t i = 0; i < values.size(); ++i)
    base.push_back(std::string{added_names[i]} + values[i]);
  return base;
}

} // namespace

handler_function make_exec_handler(exec_handler_options options) {
  // Reading `environ` while somebody calls setenv is a race: read it once, when
  // handlers are set up.
  return [options = std::move(options), base = inherited_environment()](
           job_context& ctx) -> expected<std::string> {
    if (options.command.empty() || options.command.front().empty())
      return fail_with(errc::invalid_argument, "the command names no program");
    command_spec spec;
    spec.command = options.command;
    spec.environment = environment_of(base, ctx.job());
    spec.input = ctx.payload();
    spec.max_output = options.max_result_bytes;
    spec.kill_after = options.kill_after;
    return run_command(spec, ctx.control());
  };
}

} // namespace muster
