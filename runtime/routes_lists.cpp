#include "runtime/json_render.hpp"
#include "runtime/routes.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

// Lists of jobs and leases, page by page: each page costs what it shows,
// whatever the queue holds.

namespace muster::routes {

namespace {

constexpr std::uint64_t max_rows = 1'000;
/// A page ends with the row that exceeds this.
constexpr std::size_t max_page_bytes = std::size_t{1} << 20;

// -- cursors ------------------------------------------------------------------

std::string cursor_text(const list_position& at) {
  return fmt::format("{}-{}-{}", static_cast<unsigned>(at.state), at.order,
                     static_cast<std::uint64_t>(at.id));
}

std::optional<list_position> parse_cursor(std::string_view text) {
  std::array<std::uint64_t, 3> numbers{};
  for (auto& number : numbers) {
    auto end = &number == &numbers.back() ? text.size() : text.find('-');
    if (end == std::string_view::npos)
      return std::nullopt;
    auto value = parse_unsigned(text.substr(0, end));
    if (!value)
      return std::nullopt;
    number = *value;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (numbers[0] >= job_state_count)
    return std::nullopt;
  return list_position{static_cast<job_state>(numbers[0]), numbers[1],
                       job_id{numbers[2]}};
}

/// Whether a list of jobs in this state, or of all, has such cursors.
bool belongs(const list_position& at, std::optional<job_state> state) {
  if (state)
    return at.state == *state;
  return at.state <= job_state::succeeded;
}

/// The parameters that both lists have.
struct page_request {
  std::size_t limit = 0;
  std::optional<list_position> after;
};

/// Answers and gives nothing if they are not right.
std::optional<page_request> page_of(http_call& call,
                                    std::optional<job_state> state) {
  auto limit = call.query.number("limit", 100, 1, max_rows);
  if (!ok_or_answer(limit, call))
    return std::nullopt;
  page_request result{*limit, std::nullopt};
  if (auto after = call.query.find("after")) {
    result.after = parse_cursor(*after);
    if (!result.after || !belongs(*result.after, state)) {
      call.reply->answer(
        problem(error{errc::invalid_argument,
                      "after must be the next of an earlier answer to the "
                      "same question"}));
      return std::nullopt;
    }
  }
  return result;
}

// -- answers ------------------------------------------------------------------

/// `{"NAME":[...],"next":...}`; `show` appends one row.
template <class Show>
http_response answer_of(std::string_view name, const job_page& page,
                        Show show) {
  auto json = fmt::format(R"({{"{}":[)", name);
  auto next = page.next;
  for (auto& row : page.rows) {
    if (json.size() > max_page_bytes) {
      next = (&row - 1)->at;
      break;
    }
    if (json.back() != '[')
      json.push_back(',');
    show(json, row.job);
  }
  json += next ? fmt::format(R"(],"next":"{}"}})", cursor_text(*next))
               : R"(],"next":null})";
  return json_response(std::move(json));
}

/// The last commit does not know the queue. Lists nothing if it came into being
/// since, and answers 404 if not.
void answer_unknown(gateway_state& state, http_call& call) {
  state.backend.journal->read(
    [reply = call.reply,
     name = call.arguments.front()](const expected<store_view>& view) {
      answer_with(reply, [&] {
        if (!view)
          return problem(view.error());
        if (!view->queue(name))
          return problem(error{errc::queue_not_found});
        return answer_of("jobs", job_page{}, [](auto&, auto&) {});
      });
    });
}

} // namespace

void list_jobs(gateway_state& state, http_call& call) {
  if (!ok_or_answer(call.query.allow_only({"state", "limit", "after"}), call))
    return;
  job_query query;
  if (auto text = call.query.find("state")) {
    query.state = parse_job_state(*text);
    if (!query.state) {
      call.reply->answer(
        problem(error{errc::invalid_argument,
                      "state must be one of scheduled, ready, leased, "
                      "succeeded, dead, cancelled"}));
      return;
    }
  }
  auto wish = page_of(call, query.state);
  if (!wish)
    return;
  query.queue = call.arguments.front();
  query.limit = wish->limit;
  query.after = wish->after;
  auto reading = read_or_answer(state, call);
  if (!reading)
    return;
  auto view = reading->view();
  auto page = view.jobs(query);
  if (!page)
    return answer_unknown(state, call);
  call.reply->answer(
    answer_of("jobs", *page, [&view](std::string& out, const job_info& job) {
      render(out, job, view.payload_bytes(job.id).value_or(0));
    }));
}

void list_leases(gateway_state& state, http_call& call) {
  auto known = call.query.allow_only({"queue", "worker", "limit", "after"});
  if (!ok_or_answer(known, call))
    return;
  auto wish = page_of(call, job_state::leased);
  if (!wish)
    return;
  lease_query query;
  query.queue = call.query.find("queue").value_or(std::string_view{});
  query.worker = call.query.find("worker").value_or(std::string_view{});
  query.limit = wish->limit;
  query.after = wish->after;
  if (auto reading = read_or_answer(state, call))
    call.reply->answer(
      answer_of("leases", reading->view().leases(query), render_lease));
}

} // namespace muster::routes
