#include "runtime/inspection_answers.hpp"

#include "actors/inspection.hpp"
#include "runtime/inspection_json.hpp"
#include "runtime/logging.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace muster {

namespace {

constexpr std::uint64_t max_lines = 1'000;

inspection_answer text_answer(std::string text) {
  inspection_answer result;
  result.text = std::move(text);
  return result;
}

std::optional<inspection_answer> read_log(const log_ring& log,
                                          const inspection_request& request) {
  auto least = parse_log_level(request.text);
  if (!least)
    return refuse(errc::invalid_argument,
                  "level must be debug, info, warning or error");
  auto part
    = log.read(request.after, *least, std::min(request.limit, max_lines));
  if (part.lines.empty() && part.missed == 0 && request.wait > millis{0})
    return std::nullopt;
  std::string json;
  render(json, part, log.level());
  return text_answer(std::move(json));
}

inspection_answer set_level(log_ring& log, const std::string& text) {
  auto level = parse_log_level(text);
  if (!level)
    return refuse(errc::invalid_argument,
                  "level must be debug, info, warning or error");
  log.set_level(*level);
  return {};
}

} // namespace

log_level level_of(node_event::severity severity) noexcept {
  switch (severity) {
    case node_event::severity::error:
      return log_level::error;
    case node_event::severity::warning:
      return log_level::warning;
    default:
      return log_level::info;
  }
}

void keep_event(log_ring& log, const node_event& event) {
  if (event.level == node_event::severity::error)
    note_actor_error(event.text);
  auto level = level_of(event.level);
  if (level < log.level())
    return;
  auto now = std::chrono::floor<millis>(std::chrono::system_clock::now());
  log_ring::line line{0, now, level, event.text, {}};
  line.fields.emplace_back("component", event.component);
  line.fields.insert(line.fields.end(), event.fields.begin(),
                     event.fields.end());
  log.add(std::move(line));
}

std::shared_ptr<node_inspection>
make_inspection(const caf::actor_system& system,
                std::shared_ptr<cluster_board> board,
                inspected_process process) {
  inspection_options options;
  options.node = process.node;
  options.board = std::move(board);
  options.supervisors = process.supervisors;
  options.others
    = [process = std::move(process)](const inspection_request& request) {
        return answer_inspection(process, request);
      };
  return std::make_shared<node_inspection>(actor_census::of(system),
                                           std::move(options));
}

std::optional<inspection_answer>
answer_inspection(const inspected_process& process,
                  const inspection_request& request) {
  switch (request.kind) {
    case inspection_kind::read_log:
      return read_log(*process.log, request);
    case inspection_kind::set_log_level:
      return set_level(*process.log, request.text);
    case inspection_kind::drain_node:
      if (!process.drain)
        return refuse(errc::wrong_state,
                      "the program that this node is part of ends it");
      process.drain();
      return inspection_answer{};
    case inspection_kind::list_supervisors: {
      std::string json;
      render(json, process.supervisors(), process.node);
      return text_answer(std::move(json));
    }
    case inspection_kind::locate_http: {
      auto at = process.http();
      if (at.empty())
        return refuse(errc::unavailable, "the node's HTTP is not there");
      return text_answer(std::move(at));
    }
    default:
      return refuse(errc::invalid_argument, "an unknown kind of request");
  }
}

} // namespace muster
