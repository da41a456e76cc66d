#include "runtime/actor_queue.hpp"

#include "actors/mailbox_actor.hpp"
#include "persistence/journal.hpp"

#include <future>
#include <utility>

namespace muster {

namespace {

constexpr std::chrono::seconds answer_limit{30};

} // namespace

actor_queue::actor_queue(std::string queue, actor_factory make,
                         actor_queue_options options)
  : queue_(std::move(queue)),
    make_(std::move(make)),
    options_(std::move(options)) {
  options_.message.handler.clear();
}

void actor_queue::add_to(runtime_options& options) const {
  options.handlers[queue_] = deliver_to(actor_);
}

expected<caf::actor> actor_queue::open(runtime& in) const {
  if (auto ok = configure(in); !ok)
    return tl::unexpected<error>{std::move(ok.error())};
  if (auto ok = in.supervise(bound_actor_child(queue_, make_, actor_)); !ok)
    return tl::unexpected<error>{std::move(ok.error())};
  mailbox_options box{in.journal(), queue_, options_.message, mailbox_};
  auto ok = in.supervise(mailbox_child("mailbox of " + queue_, std::move(box)));
  if (!ok)
    return tl::unexpected<error>{std::move(ok.error())};
  return mailbox_->get();
}

expected<void> actor_queue::configure(runtime& in) const {
  configure_command cmd;
  cmd.queue = queue_;
  cmd.max_running = options_.in_flight;
  cmd.backoff = options_.backoff;
  if (auto valid = validate(cmd); !valid)
    return valid;
  auto promise = std::make_shared<std::promise<expected<outcome>>>();
  auto future = promise->get_future();
  in.journal()->submit(encode(cmd), [promise](expected<outcome> answer) {
    promise->set_value(std::move(answer));
  });
  if (future.wait_for(answer_limit) != std::future_status::ready)
    return fail_with(errc::timed_out);
  return future.get().map([](const outcome&) {});
}

expected<job_id> actor_queue::post(runtime& in, const caf::message& what,
                                   const job_settings& settings) const {
  auto bytes = to_bytes(in.system(), what);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  auto own = settings;
  own.handler.clear();
  return in.enqueue_bytes(queue_, *bytes, own);
}

expected<caf::message> actor_queue::answer(runtime& in, job_id id,
                                           millis limit) {
  auto bytes = in.wait_bytes(id, limit);
  if (!bytes)
    return tl::unexpected<error>{std::move(bytes.error())};
  return to_message(in.system(), *bytes);
}

} // namespace muster
