#include "actors/actor_row.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace muster {

namespace {

constexpr std::array<std::string_view, 3> state_names{"running", "unresponsive",
                                                      "down"};
constexpr std::array<std::string_view, 4> order_names{"name", "mailbox", "busy",
                                                      "messages"};

std::uint64_t figure(const actor_row& row, actor_order order) noexcept {
  switch (order) {
    case actor_order::by_mailbox:
      return row.mailbox;
    case actor_order::by_busy:
      return row.busy_us;
    case actor_order::by_messages:
      return row.messages_in;
    default:
      return 0;
  }
}

bool is_there(const child_info& child) {
  return child.state == "running" || child.state == "starting"
         || child.state == "stopping";
}

actor_row row_of(const child_info& child, const std::string& parent) {
  actor_row row;
  row.name = parent + '/' + child.id;
  row.type = child.type;
  row.parent = parent;
  row.state = is_there(child) ? actor_state::running : actor_state::down;
  row.started_at = child.since;
  return row;
}

} // namespace

std::string_view to_string(actor_state state) noexcept {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<actor_order> parse_actor_order(std::string_view text) noexcept {
  auto pos = std::find(order_names.begin(), order_names.end(), text);
  if (pos == order_names.end())
    return std::nullopt;
  return static_cast<actor_order>(pos - order_names.begin());
}

bool comes_before(const actor_row& a, const actor_row& b, actor_order order) {
  auto left = figure(a, order);
  auto right = figure(b, order);
  return left != right ? left > right : a.name < b.name;
}

void sort_and_cut(std::vector<actor_row>& rows, actor_order order,
                  std::size_t limit) {
  auto shown
    = rows.begin() + static_cast<std::ptrdiff_t>(std::min(limit, rows.size()));
  std::partial_sort(rows.begin(), shown, rows.end(),
                    [order](const actor_row& a, const actor_row& b) {
                      return comes_before(a, b, order);
                    });
  rows.erase(shown, rows.end());
}

void subtract(std::vector<actor_row>& now,
              const std::vector<actor_row>& before) {
  std::map<std::pair<std::string_view, std::uint64_t>, const actor_row*> known;
  for (auto& row : before)
    known[{row.name, row.id}] = &row;
  for (auto& row : now) {
    auto pos = known.find({row.name, row.id});
    if (pos == known.end())
      continue;
    auto& old = *pos->second;
    row.messages_in -= std::min(row.messages_in, old.messages_in);
    row.messages_out -= std::min(row.messages_out, old.messages_out);
    row.busy_us -= std::min(row.busy_us, old.busy_us);
  }
}

void add_supervision(std::vector<actor_row>& rows,
                     std::span<const supervisor_info> supervisors) {
  std::map<std::string, std::size_t, std::less<>> places;
  for (std::size_t i = 0; i < rows.size(); ++i)
    places.emplace(rows[i].name, i);
  for (auto& supervisor : supervisors) {
    for (auto& child : supervisor.children) {
      auto name = supervisor.path + '/' + child.id;
      auto pos = places.find(name);
      if (pos == places.end()) {
        pos = places.emplace(std::move(name), rows.size()).first;
        rows.push_back(row_of(child, supervisor.path));
      }
      auto& row = rows[pos->second];
      row.restarts = child.restarts;
      if (row.last_error.empty())
        row.last_error = child.last_error;
    }
  }
}

} // namespace muster
