#include "actors/actor_delivery.hpp"

#include "actors/message_bytes.hpp"
#include "actors/messages.hpp"

#include <caf/actor_addr.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_companion.hpp>
#include <caf/actor_system.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>

#include <condition_variable>
#include <optional>

namespace muster {

namespace {

/// How often is looked whether there is an actor, and whether to stop.
constexpr millis look_interval{20};

/// A request of any message from a thread, with any message as its answer.
/// CAF's own requests want to know the answer's types.
class dynamic_request {
public:
  dynamic_request(const caf::actor& to, caf::message what)
    : to_(to.address()), self_(to.home_system().spawn<caf::actor_companion>()) {
    auto* own = companion();
    own->on_enqueue([shared = shared_](caf::mailbox_element_ptr element) {
      if (element->mid.is_response())
        shared->set(std::move(element->payload));
      else if (element->payload.match_elements<caf::down_msg>())
        shared->set(caf::make_message(caf::make_error(
          caf::sec::request_receiver_down,
          to_string(element->payload.get_as<caf::down_msg>(0).reason))));
    });
    // An actor that crashes does not answer what it was about.
    own->monitor(to);
    to->enqueue(caf::make_mailbox_element(
                  caf::actor_cast<caf::strong_actor_ptr>(self_),
                  own->new_request_id(caf::message_priority::normal), {},
                  std::move(what)),
                nullptr);
  }

  ~dynamic_request() {
    // Else the actor would keep an entry for each message that it ever got.
    companion()->demonitor(to_);
    companion()->on_enqueue(nullptr);
  }

  dynamic_request(const dynamic_request&) = delete;
  dynamic_request& operator=(const dynamic_request&) = delete;

  /// Nothing if there is none within the time.
  [[nodiscard]] std::optional<caf::message> answer_within(millis limit) {
    std::unique_lock guard{shared_->mutex};
    shared_->changed.wait_for(guard, limit,
                              [this] { return shared_->answer.has_value(); });
    return shared_->answer;
  }

private:
  /// The first answer counts.
  struct state {
    void set(caf::message what) {
      std::lock_guard guard{mutex};
      if (answer)
        return;
      answer = std::move(what);
      changed.notify_all();
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::optional<caf::message> answer;
  };

  [[nodiscard]] caf::actor_companion* companion() const {
    return caf::actor_cast<caf::actor_companion*>(self_);
  }

  std::shared_ptr<state> shared_ = std::make_shared<state>();
  /// Does not keep it alive.
  caf::actor_addr to_;
  caf::actor self_;
};

tl::unexpected<error> to_failure(const caf::error& reason) {
  if (reason.category() == caf::type_id_v<errc>)
    return tl::unexpected<error>{from_caf(reason)};
  if (reason == caf::sec::unexpected_message)
    return fail_with(errc::invalid_argument,
                     "the actor does not take this message");
  if (reason == caf::sec::request_receiver_down)
    return fail_with(errc::handler_failed,
                     "the actor ended while it had this message: "
                       + to_string(reason));
  return fail_with(errc::handler_failed, to_string(reason));
}

expected<std::string> deliver(job_context& ctx, const actor_slot& slot) {
  auto target = slot.get();
  for (; !target; target = slot.get())
    if (!ctx.wait_for(look_interval))
      return ctx.stopped();
  auto& system = target.home_system();
  auto what = to_message(system, ctx.payload());
  if (!what)
    return tl::unexpected<error>{std::move(what.error())};
  dynamic_request request{target, std::move(*what)};
  // Who holds it might keep it alive.
  target = nullptr;
  while (true) {
    auto answer = request.answer_within(look_interval);
    if (answer && answer->match_elements<caf::error>())
      return to_failure(answer->get_as<caf::error>(0));
    if (answer)
      return to_bytes(system, *answer);
    if (ctx.cancelled())
      return ctx.stopped();
  }
}

} // namespace

handler_function deliver_to(std::shared_ptr<const actor_slot> slot) {
  return
    [slot = std::move(slot)](job_context& ctx) { return deliver(ctx, *slot); };
}

} // namespace muster
