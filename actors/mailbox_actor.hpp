#pragma once

#include "actors/actor_delivery.hpp"
#include "actors/caf_helpers.hpp"
#include "actors/child_specification.hpp"
#include "persistence/job_settings.hpp"
#include "persistence/journal.hpp"

#include <caf/response_promise.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace muster {

namespace limits {

/// Messages that wait for the disk in one mailbox.
inline constexpr std::size_t mailbox_messages = 10'000;

} // namespace limits

struct mailbox_options {
  std::shared_ptr<journal_port> journal;
  std::string queue;
  /// Of each message as a job.
  job_settings settings;
  /// Where the mailbox is found.
  std::shared_ptr<actor_slot> slot;
};

/// A mailbox as a child of a supervisor.
[[nodiscard]] child_specification mailbox_child(std::string id,
                                                mailbox_options options);

/// Takes any message, puts it into a queue, and answers when it is on disk:
/// with the job's id as text, or with why not. Messages that ask for no answer
/// are put there all the same.
class mailbox_state {
public:
  static constexpr const char* name = "muster.mailbox";

  mailbox_state(caf::event_based_actor* self, mailbox_options options);
  ~mailbox_state();
  mailbox_state(const mailbox_state&) = delete;
  mailbox_state& operator=(const mailbox_state&) = delete;

  caf::behavior make_behavior();

private:
  /// What the journal has answered, left by its thread.
  struct inbox {
    std::mutex mutex;
    std::vector<std::pair<std::uint64_t, expected<outcome>>> answers;
    doorbell bell;
  };

  void take(const caf::message& what);
  void on_answers();

  caf::event_based_actor* self_;
  mailbox_options options_;
  std::shared_ptr<inbox> inbox_ = std::make_shared<inbox>();
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, caf::response_promise> waiting_;
};

} // namespace muster
