#include "actors/outcome_commands.hpp"

#include <utility>

namespace muster {

outcome_recording::outcome_recording(const outcome_batch& batch)
  : number_(batch.number), items_(batch.items.size()) {
  complete_command completions;
  fail_command failures;
  release_command releases;
  std::vector<std::uint32_t> completed;
  std::vector<std::uint32_t> failed;
  std::vector<std::uint32_t> released;
  tokens_.reserve(batch.items.size());
  for (auto& item : batch.items) {
    auto position = static_cast<std::uint32_t>(tokens_.size());
    tokens_.push_back(item.token);
    if (item.kind == outcome_kind::succeeded) {
      completions.items.push_back({item.token, item.text});
      completed.push_back(position);
    } else if (item.kind == outcome_kind::released) {
      releases.items.push_back(item.token);
      released.push_back(position);
    } else {
      auto kind = item.kind == outcome_kind::timed_out ? failure_kind::timed_out
                                                       : failure_kind::error;
      failures.items.push_back({item.token, kind, item.text, item.retry});
      failed.push_back(position);
    }
  }
  add(completions, std::move(completed));
  add(failures, std::move(failed));
  add(releases, std::move(released));
  unanswered_ = commands_.size();
}

template <class Command>
void outcome_recording::add(const Command& cmd,
                            std::vector<std::uint32_t> positions) {
  if (positions.empty())
    return;
  commands_.push_back(encode(cmd));
  positions_.push_back(std::move(positions));
}

bool outcome_recording::on_answer(std::size_t index,
                                  const expected<outcome>& answer) {
  --unanswered_;
  auto fail = [this](errc code) {
    if (code_ == errc::none)
      code_ = code;
  };
  auto& positions = positions_[index];
  if (!answer) {
    fail(answer.error().code);
  } else if (auto* settled = std::get_if<settle_outcome>(&*answer);
             settled != nullptr && settled->items.size() == positions.size()) {
    for (std::size_t i = 0; i < positions.size(); ++i)
      items_[positions[i]] = settled->items[i].status;
  } else {
    fail(errc::internal);
  }
  return unanswered_ == 0;
}

outcome_ack outcome_recording::to_ack() const {
  if (code_ != errc::none)
    return {number_, code_, {}};
  return {number_, errc::none, items_};
}

} // namespace muster
