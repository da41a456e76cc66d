#pragma once

#include "actors/messages.hpp"
#include "persistence/command.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster {

/// The commands that record a batch of outcomes, at most one of each kind, and
/// what came of them. Pure.
class outcome_recording {
public:
  /// `batch` must outlive the call only.
  explicit outcome_recording(const outcome_batch& batch);

  /// To be submitted in any order; taken once.
  [[nodiscard]] std::vector<encoded_command> take_commands() {
    return std::move(commands_);
  }

  /// Notes the answer to the `index`-th command. True once all are there.
  bool on_answer(std::size_t index, const expected<outcome>& answer);

  /// Once all answers are there. For an error, the first one's code.
  [[nodiscard]] outcome_ack to_ack() const;

  /// In the batch's order.
  [[nodiscard]] const std::vector<lease_token>& tokens() const noexcept {
    return tokens_;
  }

private:
  template <class Command>
  void add(const Command& cmd, std::vector<std::uint32_t> positions);

  std::uint64_t number_;
  std::vector<lease_token> tokens_;
  std::vector<encoded_command> commands_;
  /// Of each command: where in the batch its items stand.
  std::vector<std::vector<std::uint32_t>> positions_;
  std::vector<settle_status> items_;
  std::size_t unanswered_ = 0;
  errc code_ = errc::none;
};

} // namespace muster
