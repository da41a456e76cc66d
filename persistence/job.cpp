#include "persistence/job.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace muster {

namespace {

template <class Integer>
std::optional<Integer> parse_number(std::string_view text) noexcept {
  Integer value = 0;
  auto last = text.data() + text.size();
  auto [end, ec] = std::from_chars(text.data(), last, value);
  // A leading zero would give one job two texts.
  if (ec != std::errc{} || end != last || value == 0 || text.front() == '0')
    return std::nullopt;
  return value;
}

constexpr std::array<std::string_view, job_state_count> state_names{
  "scheduled", "ready", "leased", "succeeded", "dead", "cancelled",
};

constexpr std::array<std::string_view, 8> status_names{
  "running", "succeeded", "failed",   "timed_out",
  "expired", "lost",      "released", "cancelled",
};

} // namespace

std::string_view to_string(attempt_status status) noexcept {
  auto index = static_cast<std::size_t>(status);
  return index < status_names.size() ? status_names[index] : "";
}

std::string to_string(job_id id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}

std::optional<job_id> parse_job_id(std::string_view text) noexcept {
  if (auto number = parse_number<std::uint64_t>(text))
    return job_id{*number};
  return std::nullopt;
}

std::string to_string(lease_token token) {
  return to_string(token.id) + '-' + std::to_string(token.attempt);
}

std::optional<lease_token> parse_lease_token(std::string_view text) noexcept {
  auto dash = text.find('-');
  if (dash == std::string_view::npos)
    return std::nullopt;
  auto id = parse_job_id(text.substr(0, dash));
  auto attempt = parse_number<std::uint32_t>(text.substr(dash + 1));
  if (!id || !attempt)
    return std::nullopt;
  return lease_token{*id, *attempt};
}

std::string_view to_string(job_state state) noexcept {
  auto index = static_cast<std::size_t>(state);
  return index < state_names.size() ? state_names[index] : "unknown";
}

std::optional<job_state> parse_job_state(std::string_view text) noexcept {
  auto pos = std::find(state_names.begin(), state_names.end(), text);
  if (pos == state_names.end())
    return std::nullopt;
  return static_cast<job_state>(pos - state_names.begin());
}

bool is_valid_name(std::string_view name) noexcept {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= limits::queue_name
         && std::all_of(name.begin(), name.end(), allowed);
}

} // namespace muster
