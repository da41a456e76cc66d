#include "runtime/worker_figures.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace muster {

namespace {

using nlohmann::json;

template <class Counters>
struct named_counter {
  const char* name;
  std::uint64_t Counters::*value;
};

constexpr std::array<named_counter<handler_counters>, 6> of_handler{
  {{"started", &handler_counters::started},
   {"succeeded", &handler_counters::succeeded},
   {"failed", &handler_counters::failed},
   {"timed_out", &handler_counters::timed_out},
   {"cancelled", &handler_counters::cancelled},
   {"released", &handler_counters::released}}};

constexpr std::array<named_counter<worker_counters>, 5> of_worker{
  {{"stuck_total", &worker_counters::stuck_total},
   {"outcome_batches", &worker_counters::outcome_batches},
   {"outcome_batches_resent", &worker_counters::outcome_batches_resent},
   {"outcomes_acknowledged", &worker_counters::outcomes_acknowledged},
   {"outcomes_stale", &worker_counters::outcomes_stale}}};

// How it is now, and not what has been.
constexpr std::array<named_counter<worker_counters>, 3> of_moment{
  {{"stuck", &worker_counters::stuck},
   {"outbox_outcomes", &worker_counters::outbox_outcomes},
   {"outbox_bytes", &worker_counters::outbox_bytes}}};

json to_json(const handler_counters& handler) {
  json result{
    {"handler", handler.handler},
    {"run_us",
     {{"buckets", handler.run_us.buckets}, {"sum", handler.run_us.sum}}}};
  for (auto& each : of_handler)
    result[each.name] = handler.*each.value;
  return result;
}

handler_counters handler_from(const json& from) {
  handler_counters result;
  from.at("handler").get_to(result.handler);
  for (auto& each : of_handler)
    from.at(each.name).get_to(result.*each.value);
  auto& time = from.at("run_us");
  time.at("buckets").get_to(result.run_us.buckets);
  time.at("sum").get_to(result.run_us.sum);
  return result;
}

process_figures figures_from(const json& from) {
  process_figures result;
  from.at("incarnation").get_to(result.incarnation);
  for (auto& each : of_worker)
    from.at(each.name).get_to(result.counters.*each.value);
  for (auto& each : of_moment)
    from.at(each.name).get_to(result.counters.*each.value);
  for (auto& each : from.at("handlers"))
    result.counters.handlers.push_back(handler_from(each));
  return result;
}

void add(handler_counters& to, const handler_counters& more) {
  for (auto& each : of_handler)
    to.*each.value += more.*each.value;
  to.run_us.sum += more.run_us.sum;
  for (std::size_t i = 0; i < to.run_us.buckets.size(); ++i)
    to.run_us.buckets[i] += more.run_us.buckets[i];
}

} // namespace

expected<void> keep_figures(const process_figures& figures,
                            const std::filesystem::path& file) {
  json text{{"incarnation", figures.incarnation}, {"handlers", json::array()}};
  for (auto& each : of_worker)
    text[each.name] = figures.counters.*each.value;
  for (auto& each : of_moment)
    text[each.name] = figures.counters.*each.value;
  for (auto& handler : figures.counters.handlers)
    text["handlers"].push_back(to_json(handler));
  auto draft = file;
  draft += ".new";
  {
    std::ofstream out{draft, std::ios::trunc};
    out << text.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    if (!out.flush())
      return fail_with(errc::io_error, "cannot write " + draft.string());
  }
  std::error_code ec;
  std::filesystem::rename(draft, file, ec);
  if (ec)
    return fail_with(errc::io_error,
                     "cannot write " + file.string() + ": " + ec.message());
  return {};
}

expected<process_figures> read_figures(const std::filesystem::path& file) {
  std::ifstream in{file};
  if (!in)
    return fail_with(errc::io_error, "cannot read " + file.string());
  try {
    return figures_from(json::parse(in));
  } catch (const json::exception& ex) {
    return fail_with(errc::malformed, file.string() + ": " + ex.what());
  }
}

void add(worker_counters& to, const worker_counters& more) {
  for (auto& each : of_worker)
    to.*each.value += more.*each.value;
  for (auto& each : of_moment)
    to.*each.value += more.*each.value;
  for (auto& handler : more.handlers) {
    auto pos = std::find_if(
      to.handlers.begin(), to.handlers.end(),
      [&handler](auto& own) { return own.handler == handler.handler; });
    if (pos == to.handlers.end())
      to.handlers.push_back(handler);
    else
      add(*pos, handler);
  }
}

void figure_sums::update(const std::string& process, process_figures now) {
  auto& known = latest_[process];
  if (!known.incarnation.empty() && known.incarnation != now.incarnation) {
    for (auto& each : of_moment)
      known.counters.*each.value = 0;
    add(before_, known.counters);
  }
  known = std::move(now);
}

worker_counters figure_sums::total() const {
  auto result = before_;
  for (auto& [process, figures] : latest_)
    add(result, figures.counters);
  return result;
}

} // namespace muster
