#include "persistence/duration.hpp"
#include "runtime/http_text.hpp"
#include "runtime/shell_runner.hpp"
#include "runtime/shell_text.hpp"
#include "runtime/shell_top.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

// The commands that go on until somebody ends them.

namespace muster {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr auto least_pause = millis{200};
constexpr auto most_pause = millis{10'000};
/// Lines that are no rows: title, blank, heads, and what nodes are silent.
constexpr std::size_t top_frame = 5;
constexpr auto poll_wait = std::chrono::seconds{5};
/// What a trace may take beyond its own time.
constexpr auto trace_grace = std::chrono::seconds{60};
/// Events of a trace in one JSON value.
constexpr std::size_t most_events = 1'000;

std::string_view sorting_of_key(char key) {
  switch (key) {
    case 'm':
      return "mailbox";
    case 'b':
      return "busy";
    case 's':
      return "messages";
    case 'n':
      return "name";
    default:
      return {};
  }
}

std::string top_head(std::string_view sorting, millis pause,
                     const shell_session& session, const screen& on) {
  auto text = fmt::format("{} at {}   by {}, every {}   m b s n: sort, q: quit",
                          session.node_name(), session.address(), sorting,
                          format_duration(pause));
  return paint(fit(text, on.width, on.unicode), tone::strong, on) + "\n\n";
}

std::string in_lines(std::string_view failure, const screen& on) {
  std::string out;
  for (auto& line : wrap(failure, on.width))
    out += paint(line, tone::bad, on) + "\n";
  return out;
}

shell_request get_request(std::string target) {
  shell_request result;
  result.target = std::move(target);
  return result;
}

} // namespace

shell_outcome shell_runner::run_top(const shell_call& call) {
  if (!console_.live())
    return run_request(call);
  // A key ends a wait for a node that hangs as a signal does.
  auto keys_and_signals = console_.watch();
  auto before = session_.interrupt_by(keys_and_signals.get());
  auto outcome = watch_actors(call);
  session_.interrupt_by(before);
  return outcome;
}

// What it shows is replaced rather than erased and written anew, so that it
// does not flicker. A node that is gone is looked for until somebody ends it.
shell_outcome shell_runner::watch_actors(const shell_call& call) {
  auto sorting = call.option_or("sort", "busy");
  auto pause = std::clamp(
    parse_duration(call.option_or("every", "1s")).value_or(least_pause),
    least_pause, most_pause);
  auto most = parse_unsigned(call.option_or("limit", "1000")).value_or(1'000);
  auto request = get_request("/v1/actors?sort=name&limit=1000");
  if (auto* node = call.option("node"))
    request.target += "&node=" + percent_encode(*node);
  actor_window window;
  std::string failure;
  full_screen view{console_, keys_};
  auto show_rows = [&] {
    auto on = console_.look();
    auto rows = std::min(on.height - std::min(on.height, top_frame),
                         static_cast<std::size_t>(most));
    auto text = top_head(sorting, pause, session_, on);
    text += failure.empty() ? view_top(window.rows(sorting, rows), context())
                            : in_lines(failure, on);
    view.show(text);
  };
  show_rows();
  while (!console_.gone()) {
    auto answer = ask_json(request);
    // A key, or another size, ended the wait: it is looked at, and then the
    // node is asked again.
    auto cut = !answer && answer.error().code == to_string(errc::cancelled);
    if (answer)
      window.add(make_printable(*answer), context().now);
    if (!cut)
      failure = answer ? std::string{} : answer.error().text;
    show_rows();
    auto until = clock_type::now() + (cut ? millis{0} : pause);
    do {
      auto left = std::chrono::ceil<millis>(until - clock_type::now());
      auto event = console_.wait(std::max(left, millis{0}));
      if (event.interrupted || event.key == 'q' || event.key == 'Q')
        return after_watching();
      if (auto wanted = sorting_of_key(event.key); !wanted.empty())
        sorting = wanted;
      if (event.key != 0 || event.resized)
        show_rows();
    } while (clock_type::now() < until);
  }
  return after_watching();
}

shell_outcome shell_runner::after_watching() {
  auto outcome = stopped();
  return outcome == shell_outcome::leave ? outcome : shell_outcome::done;
}

shell_outcome shell_runner::run_trace(const shell_call& call) {
  auto begun = ask_json(trace_request(call));
  if (!begun)
    return report(begun.error());
  auto path = "/v1/traces/" + percent_encode(muster::show(*begun, "id"));
  auto all = shell_json::array();
  // The node ends it; one that does not is not waited for.
  auto last = clock_type::now() + trace_grace
              + parse_duration(call.option_or("for", "")).value_or(millis{0});
  while (true) {
    auto answer = ask_json(
      get_request(path + "?wait=" + format_duration(poll_wait)), poll_wait);
    if (!answer) {
      auto outcome = report(answer.error());
      // It ends by itself where this is not heard.
      auto end = get_request(path);
      end.method = "DELETE";
      if (outcome != shell_outcome::failed)
        session_.tell(end);
      return outcome;
    }
    for (auto& each : member(*answer, "events")) {
      if (!console_.json())
        console_.print(view_event(make_printable(each), context()));
      else if (all.size() < most_events)
        all.push_back(each);
    }
    if (member(*answer, "ended") == true || console_.gone()
        || clock_type::now() > last) {
      auto reason = muster::show(*answer, "reason");
      auto dropped = muster::show(*answer, "dropped");
      auto hidden = dropped.empty() || dropped == "0"
                      ? ""
                      : fmt::format(", {} were not shown", printable(dropped));
      say({{"events", all},
           {"dropped", member(*answer, "dropped")},
           {"reason", reason}},
          fmt::format("ended{}{}{}\n", reason.empty() ? "" : ": ",
                      printable(reason), hidden));
      return shell_outcome::done;
    }
  }
}

} // namespace muster
